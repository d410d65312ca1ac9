use super::*;
use crate::host::boot_facts::{BootFacts, Efi, Raw};
use crate::host::crash_notes::Text;
use crate::host::efi::Runtime;
use crate::host::serial::{Bar, PciAddress, PciSerial, Serial, Spcr};
use crate::host::smbios::Smbios;
use crate::host::xen::{Safe, SafeRun, XenHost};
use proptest::prelude::*;

fn any_boot_facts() -> impl Strategy<Value = BootFacts> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..90).prop_map(Raw);
    let runtime = any::<(u32, [u64; 4])>().prop_map(|(kind, words)| Runtime {
        kind,
        phys: words[0],
        virt: words[1],
        pages: words[2],
        attribute: words[3],
    });
    let efi = (any::<[u64; 5]>(), proptest::collection::vec(runtime, 0..4)).prop_map(
        |(words, runtime_map)| Efi {
            systab: words[0],
            fw_vendor: words[1],
            runtime: words[2],
            config_table: words[3],
            smbios: words[4],
            runtime_map,
        },
    );
    (
        bytes(),
        proptest::option::of("\\PC*"),
        bytes(),
        proptest::collection::vec(bytes(), 0..3),
        any::<(Vec<u32>, u8, bool)>(),
        proptest::option::of(efi),
        proptest::option::of((bytes(), bytes())),
    )
        .prop_map(
            |(screen, screen_driver, edid, edd, rest, efi, smbios)| BootFacts {
                screen,
                screen_driver,
                edid,
                edd,
                mbr_signatures: rest.0,
                secure_boot: rest.1,
                five_level_paging: rest.2,
                efi,
                smbios: smbios.map(|(entry_point, table)| Smbios { entry_point, table }),
            },
        )
}

fn any_serial() -> impl Strategy<Value = Serial> {
    let address = (any::<u32>(), any::<u8>(), 0_u8..32, 0_u8..8).prop_map(
        |(domain, bus, device, function)| PciAddress {
            domain,
            bus,
            device,
            function,
        },
    );
    let spcr = (
        any::<[u8; 4]>(),
        any::<(u64, u32)>(),
        proptest::option::of(address.clone()),
    )
        .prop_map(|(bytes, (address, baud), pci)| Spcr {
            interface: bytes[0],
            space: bytes[1],
            bit_width: bytes[2],
            access: bytes[3],
            address,
            baud,
            pci,
        });
    let bar = any::<(u8, bool, u64, u64)>().prop_map(|(index, io, start, len)| Bar {
        index,
        io,
        start,
        len,
    });
    let card = (
        address,
        any::<(u32, Option<u16>)>(),
        proptest::collection::vec(bar, 0..3),
    )
        .prop_map(|(address, (class, command), bars)| PciSerial {
            address,
            class,
            command,
            bars,
        });
    let cards = proptest::collection::vec(card, 0..3);
    (proptest::option::of(spcr), cards).prop_map(|(spcr, pci)| Serial { spcr, pci })
}

