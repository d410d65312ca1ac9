use super::error::NotADom0;
use super::*;
use crate::cmdline::Cmdline;
use proptest::prelude::*;

#[test]
fn xen_is_known_by_its_texts_in_an_image() {
    let info = recognize(&image::example(4)).unwrap();
    assert_eq!(info.version.as_deref(), Some("4.20.4+63-g7abfd2bce2"));
    assert!(recognize(&image::example(3)).is_some());
    assert_eq!(recognize(&image::example(2)), None);
    let mut other = image::example(4);
    other[0x38] = 0;
    assert_eq!(recognize(&other), None);
    // that of x86 needs a header of Multiboot2
    assert_eq!(crate::recognize(&image::example(4)), None);
}

#[test]
fn the_bound_of_the_address_depends_on_the_version() {
    const TIB: u64 = 1 << 40;
    for (version, end) in [
        (Some("4.17.5-1"), 256 * TIB),
        (Some("4.18.0"), 2 * TIB),
        (Some("4.20.4+63-g7abfd2bce2"), 10 * TIB),
        (None, 10 * TIB),
    ] {
        assert_eq!(address_end(version), end, "{version:?}");
    }
}

/// An `Image` without content.
fn kernel() -> Vec<u8> {
    let mut data = vec![0; 0x40];
    data[0x38..0x3c].copy_from_slice(b"ARM\x64");
    data
}

const POLICY: [u8; 8] = [0x8c, 0xff, 0x7c, 0xf9, 8, 0, 0, 0];

#[test]
fn modules_have_roles() {
    let kernel = kernel();
    let of = |rest: &[(&'static str, &[u8])]| {
        let mut all = vec![("Image", &kernel[..])];
        all.extend(rest);
        check_modules(&all)
    };
    assert_eq!(
        of(&[("initrd", b"070701"), ("flask", &POLICY)]),
        Ok((
            vec![ArmModule::Kernel, ArmModule::Ramdisk, ArmModule::XsmPolicy],
            vec![]
        ))
    );
    assert_eq!(
        of(&[("flask", &POLICY)]),
        Ok((
            vec![ArmModule::Kernel, ArmModule::XsmPolicy],
            vec![ArmWarning::NoInitrd]
        ))
    );
    let two = of(&[("a", b"070701"), ("b", b"070701")]);
    let name = "b".to_owned();
    let role = ArmModule::Ramdisk;
    assert_eq!(two, Err(ArmContractError::NoRole { name, role }));
    assert_eq!(check_modules(&[]), Err(ArmContractError::NoDom0));
}

#[test]
fn the_first_module_is_a_kernel() {
    let mut zimage = vec![0; 0x30];
    zimage[0x24..0x28].copy_from_slice(&0x016f_2818_u32.to_le_bytes());
    for good in [&kernel()[..], &zimage, b"\x27\x05\x19\x56", b"\x1f\x8b\x08"] {
        check_modules(&[("k", good)]).unwrap();
    }
    for (bad, expected) in [
        (&b"MZ\0\0zimg"[..], NotADom0::Zboot),
        (b"\x7fELF\x02", NotADom0::Elf),
        (b"070701", NotADom0::Cpio),
        (b"", NotADom0::Other { head: vec![] }),
        (
            b"abcde",
            NotADom0::Other {
                head: b"abcd".to_vec(),
            },
        ),
    ] {
        let Err(ArmContractError::NotADom0 { found, .. }) = check_modules(&[("k", bad)]) else {
            panic!("{expected} is a kernel");
        };
        assert_eq!(found, expected);
    }
}

#[test]
fn dom0_has_memory_for_what_it_starts_with() {
    const MIB: u64 = 1 << 20;
    let check = |line: &str, kernel: u64, ramdisk: u64| {
        let sizes = Dom0Sizes { kernel, ramdisk };
        check_dom0_memory(&Cmdline::xen(line), sizes)
    };
    assert_eq!(check("", 40 * MIB, 80 * MIB), Ok(DOM0_MEM_DEFAULT));
    // each part counts in whole 2 MiB: 42 + 82 + 2
    let (kernel, ramdisk) = (40 * MIB + 1, 80 * MIB + 1);
    assert_eq!(check("dom0_mem=126M", kernel, ramdisk), Ok(126 * MIB));
    for (line, have) in [
        ("dom0_mem=125M", 125 * MIB),
        ("dom0_mem=0x1000 console=dtuart", 4 * MIB),
        ("dom0_mem=512m dom0_mem=65536K", 64 * MIB),
    ] {
        let need = 126 * MIB;
        assert_eq!(
            check(line, kernel, ramdisk),
            Err(ArmContractError::Dom0TooSmall { have, need }),
            "{line}"
        );
    }
    assert_eq!(check("dom0_mem=1G,max:2G", MIB, 0), Ok(1 << 30));
    // Xen's own default where the value is none
    assert_eq!(check("dom0_mem=x", MIB, 0), Ok(DOM0_MEM_DEFAULT));
    check("", u64::MAX, 0).unwrap_err();
}

proptest! {
    #[test]
    fn random_bytes_are_neither_xen_nor_trouble(mut data in proptest::collection::vec(any::<u8>(), 0..4096)) {
        if data.len() >= 0x3c {
            data[0x38..0x3c].copy_from_slice(b"ARM\x64");
        }
        prop_assert_eq!(recognize(&data), None);
        let _ = check_modules(&[("a", &data), ("b", &data)]);
    }
}
