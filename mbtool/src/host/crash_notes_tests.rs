use super::*;
use crate::sys::testing::put;

const CPUS: &str = "sys/devices/system/cpu";

#[test]
fn every_cpu_in_order_of_number() {
    let root = tempfile::tempdir().unwrap();
    for (cpu, at) in [(0, "7d1e5b00"), (10, "7d2e5b00"), (2, "17d3e5b00")] {
        put(
            root.path(),
            &format!("{CPUS}/cpu{cpu}/crash_notes"),
            format!("{at}\n"),
        );
        put(
            root.path(),
            &format!("{CPUS}/cpu{cpu}/crash_notes_size"),
            "372\n",
        );
    }
    // not CPUs, and one without notes
    put(root.path(), &format!("{CPUS}/cpufreq/x"), "");
    put(root.path(), &format!("{CPUS}/cpu3/online"), "1\n");
    put(
        root.path(),
        "sys/kernel/vmcoreinfo",
        "0x0000000001886000 1024\n",
    );
    let info = CrashInfo::read(root.path(), "");
    let warnings = &info.warnings;
    let starts: Vec<u64> = info.cpu_notes.iter().map(|note| note.start).collect();
    assert_eq!(starts, [0x7d1e_5b00, 0x1_7d3e_5b00, 0x7d2e_5b00]);
    assert_eq!(info.cpu_notes[0].end - info.cpu_notes[0].start, 372);
    let vmcoreinfo = RawRange {
        start: 0x188_6000,
        end: 0x188_7024,
    };
    assert_eq!(info.vmcoreinfo, Some(vmcoreinfo));
    // no /proc/kcore here
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("proc/kcore"), "{warnings:?}");
    assert_eq!((info.text, info.direct_map), (None, None));
}

#[test]
fn with_xen_the_notes_are_xens_and_dom0s_vmcoreinfo_is_one_page() {
    let dom0 = CrashInfo {
        cpu_notes: vec![RawRange { start: 1, end: 2 }],
        vmcoreinfo: Some(RawRange {
            start: 0x188_6000,
            end: 0x188_7024,
        }),
        direct_map: Some(1 << 63),
        ..CrashInfo::default()
    };
    let note = RawRange {
        start: 0x7fa0_0000,
        end: 0x7fa0_01f4,
    };
    let xen = XenHost {
        cpu_notes: vec![note],
        vmcoreinfo: Some(note),
        ..XenHost::default()
    };
    let both = dom0.with_xen(&xen);
    let first_page = RawRange {
        start: 0x188_6000,
        end: 0x188_7000,
    };
    let expected = CrashInfo {
        cpu_notes: vec![note],
        vmcoreinfo: Some(first_page),
        xen_vmcoreinfo: Some(note),
        ..CrashInfo::default()
    };
    assert_eq!(both, expected);
}

#[test]
fn encrypted_memory_is_a_warning() {
    let root = tempfile::tempdir().unwrap();
    put(
        root.path(),
        "sys/kernel/vmcoreinfo",
        "0x0000000001886000 1024\n",
    );
    let warnings = |cmdline| CrashInfo::read(root.path(), cmdline).warnings;
    assert_eq!(warnings("quiet mem_encrypt=off").len(), 1);
    let warnings = warnings("quiet mem_encrypt=on");
    assert!(warnings[0].contains("mem_encrypt=on"), "{warnings:?}");
}

#[test]
fn invalid_files_are_named_and_skipped() {
    let root = tempfile::tempdir().unwrap();
    for (cpu, at, size) in [(0, "7d1e5b00", "hello"), (1, "-1", "372"), (2, "1000", "0")] {
        put(root.path(), &format!("{CPUS}/cpu{cpu}/crash_notes"), at);
        put(
            root.path(),
            &format!("{CPUS}/cpu{cpu}/crash_notes_size"),
            size,
        );
    }
    put(root.path(), &format!("{CPUS}/cpu3/crash_notes"), "7d1e5b00");
    put(root.path(), "sys/kernel/vmcoreinfo", "ffffffffffffffff 2\n");
    let info = CrashInfo::read(root.path(), "");
    let warnings = &info.warnings;
    assert_eq!((info.cpu_notes.len(), info.vmcoreinfo), (0, None));
    assert_eq!(warnings.len(), 5, "{warnings:?}");
    for (warning, part) in warnings
        .iter()
        .zip(["CPU 0", "CPU 1", "CPU 2", "CPU 3", "ffff"])
    {
        assert!(warning.contains(part), "{warning}");
    }
}

#[test]
fn a_kernel_without_crash_dumps_causes_no_warning() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), &format!("{CPUS}/cpu0/online"), "1\n");
    assert_eq!(CrashInfo::read(root.path(), ""), CrashInfo::default());
}

#[test]
fn the_direct_map_of_32_bit_arm_is_that_of_the_kernel() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    put(root, "sys/kernel/vmcoreinfo", "41234000 1024\n");
    let iomem = "40000000-67ffffff : System RAM\n  40208000-40ffffff : Kernel code\n";
    put(root, "proc/iomem", iomem);
    // Debian's 6.12, without and with LPAE: the text begins a section of page tables
    for symbols in ["c0300000 T _stext\n", "c0400000 T _stext\n"] {
        put(root, "proc/kallsyms", symbols);
        let info = CrashInfo::read(root, "");
        assert_eq!((info.direct_map, info.text), (Some(0x8000_0000), None));
        assert!(info.warnings.iter().all(|text| !text.contains("kcore")));
    }
    // a kernel of 64 bits, and hidden addresses
    for symbols in ["ffff800080208000 T _stext\n", "00000000 T _stext\n"] {
        put(root, "proc/kallsyms", symbols);
        let info = CrashInfo::read(root, "");
        assert_eq!(info.direct_map, None);
        assert!(info.warnings.iter().any(|text| text.contains("kcore")));
    }
}
