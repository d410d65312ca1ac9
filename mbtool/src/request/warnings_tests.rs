use super::*;
use crate::host::xen::XenHost;
use crate::image::synth::bzimage;
use crate::image::{As, Image};
use crate::plan::Module;
use handoff::addr::PhysRange;

fn host(cmdline: &str) -> Host {
    Host {
        cmdline: cmdline.to_owned(),
        ..Host::default()
    }
}

/// A request for an image with modules of these command lines.
fn request(cmdline: &str, modules: &[&str]) -> Request {
    let mut request = Request::new(Image::parse_as(&bzimage(), "bzImage", As::Auto).unwrap());
    request.cmdline = cmdline.to_owned();
    let module = |line: &&str| Module {
        name: "file".to_owned(),
        cmdline: (*line).to_owned(),
        data: vec![1].into(),
    };
    request.modules = modules.iter().map(module).collect();
    request
}

fn linux(cmdline: &str, modules: &[&str], running: &str) -> Vec<BootWarning> {
    missing(
        &request(cmdline, modules),
        ImageKind::Linux,
        true,
        &host(running),
    )
}

#[test]
fn a_kernel_needs_a_root_file_system() {
    let line = LineOwner::Linux;
    assert_eq!(linux("quiet", &[], ""), [BootWarning::NoRoot { line }]);
    assert_eq!(linux("root=/dev/sda1", &[], ""), []);
    assert_eq!(
        linux("-- root=/dev/sda1", &[], ""),
        [BootWarning::NoRoot { line }]
    );
    assert_eq!(linux("quiet", &[""], ""), []);
    for root in [
        "root=UUID=1-2",
        "root=\"LABEL=a b\"",
        "root=/dev/mapper/vg-root",
    ] {
        let parameter = root.to_owned();
        let expected = [BootWarning::RootNeedsInitrd { line, parameter }];
        assert_eq!(linux(root, &[], ""), expected);
        assert_eq!(linux(root, &[""], ""), []);
    }
    assert_eq!(linux("root=PARTUUID=1-2", &[], ""), []);
    let running = "root=/dev/sda1".to_owned();
    assert_eq!(
        linux("quiet", &[""], "quiet root=/dev/sda1"),
        [BootWarning::RootLost { line, running }]
    );
    assert_eq!(linux("rdinit=/bin/sh", &[""], "root=/dev/sda1"), []);
}

#[test]
fn a_console_on_a_serial_port_is_not_lost() {
    let line = LineOwner::Linux;
    let lost = |running: &str| BootWarning::ConsoleLost {
        line,
        running: running.to_owned(),
    };
    let serial = "console=tty0 console=ttyS0,115200";
    assert_eq!(linux("root=a", &[], serial), [lost("console=ttyS0,115200")]);
    assert_eq!(linux("root=a console=tty0", &[], serial), []);
    assert_eq!(linux("root=a earlyprintk=serial", &[], serial), []);
    for running in [
        "",
        "console=ttyS0 console=tty0",
        "console=tty1",
        "console=null",
    ] {
        assert_eq!(linux("root=a", &[], running), [], "{running}");
    }
    let request = request("root=a console=hvc0", &[]);
    let mut dom0 = host("console=hvc0");
    assert_eq!(missing(&request, ImageKind::Linux, true, &dom0), []);
    dom0.xen = Some(XenHost::default());
    let parameter = "console=hvc0".to_owned();
    assert_eq!(
        missing(&request, ImageKind::Linux, true, &dom0),
        [BootWarning::XenConsole {
            parameter,
            serial: None
        }]
    );
    dom0.xen = Some(XenHost {
        command_line: Some("com2=9600 console=com2".to_owned()),
        ..XenHost::default()
    });
    let running = "console=ttyS1,9600n8".to_owned();
    let silent = self::request("root=a", &[]);
    assert_eq!(
        missing(&silent, ImageKind::Linux, true, &dom0),
        [BootWarning::ConsoleLost { line, running }]
    );
    let parameter = "console=hvc0".to_owned();
    assert_eq!(
        missing(&request, ImageKind::Linux, true, &dom0),
        [BootWarning::XenConsole {
            parameter,
            serial: Some("console=ttyS1,9600n8".to_owned())
        }]
    );
}

