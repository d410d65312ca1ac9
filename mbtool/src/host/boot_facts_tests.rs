use super::*;
use crate::sys::testing::put;
use std::os::unix::fs::symlink;

/// `boot_params` as a UEFI machine with a framebuffer has them.
fn efi_page() -> Vec<u8> {
    let mut page = vec![0; 4096];
    page[0xf] = 0x70;
    page[0x12..0x14].copy_from_slice(&1280_u16.to_le_bytes());
    page[0x1c0..0x1c4].copy_from_slice(b"EL64");
    page[0x1c4..0x1c8].copy_from_slice(&0x7f5e_c018_u32.to_le_bytes());
    page[0x1d8] = 1;
    page[0x1ec] = 2;
    page
}

/// A machine started by UEFI, two runtime regions.
fn efi_machine(root: &Path) {
    put(root, "sys/kernel/boot_params/data", efi_page());
    put(root, "sys/class/graphics/fb0/name", "EFI VGA\n");
    put(
        root,
        "proc/cpuinfo",
        "processor: 0\nflags\t\t: fpu la57 lm\n",
    );
    put(root, "sys/firmware/efi/fw_vendor", "0x7f51c818\n");
    put(root, "sys/firmware/efi/config_table", "0x7f5ec898\n");
    put(
        root,
        "sys/firmware/efi/systab",
        "ACPI20=0x7f77e014\nSMBIOS=0x7f518000\n",
    );
    for (number, kind, phys) in [(0, 6, 0x7f4e_b000_u64), (1, 5, 0x7f5e_d000)] {
        let dir = format!("sys/firmware/efi/runtime-map/{number}");
        for (name, value) in [
            ("type", kind),
            ("phys_addr", phys),
            ("virt_addr", phys | 0xffff_fffe_0000_0000),
            ("num_pages", 0x100),
            ("attribute", 0x8000_0000_0000_000f),
        ] {
            put(root, &format!("{dir}/{name}"), format!("{value:#x}\n"));
        }
    }
}

#[test]
fn everything_of_a_uefi_machine() {
    let root = tempfile::tempdir().unwrap();
    efi_machine(root.path());
    let mut warnings = vec![];
    let facts = read(root.path(), &mut warnings);
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(facts.screen.0.len(), 0x14, "trailing zeros are omitted");
    assert!(facts.framebuffer());
    assert_eq!(facts.foreign_driver(), None);
    assert!(facts.five_level_paging);
    assert_eq!(facts.secure_boot, 2);
    let efi = facts.efi.clone().unwrap();
    assert_eq!(efi.systab, 0x1_7f5e_c018);
    assert_eq!(
        (efi.fw_vendor, efi.config_table),
        (0x7f51_c818, 0x7f5e_c898)
    );
    assert_eq!((efi.smbios, efi.runtime), (0x7f51_8000, 0));
    let kinds: Vec<u32> = efi.runtime_map.iter().map(|region| region.kind).collect();
    assert_eq!(kinds, [6, 5]);
    assert_eq!(efi.runtime_map[1].virt, 0xffff_fffe_7f5e_d000);
    // JSON has all fields
    let json = serde_json::to_string(&facts).unwrap();
    assert_eq!(serde_json::from_str::<BootFacts>(&json).unwrap(), facts);
}

#[test]
fn a_virtual_address_is_no_runtime_table() {
    let root = tempfile::tempdir().unwrap();
    efi_machine(root.path());
    for (told, taken) in [
        ("0x7f5edb98", 0x7f5e_db98),
        ("0xfffffffeff5edb98", 0),
        ("0x7f4eafff", 0),
        ("0x7f5eb000", 0),
        ("0x7f5eafff", 0x7f5e_afff),
    ] {
        put(root.path(), "sys/firmware/efi/runtime", told);
        let efi = read(root.path(), &mut vec![]).efi.unwrap();
        assert_eq!(efi.runtime, taken, "{told}");
    }
}