fn any_host() -> impl Strategy<Value = Host> {
    let entry =
        (0_u64..1 << 40, 1_u64..1 << 40, 0..map::ORDER.len()).prop_map(|(start, len, at)| {
            MapEntry {
                start,
                end: start + len,
                kind: map::ORDER[at],
            }
        });
    let entries = proptest::collection::vec(entry, 0..8).prop_map(|mut entries| {
        // does not overlap the others: there always is RAM
        entries.push(MapEntry {
            start: 1 << 50,
            end: 1 << 51,
            kind: MemoryKind::Ram,
        });
        map::normalize(&entries).unwrap()
    });
    let rsdp =
        (any::<u64>(), any::<u8>()).prop_map(|(addr, revision)| FoundRsdp { addr, revision });
    let low = (
        any::<Option<u16>>(),
        any::<Option<u16>>(),
        proptest::option::of(rsdp),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(
            |(bda_ebda_segment, bda_base_kib, rsdp, rsdp_in_low_memory, efi)| LowMemory {
                bda_ebda_segment,
                bda_base_kib,
                rsdp,
                rsdp_in_low_memory,
                efi,
            },
        );
    let crash = (0_u64..1 << 40, 0_u64..1 << 40).prop_map(|(start, len)| RawRange {
        start,
        end: start + len,
    });
    (
        entries,
        low,
        proptest::collection::vec(crash, 0..3),
        "\\PC*",
        (
            any_serial(),
            any_dump(),
            proptest::option::of(any_xen()),
            any_boot_facts(),
        ),
    )
        .prop_map(
            |(memory_map, low_memory, crash_regions, cmdline, (serial, dump, xen, boot_facts))| {
                Host {
                    memory_map,
                    low_memory,
                    crash_regions,
                    cmdline,
                    dump,
                    serial,
                    xen,
                    boot_facts,
                    ..Host::default()
                }
            },
        )
}

fn any_xen() -> impl Strategy<Value = XenHost> {
    let run = |start: u64| RawRange {
        start,
        end: start + 4096,
    };
    let safe = (any::<u32>(), any::<bool>()).prop_map(|(start, crash)| SafeRun {
        start: start.into(),
        end: u64::from(start) + 4096,
        kind: if crash { Safe::CrashArea } else { Safe::Owned },
    });
    (
        "\\PC*",
        proptest::collection::vec(safe, 0..4),
        any::<Option<u64>>(),
        proptest::option::of("\\PC*"),
        proptest::collection::vec((0_u64..1 << 40).prop_map(run), 0..3),
        any::<bool>(),
    )
        .prop_map(
            move |(version, safe, heap_free, owned_unknown, cpu_notes, more)| XenHost {
                command_line: more.then(|| version.clone()),
                version,
                safe,
                owned_unknown,
                heap_free,
                cpu_notes,
                vmcoreinfo: more.then(|| run(0x7000)),
                image: more.then(|| run(0x9000)),
            },
        )
}

/// Dump data with arbitrary addresses.
fn any_dump() -> impl Strategy<Value = CrashInfo> {
    let range = (any::<u32>(), any::<u16>()).prop_map(|(start, len)| RawRange {
        start: start.into(),
        end: u64::from(start) + u64::from(len),
    });
    let text = any::<[u64; 3]>().prop_map(|[virt, phys, len]| Text { virt, phys, len });
    (
        proptest::collection::vec(range.clone(), 0..4),
        proptest::option::of(range.clone()),
        proptest::option::of(range),
        proptest::option::of(text),
        any::<Option<u64>>(),
        proptest::collection::vec("\\PC*", 0..2),
    )
        .prop_map(
            |(cpu_notes, vmcoreinfo, xen_vmcoreinfo, text, direct_map, warnings)| CrashInfo {
                cpu_notes,
                vmcoreinfo,
                xen_vmcoreinfo,
                text,
                direct_map,
                warnings,
            },
        )
}

#[test]
fn dump_data_is_checked() {
    let with = |dump: &str| {
        let json = format!(
            r#"{{"memory_map": [{{"start": 0, "end": 4096, "type": "ram"}}], "dump": {dump}}}"#
        );
        from_json(json.as_bytes())
    };
    let good = with(r#"{"vmcoreinfo": {"start": 4096, "end": 8192}}"#).unwrap();
    assert_eq!(good.dump.vmcoreinfo.map(|found| found.start), Some(4096));
    assert_eq!(with("null").unwrap().dump, CrashInfo::default());
    for (dump, part) in [
        (
            r#"{"cpu_notes": [{"start": 2, "end": 1}]}"#,
            "0x2-0x1 ends before it starts",
        ),
        (r#"{"cpu_notes": 5}"#, "what status --json writes there"),
    ] {
        let err = with(dump).unwrap_err().to_string();
        assert!(err.contains("dump") && err.contains(part), "{err}");
    }
}

proptest! {
    #[test]
    fn a_host_round_trips_through_json(host in any_host()) {
        let json = serde_json::to_vec_pretty(&host).unwrap();
        prop_assert_eq!(from_json(&json).unwrap(), host);
    }

    #[test]
    fn arbitrary_bytes_are_handled(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = from_json(&bytes);
    }
}

#[test]
fn a_plan_document_is_accepted() {
    let json = r#"{
        "entry": "0x100000", "segments": [{"name": "xen"}], "cmdline": ["no string"],
        "memory_map": [
            {"start": "0x100000", "end": "0x200000", "type": "ram"},
            {"start": 0, "end": 4096, "type": "acpi-nvs"}
        ],
        "low_memory": {"bda_base_kib": 639, "rsdp": {"addr": "0xf5ad0", "revision": 0}}
    }"#;
    let host = from_json(json.as_bytes()).unwrap();
    assert_eq!(
        host.memory_map,
        [
            MapEntry {
                start: 0,
                end: 0x1000,
                kind: MemoryKind::AcpiNvs
            },
            MapEntry {
                start: 0x10_0000,
                end: 0x20_0000,
                kind: MemoryKind::Ram
            },
        ]
    );
    assert_eq!(host.low_memory.bda_base_kib, Some(639));
    assert_eq!(host.low_memory.bda_ebda_segment, None);
    assert_eq!(
        host.low_memory.rsdp,
        Some(FoundRsdp {
            addr: 0xf5ad0,
            revision: 0
        })
    );
    assert_eq!(host.cmdline, "");
}

#[test]
fn iomem_text_is_accepted() {
    let text = "\n00100000-7fffffff : System RAM\n  10000000-1fffffff : Crash kernel\n";
    let host = from_json(text.as_bytes()).unwrap();
    assert_eq!(
        host,
        Host {
            memory_map: vec![MapEntry {
                start: 0x10_0000,
                end: 0x8000_0000,
                kind: MemoryKind::Ram
            }],
            crash_regions: vec![RawRange {
                start: 0x1000_0000,
                end: 0x2000_0000
            }],
            ..Host::default()
        }
    );
}

#[test]
fn errors_name_the_field() {
    let ram = r#""memory_map": [{"start": 0, "end": 4096, "type": "ram"}]"#;
    for (text, part) in [
        (String::new(), "an empty file"),
        ("  \n".to_owned(), "an empty file"),
        (
            "hello\n".to_owned(),
            "line 1: expected \"START-END : NAME\"",
        ),
        ("{\n\n x }".to_owned(), "line 3 column 2"),
        (
            "{}".to_owned(),
            "field memory_map: expected a list, found nothing",
        ),
        (
            r#"{"memory_map": 3}"#.to_owned(),
            "field memory_map: expected a list, found 3",
        ),
        (
            r#"{"memory_map": [7]}"#.to_owned(),
            "memory_map[0]: expected an object",
        ),
        (
            r#"{"memory_map": []}"#.to_owned(),
            "no RAM in its 0 entries",
        ),
        (
            r#"{"memory_map": [{"start": -1, "end": 1, "type": "ram"}]}"#.to_owned(),
            "memory_map[0].start: expected a whole number",
        ),
        (
            r#"{"memory_map": [{"start": "0x2000", "end": 4096, "type": "ram"}]}"#.to_owned(),
            "memory_map[0].end: expected an address not below start, 0x2000, found 4096",
        ),
        (
            r#"{"memory_map": [{"start": 0, "end": 1, "type": "RAM"}]}"#.to_owned(),
            "memory_map[0].type: expected one of \"ram\", \"soft-reserved\"",
        ),
        (
            format!("{{{ram}, \"low_memory\": []}}"),
            "low_memory: expected an object",
        ),
        (
            format!("{{{ram}, \"low_memory\": {{\"bda_base_kib\": 65536}}}}"),
            "low_memory.bda_base_kib: expected a whole number up to 0xffff",
        ),
        (
            format!("{{{ram}, \"low_memory\": {{\"efi\": 1}}}}"),
            "low_memory.efi: expected true or false, found 1",
        ),
        (
            format!("{{{ram}, \"low_memory\": {{\"rsdp\": {{\"addr\": 1}}}}}}"),
            "low_memory.rsdp.revision: expected a whole number up to 0xff",
        ),
        (
            format!("{{{ram}, \"serial\": {{\"pci\": [{{\"address\": \"00:40.0\"}}]}}}}"),
            "serial: expected what status --json writes there (`00:40.0` is not a PCI address",
        ),
        (
            format!("{{{ram}, \"xen\": {{\"version\": \"4.17\"}}}}"),
            "xen: expected what status --json writes there (missing field `safe`)",
        ),
        (
            format!(
                "{{{ram}, \"xen\": {{\"version\": \"\", \"safe\": [{{\"start\": 8192, \"end\": 4096, \
                 \"kind\": \"owned\"}}]}}}}"
            ),
            "xen: expected ranges that end after their start, found \"0x2000-0x1000\"",
        ),
        (
            format!("{{{ram}, \"crash_regions\": [{{}}]}}"),
            "crash_regions[0].start",
        ),
    ] {
        let err = from_json(text.as_bytes()).unwrap_err().to_string();
        assert!(err.contains(part), "{text}: {err}");
    }
    let err = from_json(&[0xff, 0xfe, 0]).unwrap_err();
    assert!(matches!(err, MemoryError::Format { .. }), "{err}");
}
