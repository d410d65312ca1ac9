use super::*;
use crate::host::firmware::tests::write_memmap;
use crate::host::low_memory::tests::{Mib, rsdp};
use crate::host::replay::from_json;
use crate::host::{FoundRsdp, LowMemory, RawRange};
use crate::sys::testing::{IOMEM, put};
use std::fs;
use xen_shim::fix::Fix;

/// QEMU's pc machine with 2 GiB and SeaBIOS, `crashkernel=256M`.
fn seabios(root: &Path) {
    write_memmap(
        root,
        &[
            (0x0, 0x9fbff, "System RAM"),
            (0x9fc00, 0x9ffff, "Reserved"),
            (0xf0000, 0xfffff, "Reserved"),
            (0x100000, 0x7ffdbfff, "System RAM"),
            (0x7ffdc000, 0x7fffffff, "Reserved"),
            (0xfffc0000, 0xffffffff, "Reserved"),
        ],
    );
    put(root, "proc/iomem", IOMEM);
    put(
        root,
        "proc/cmdline",
        "BOOT_IMAGE=/vmlinuz console=ttyS0 crashkernel=256M\n",
    );
    let mem = Mib::new()
        .with(0x40e, &[0xc0, 0x9f])
        .with(0x413, &[0x7f, 0x02])
        .with(0xf5a80, &rsdp(0));
    put(root, "dev/mem", mem.0);
}

#[test]
fn a_recorded_bios_machine() {
    let root = tempfile::tempdir().unwrap();
    seabios(root.path());
    let (host, warnings) = read(root.path()).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    // page 0 is RAM as in firmware's map, not reserved as in the kernel's
    assert_eq!(
        host.memory_map[0],
        MapEntry {
            start: 0,
            end: 0x9fc00,
            kind: MemoryKind::Ram
        }
    );
    assert_eq!(map::total_ram(&host.memory_map), 0x9fc00 + 0x7fedc000);
    assert_eq!(
        host.crash_regions,
        [RawRange {
            start: 0x6c00_0000,
            end: 0x7c00_0000
        }]
    );
    assert_eq!(
        host.cmdline,
        "BOOT_IMAGE=/vmlinuz console=ttyS0 crashkernel=256M"
    );
    assert_eq!(
        host.low_memory.rsdp,
        Some(FoundRsdp {
            addr: 0xf5a80,
            revision: 0
        })
    );

    // the same through iomem alone, and through JSON
    fs::remove_dir_all(root.path().join("sys")).unwrap();
    let (other, _) = read(root.path()).unwrap();
    assert_eq!(other.memory_map[0].kind, MemoryKind::Reserved);
    assert_eq!(other.crash_regions, host.crash_regions);
    let json = serde_json::to_vec(&host).unwrap();
    // everything except ACPI tables
    let acpi = acpi::Acpi::default();
    assert_eq!(from_json(&json).unwrap(), Host { acpi, ..host });
}

#[test]
fn the_kernels_map_removes_ram_but_adds_none() {
    let root = tempfile::tempdir().unwrap();
    seabios(root.path());
    let text = format!(
        "{}  60000000-60000fff : Reserved\n100000000-13fffffff : System RAM\n",
        IOMEM.replace(
            "00100000-7ffdbfff : System RAM",
            "00100000-3fffffff : System RAM\n40000000-4fffffff : Persistent Memory (legacy)\n\
             50000000-7ffdbfff : System RAM"
        )
    );
    put(root.path(), "proc/iomem", text);
    let (host, warnings) = read(root.path()).unwrap();
    let pram = MapEntry {
        start: 0x4000_0000,
        end: 0x5000_0000,
        kind: MemoryKind::Pram,
    };
    assert!(host.memory_map.contains(&pram), "{:?}", host.memory_map);
    assert!(
        host.memory_map
            .iter()
            .all(|entry| entry.start < 0x1_0000_0000)
    );
    let page = handoff::addr::PhysRange {
        start: 0x6000_0000,
        end: 0x6000_1000,
    };
    assert!(!map::is_ram(&host.memory_map, page));
    // a page is not worth a warning
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].starts_with("0x40000000-0x50000000 is RAM in firmware's map"));
}

#[test]
fn a_recorded_efi_machine() {
    let root = tempfile::tempdir().unwrap();
    let efi = "sys/firmware/efi";
    write_memmap(
        root.path(),
        &[
            (0x0, 0x9ffff, "System RAM"),
            (0x100000, 0xbfffffff, "System RAM"),
        ],
    );
    put(
        root.path(),
        "proc/iomem",
        "00100000-bfffffff : System RAM\n",
    );
    put(
        root.path(),
        &format!("{efi}/systab"),
        "ACPI20=0xbf77e014\nACPI=0xbf77e000\n",
    );
    put(
        root.path(),
        &format!("{efi}/runtime-map/0/phys_addr"),
        "0xbf4ee000\n",
    );
    put(
        root.path(),
        &format!("{efi}/runtime-map/0/num_pages"),
        "0x100\n",
    );
    let (host, warnings) = read(root.path()).unwrap();
    let services = MapEntry {
        start: 0xbf4e_e000,
        end: 0xbf5e_e000,
        kind: MemoryKind::Reserved,
    };
    assert!(host.memory_map.contains(&services));
    // RAM shared with EFI: nothing is loaded there, but a dump has it
    let shared = MapEntry {
        kind: MemoryKind::Ram,
        ..services
    };
    assert_eq!(host.efi_ram, [shared]);
    let ram: Vec<_> = map::ram_ranges(&host.memory_map).collect();
    assert!(!ram.iter().any(|run| run.overlaps(&services.range())));
    let whole = MapEntry {
        start: 0x10_0000,
        end: 0xc000_0000,
        kind: MemoryKind::Ram,
    };
    assert!(
        host.ram_in_use().contains(&whole),
        "{:?}",
        host.ram_in_use()
    );
    assert_eq!(
        host.low_memory,
        LowMemory {
            rsdp: Some(FoundRsdp {
                addr: 0xbf77_e014,
                revision: 2
            }),
            efi: true,
            ..LowMemory::default()
        }
    );
    // neither /dev/mem nor a command line: two warnings, no error
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("dev/mem"), "{warnings:?}");
}