#[test]
fn an_incomplete_runtime_map_is_ignored() {
    let root = tempfile::tempdir().unwrap();
    efi_machine(root.path());
    put(
        root.path(),
        "sys/firmware/efi/runtime-map/1/virt_addr",
        "none\n",
    );
    let mut warnings = vec![];
    assert_eq!(read(root.path(), &mut warnings).efi, None);
    assert!(
        warnings[0].contains("EFI runtime services are not passed on"),
        "{warnings:?}"
    );
    // no map at all: booted with efi=noruntime, without a warning
    fs::remove_dir_all(root.path().join("sys/firmware/efi/runtime-map")).unwrap();
    let mut warnings = vec![];
    assert_eq!(read(root.path(), &mut warnings).efi, None);
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn a_32_bit_firmware_or_one_without_tables_is_ignored() {
    let root = tempfile::tempdir().unwrap();
    efi_machine(root.path());
    fs::remove_file(root.path().join("sys/firmware/efi/config_table")).unwrap();
    let mut warnings = vec![];
    assert_eq!(read(root.path(), &mut warnings).efi, None);
    assert!(
        warnings[0].contains("fw_vendor or config_table"),
        "{warnings:?}"
    );
    let mut page = efi_page();
    page[0x1c0..0x1c4].copy_from_slice(b"EL32");
    put(root.path(), "sys/kernel/boot_params/data", page);
    let mut warnings = vec![];
    assert_eq!(read(root.path(), &mut warnings).efi, None);
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn bios_disks_are_counted_by_the_page_but_not_beyond_it() {
    let root = tempfile::tempdir().unwrap();
    let mut page = vec![0; 4096];
    page[0x1e9..0x1eb].copy_from_slice(&[2, 0xff]);
    page[0xd00] = 0x80;
    page[0xd00 + 82] = 0x81;
    page[0xd00 + 164] = 0x82;
    page[0x290..0x294].copy_from_slice(&[1, 2, 3, 4]);
    put(root.path(), "sys/kernel/boot_params/data", &page);
    let facts = read(root.path(), &mut vec![]);
    assert_eq!(facts.edd, [Raw(vec![0x80]), Raw(vec![0x81])]);
    assert_eq!(facts.mbr_signatures.len(), 16);
    assert_eq!(facts.mbr_signatures[0], 0x0403_0201);
    // arbitrary bytes are handled
    put(root.path(), "sys/kernel/boot_params/data", [0xff; 4096]);
    let facts = read(root.path(), &mut vec![]);
    assert_eq!(facts.edd.len(), 6);
    assert!(facts.edd.iter().all(|disk| disk.0.len() == 82));
    put(root.path(), "sys/kernel/boot_params/data", [0xff; 100]);
    let mut warnings = vec![];
    assert_eq!(read(root.path(), &mut warnings), BootFacts::default());
    assert!(
        warnings[0].contains("has 100 bytes, not 4096"),
        "{warnings:?}"
    );
}

#[test]
fn the_screen_driver_is_found() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "sys/kernel/boot_params/data", efi_page());
    let driver = |root: &Path| read(root, &mut vec![]).foreign_driver().map(str::to_owned);
    assert_eq!(driver(root.path()), None, "nobody");
    let device = root.path().join("sys/class/drm/card0/device");
    fs::create_dir_all(&device).unwrap();
    symlink("../../../bus/pci/drivers/i915", device.join("driver")).unwrap();
    assert_eq!(driver(root.path()).as_deref(), Some("i915"));
    put(
        root.path(),
        "sys/class/graphics/fb0/name",
        "simpledrmdrmfb\n",
    );
    assert_eq!(driver(root.path()), None);
    for name in FIRMWARE_DRIVERS {
        put(root.path(), "sys/class/graphics/fb0/name", name);
        assert_eq!(driver(root.path()), None, "{name}");
        fs::remove_file(root.path().join("sys/class/graphics/fb0/name")).unwrap();
        fs::remove_file(device.join("driver")).unwrap();
        symlink(format!("../x/{name}"), device.join("driver")).unwrap();
        assert_eq!(driver(root.path()), None, "{name}");
    }
    for name in [
        "efidrmdrmfb",
        "vesadrmdrmfb",
        "efi-framebuffer",
        "simple-framebuffer",
    ] {
        assert!(FIRMWARE_DRIVERS.contains(&name));
    }
    put(root.path(), "sys/class/graphics/fb0/name", "amdgpudrmfb\n");
    assert_eq!(driver(root.path()).as_deref(), Some("amdgpudrmfb"));
}

#[test]
fn bytes_in_json_are_pairs_of_digits() {
    let raw: Raw = serde_json::from_str("\"00ff10\"").unwrap();
    assert_eq!(raw, Raw(vec![0, 0xff, 0x10]));
    for bad in ["\"0\"", "\"0g\"", "\"+1\"", "\"éé\"", "7"] {
        assert!(serde_json::from_str::<Raw>(bad).is_err(), "{bad}");
    }
    let long = format!("\"{}\"", "00".repeat(0x1_0001));
    assert!(serde_json::from_str::<Raw>(&long).is_err());
}