#[test]
fn a_crash_kernel_needs_panic() {
    let mut crash = request("root=a", &[]);
    crash.crash = PhysRange::new(0x100_0000, 0x200_0000);
    let line = LineOwner::CrashKernel;
    let found = missing(&crash, ImageKind::Linux, true, &host(""));
    assert_eq!(found, [BootWarning::NoPanic { line }]);
    crash.cmdline = "root=a panic=0".to_owned();
    let found = missing(&crash, ImageKind::Linux, true, &host(""));
    assert_eq!(found, [BootWarning::NoPanic { line }]);
    crash.cmdline = "root=a panic=10".to_owned();
    assert_eq!(missing(&crash, ImageKind::Linux, true, &host("")), []);
    // its initrd may save the dump
    let mut crash = request("panic=10", &[""]);
    crash.crash = PhysRange::new(0x100_0000, 0x200_0000);
    assert_eq!(missing(&crash, ImageKind::Linux, true, &host("root=a")), []);
}

#[test]
fn dom0_needs_the_same() {
    let line = LineOwner::Dom0;
    let dom0 = |modules: &[&str], running: &str| {
        let request = request("com1=115200 console=com1", modules);
        missing(&request, ImageKind::Xen, true, &host(running))
    };
    assert_eq!(dom0(&["quiet"], ""), [BootWarning::NoRoot { line }]);
    assert_eq!(dom0(&["quiet", ""], ""), []);
    assert_eq!(dom0(&["root=a"], ""), []);
    let running = "root=a".to_owned();
    assert_eq!(
        dom0(&["", ""], "root=a"),
        [BootWarning::RootLost { line, running }]
    );
    let running = "console=hvc0".to_owned();
    assert_eq!(
        dom0(&["root=a", ""], "console=hvc0"),
        [BootWarning::ConsoleLost { line, running }]
    );
    assert_eq!(dom0(&["root=a console=hvc0", ""], "console=hvc0"), []);
    let other = request("", &[]);
    assert_eq!(missing(&other, ImageKind::Other, false, &host("")), []);
    let image = other.image.name.clone();
    assert_eq!(
        missing(&other, ImageKind::Other, true, &host("")),
        [BootWarning::LineOfLinux { image }]
    );
}

#[test]
fn what_the_initrd_would_do_is_missing_without_one() {
    let line = LineOwner::Linux;
    for cmdline in [
        "rdinit=/bin/sh",
        "root=",
        "rd.root=/dev/sda1",
        "root= rdinit=/x",
    ] {
        assert_eq!(
            linux(cmdline, &[], ""),
            [BootWarning::NoRoot { line }],
            "{cmdline}"
        );
    }
    assert_eq!(linux("rdinit=/bin/sh", &[""], ""), []);
    for root in [
        "/dev/vg0/root",
        "/dev/md/root",
        "/dev/mapper/a",
        "/dev/disk/by-uuid/1",
        "UUID=1",
    ] {
        let parameter = format!("root={root}");
        let found = linux(&parameter, &[], "");
        assert_eq!(found, [BootWarning::RootNeedsInitrd { line, parameter }]);
        assert_eq!(linux(&format!("root={root}"), &[""], ""), []);
    }
    for root in [
        "/dev/sda1",
        "/dev/nvme0n1p2",
        "/dev/md0",
        "/dev/cciss/c0d0p1",
        "PARTUUID=1",
        "8:1",
    ] {
        assert_eq!(linux(&format!("root={root}"), &[], ""), [], "{root}");
    }
}

#[test]
fn a_console_that_prints_nothing_is_named() {
    let line = LineOwner::Linux;
    for parameter in ["console=null", "console="] {
        let parameter = parameter.to_owned();
        let found = linux(&format!("root=a {parameter}"), &[], "console=ttyS0");
        assert_eq!(found, [BootWarning::Mute { line, parameter }]);
    }
    assert_eq!(
        linux("root=a console=null console=ttyS0", &[], "console=ttyS0"),
        []
    );
}

#[test]
fn a_program_is_no_initrd() {
    use crate::image::synth;
    use std::io::Write;
    let gzip = |bytes: &[u8]| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    };
    let elf = synth::ElfBuilder::elf32(0x10_0000)
        .load(0x10_0000, vec![0; 64], 0x1000)
        .build();
    let cpio = b"07070100000000".repeat(16);
    let found = |data: Vec<u8>, kind: ImageKind, at: usize| {
        let mut request = request("root=a", &["root=a", "", ""][..=at]);
        request.modules[at].data = data.into();
        let found = missing(&request, kind, false, &host(""));
        found
            .iter()
            .any(|one| matches!(one, BootWarning::NoInitrd { .. }))
    };
    for (kind, at) in [(ImageKind::Linux, 0), (ImageKind::Xen, 1)] {
        for program in [synth::bzimage(), elf.clone()] {
            assert!(found(gzip(&program), kind, at));
            assert!(found(program, kind, at));
        }
        assert!(!found(cpio.clone(), kind, at));
        assert!(!found(gzip(&cpio), kind, at));
        assert!(!found(vec![1, 2, 3], kind, at));
    }
}