#[test]
fn the_error_for_a_missing_map_has_a_fix() {
    let root = tempfile::tempdir().unwrap();
    let err = read(root.path()).unwrap_err();
    assert!(matches!(err, MemoryError::NoMap { .. }), "{err}");
    assert!(err.fix().is_some());
    put(
        root.path(),
        "proc/iomem",
        "00000000-00000000 : System RAM\n",
    );
    assert!(matches!(read(root.path()), Err(MemoryError::Hidden)));
    put(root.path(), "proc/iomem", "00001000-00001fff : Reserved\n");
    assert!(matches!(
        read(root.path()),
        Err(MemoryError::NoRam { entries: 1 })
    ));
}

#[test]
fn a_user_without_rights_gets_the_map_and_a_warning() {
    let root = tempfile::tempdir().unwrap();
    seabios(root.path());
    put(
        root.path(),
        "proc/iomem",
        "00000000-00000000 : System RAM\n",
    );
    let (host, warnings) = read(root.path()).unwrap();
    assert!(host.crash_regions.is_empty());
    assert!(
        warnings[0].starts_with("crash regions are unknown: /proc/iomem"),
        "{warnings:?}"
    );
}

/// `status --json` of QEMU guests with 1 GiB, Linux 6.1, `crashkernel=128M`.
#[test]
fn recorded_guests_are_read_back() {
    let seabios = from_json(include_bytes!("../../tests/data/qemu-pc-seabios.json")).unwrap();
    assert_eq!(map::total_ram(&seabios.memory_map), 0x9fc00 + 0x3fee0000);
    assert_eq!(
        seabios.low_memory,
        LowMemory {
            bda_ebda_segment: Some(0x9fc0),
            bda_base_kib: Some(639),
            rsdp: Some(FoundRsdp {
                addr: 0xf59d0,
                revision: 0
            }),
            rsdp_in_low_memory: true,
            efi: false,
        }
    );
    let ovmf = from_json(include_bytes!("../../tests/data/qemu-q35-ovmf.json")).unwrap();
    assert_eq!(
        ovmf.crash_regions,
        [RawRange {
            start: 0x2800_0000,
            end: 0x3000_0000
        }]
    );
    assert_eq!(
        ovmf.low_memory,
        LowMemory {
            bda_ebda_segment: Some(0),
            bda_base_kib: Some(0),
            rsdp: Some(FoundRsdp {
                addr: 0x3fb7_e014,
                revision: 2
            }),
            rsdp_in_low_memory: false,
            efi: true,
        }
    );
    // RAM removed by the kernel, and an EFI runtime region
    for range in [0x3dbd_b000..0x3dbe_4000, 0x3eec_0000..0x3eec_1000] {
        let range = handoff::addr::PhysRange {
            start: range.start,
            end: range.end,
        };
        assert!(!map::is_ram(&ovmf.memory_map, range), "{range}");
    }
}

/// QEMU's riscv64 "virt" with 640 MiB and Debian's kernel 6.12, shortened.
const RISCV64: &str = "\
00101000-00101fff : 101000.rtc rtc@101000
10000000-100000ff : serial
80000000-8005ffff : Reserved
80060000-a7ffffff : System RAM
  80200000-80201fff : Reserved
  80202000-8206b3f7 : Kernel image
    80202000-80c8159f : Kernel code
    81fba000-8206b3f7 : Kernel bss
  8206b3f8-821fffff : Reserved
  94200000-975affff : Reserved
  a7ff8000-a7ffffff : Reserved
400000000-7ffffffff : pci@30000000
";

#[test]
fn the_running_kernels_own_reservations_are_ram_for_the_next() {
    let found = iomem::parse(RISCV64).unwrap();
    assert_eq!(found.nested.len(), 4);
    let entry = |start, end, kind| MapEntry { start, end, kind };
    let firmware = entry(0x8000_0000, 0x8006_0000, MemoryKind::Reserved);

    let mut entries = found.entries.clone();
    assert_eq!(of_running(&mut entries, &found.nested, false), []);
    let ram = entry(0x8006_0000, 0xa800_0000, MemoryKind::Ram);
    assert_eq!(checked(&entries).unwrap(), [firmware, ram]);

    // EFI's tables are among them
    let mut entries = found.entries.clone();
    let shared = of_running(&mut entries, &found.nested, true);
    let host = Host {
        memory_map: checked(&entries).unwrap(),
        efi_ram: shared,
        ..Host::default()
    };
    assert_eq!(host.memory_map[1].end, 0x8020_0000);
    assert_eq!(host.ram_in_use(), [ram]);
}
