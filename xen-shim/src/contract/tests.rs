use super::*;

fn bzimage(version: u16) -> Vec<u8> {
    let mut data = vec![0; 0x400];
    data[0x202..0x206].copy_from_slice(b"HdrS");
    data[0x206..0x208].copy_from_slice(&version.to_le_bytes());
    data
}

fn completed(line: &str, real_mode: bool) -> (String, Vec<XenWarning>) {
    let mut line = Cmdline::xen(line);
    let warnings = complete(&mut line, real_mode);
    (line.to_string(), warnings)
}

#[test]
fn no_real_mode_is_added_once_before_the_double_dash() {
    let (line, warnings) = completed("com1=115200,8n1 console=com1", false);
    assert_eq!(line, "no-real-mode com1=115200,8n1 console=com1");
    assert_eq!(warnings, [XenWarning::NoRealModeAdded]);

    let (line, _) = completed("com1=x -- no-real-mode", false);
    assert_eq!(line, "no-real-mode com1=x -- no-real-mode");
    for there in ["no-real-mode com1=x", "tboot=0x1000 com1=x"] {
        assert_eq!(completed(there, false), (there.to_owned(), vec![]));
    }
    // parameters that Xen does not support
    assert!(!avoids_real_mode(&Cmdline::xen(
        "real-mode=0 noreal no-real-mode=1"
    )));
    assert_eq!(completed("", false).0, "no-real-mode");
}

#[test]
fn real_mode_keeps_the_command_line_and_warns() {
    let expected = ("com1=x".to_owned(), vec![XenWarning::RealMode]);
    assert_eq!(completed("com1=x", true), expected);
}

#[test]
fn a_xen_without_console_is_a_warning() {
    let (_, warnings) = completed("no-real-mode console=com1 -- com1=x", false);
    assert_eq!(warnings, [XenWarning::NoSerialConsole]);
    assert_eq!(completed("no-real-mode com2=9600", false).1, []);
}

#[test]
fn a_line_for_dom0_that_xen_would_cut_off_is_refused() {
    let line = Cmdline::xen("com1=x -- 1234");
    assert_eq!(check_dom0_line(&"x".repeat(1018), &line), Ok(()));
    assert_eq!(
        check_dom0_line(&"x".repeat(1019), &line),
        Err(ContractError::Dom0Line { len: 1024 })
    );
}

#[test]
fn the_loader_name_keeps_the_first_parameter() {
    let name = loader_name("0.1.0");
    let after = name.split_once("GRUB ").unwrap().1;
    assert!(!after.starts_with('0'), "{name}");
}

#[test]
fn reserves_whole_superpages() {
    assert_eq!(reserve_len(0), Some(ALIGN));
    assert_eq!(reserve_len(0x3a7000), Some(0x400000));
    assert_eq!(reserve_len(0x400000), Some(0x400000));
    assert_eq!(reserve_len(u64::MAX), None);
}

#[test]
fn the_first_module_must_be_a_kernel() {
    assert_eq!(check_modules(&[]), Err(ContractError::NoDom0));
    let kernel = bzimage(0x20f);
    assert_eq!(
        check_modules(&[("vmlinuz", &kernel), ("initrd", b"x")]),
        Ok(vec![])
    );
    assert_eq!(
        check_modules(&[("vmlinux", b"\x7fELF"), ("initrd", b"x")]),
        Ok(vec![])
    );
    let packed = check_modules(&[("vmlinux.gz", &[0x1f, 0x8b, 8]), ("initrd", b"x")]).unwrap();
    let name = "vmlinux.gz".to_owned();
    assert_eq!(packed, [XenWarning::Gzip { name }]);
    let swapped = check_modules(&[("initrd.img", b"070701"), ("vmlinuz", &kernel)]);
    let not_a_kernel = |name: &str, found| {
        let name = name.to_owned();
        Err(ContractError::NotAKernel { name, found })
    };
    assert_eq!(swapped, not_a_kernel("initrd.img", NotAKernel::Cpio));
    let short = NotAKernel::Other {
        len: 2,
        head: b"ab".to_vec(),
    };
    assert_eq!(check_modules(&[("f", b"ab")]), not_a_kernel("f", short));
    assert_eq!(
        check_modules(&[("vmlinuz", &bzimage(0x207))]),
        Err(ContractError::OldBzImage {
            name: "vmlinuz".to_owned(),
            major: 2,
            minor: 7
        })
    );
}

#[test]
fn counts_are_limited() {
    let kernel = bzimage(0x20f);
    let many: Vec<(&str, &[u8])> = vec![("k", &kernel); MAX_MODULES + 1];
    assert_eq!(
        check_modules(&many),
        Err(ContractError::TooManyModules { count: 64 })
    );
    assert!(check_modules(&many[1..]).is_ok());

    assert_eq!(check_boot_heap(&["a", "b"], 2, 20), Ok(None));
    let long = "x".repeat(BOOT_HEAP);
    let need = BOOT_HEAP + 1;
    assert_eq!(
        check_boot_heap(&[&long], 0, 0),
        Err(ContractError::HeapFull { need })
    );
    assert_eq!(
        check_boot_heap(&[], 0, 2000),
        Ok(Some(XenWarning::LongMap { entries: 2000 }))
    );
}
