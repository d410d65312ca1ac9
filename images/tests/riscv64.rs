//! The handoff on riscv64, in QEMU without firmware: a monitor in machine mode enters it in
//! supervisor mode, or in virtual supervisor mode with two-stage translation.

#[path = "support/bare.rs"]
mod bare;
#[path = "riscv64/machine.rs"]
mod machine;

use handoff::addr::{PAGE_SIZE, PhysRange};
use handoff::arch::riscv64::paging::PagingMode;
use handoff::blob::dt::{DtDrill, DtMachine, DtSpec};
use handoff::spec::{Console, Digest, OnFault, Region, Relocate, Verify, zero_pages};
use machine::{BLOB, DTB, Entry, HART, Level, Monitor, SegmentAt, UART, machine};
use sha2::Digest as _;

/// A segment to verify and to move.
const SEGMENT: u64 = 0x8100_0000;
/// Where it is moved to.
const ELSEWHERE: u64 = 0x8200_0000;
const LEVELS: [Level; 2] = [Level::S, Level::Vs];

const fn mapped(mode: PagingMode) -> DtMachine {
    DtMachine::Riscv64 { mode }
}

fn spec() -> DtSpec {
    DtSpec {
        base: BLOB,
        machine: mapped(PagingMode::Sv39),
        consoles: vec![UART],
        on_fault: OnFault::Reset,
        verify: Verify::None,
        regions: vec![],
        relocate: Relocate::default(),
        entry: machine().address("target"),
        dtb: DTB,
        drill: DtDrill::Off,
    }
}

fn segment(verify: Verify) -> (Region, SegmentAt) {
    let bytes: Vec<u8> = (0..3 * PAGE_SIZE as u32 + 5)
        .map(|n| (n * 7 + n / 9) as u8)
        .collect();
    let range = PhysRange::from_len(SEGMENT, 4 * PAGE_SIZE).unwrap();
    let digest = match verify {
        Verify::Sha256 => Digest::Sha256(sha2::Sha256::digest(&bytes).into()),
        _ => Digest::Crc32(crc32fast::hash(&bytes)),
    };
    let region = Region {
        name: "segment".into(),
        range,
        loaded: bytes.len() as u64,
        digest,
        zero_pages: zero_pages(&bytes, range.len()),
    };
    (region, SegmentAt(SEGMENT, bytes))
}

/// What the target found.
fn arrived(level: Level) -> String {
    format!("TARGET mode {} at", level.name())
}

#[test]
fn every_entry_reaches_the_target_with_translation_off() {
    for level in LEVELS {
        for entry in [
            Entry::Physical,
            Entry::OneToOne,
            Entry::Virtual(PagingMode::Sv39),
            Entry::Virtual(PagingMode::Sv48),
            Entry::Virtual(PagingMode::Sv57),
        ] {
            let output = machine().handoff(&spec(), level, entry, &[]);
            let expected = format!(
                "{} {:#x} satp 0x0 ",
                arrived(level),
                machine().address("target") + machine::TARGET_CALL
            );
            assert!(output.contains(&expected), "{level:?} {entry:?}: {output}");
            let registers = format!(" a0 {HART:#x} a1 {DTB:#x}\n");
            assert!(output.contains(&registers), "{level:?} {entry:?}: {output}");
            assert!(
                !output.contains("EXCEPTION") && !output.contains("translation stays off"),
                "{level:?} {entry:?}: {output}"
            );
        }
    }
}

#[test]
fn without_a_trampoline_a_virtual_machine_dies_and_a_real_one_does_not() {
    let legacy = |level| machine().legacy(level);
    let output = legacy(Level::S);
    assert!(output.contains(&arrived(Level::S)), "{output}");
    let output = legacy(Level::Vs);
    let fault = format!(
        "MONITOR cause 0x14 mepc {0:#x} mtval {0:#x}",
        machine::VIRTUAL + 8
    );
    assert!(output.contains(&fault), "{output}");
}

#[test]
fn the_larger_modes_are_used() {
    for mode in [PagingMode::Sv48, PagingMode::Sv57] {
        for level in LEVELS {
            let spec = DtSpec {
                machine: mapped(mode),
                ..spec()
            };
            let output = machine().handoff(&spec, level, Entry::Physical, &[]);
            assert!(output.contains(&arrived(level)), "{output}");
            assert!(!output.contains("translation stays off"), "{output}");
        }
    }
}

#[test]
fn a_mode_that_the_cpu_does_not_have_leaves_translation_off() {
    let spec = DtSpec {
        machine: mapped(PagingMode::Sv57),
        ..spec()
    };
    let monitor = Monitor {
        cpu: "rv64,sv57=off,sv48=off",
        ..Monitor::default()
    };
    let output = machine().handoff_on(&monitor, &spec, Level::S, Entry::Physical, &[]);
    assert!(output.contains("translation stays off"), "{output}");
    assert!(output.contains(&arrived(Level::S)), "{output}");
}

#[test]
fn every_cause_is_dumped_with_its_name() {
    for (code, cause, name, level) in [
        ("fetch_page_fault", 0xc, "instruction page fault", Level::S),
        ("load_page_fault", 0xd, "load page fault", Level::Vs),
        ("store_page_fault", 0xf, "store page fault", Level::S),
        ("store_to_text", 0xf, "store page fault", Level::Vs),
        ("load_access_fault", 0x5, "load access fault", Level::S),
        ("store_access_fault", 0x7, "store access fault", Level::S),
        ("stack_overflow", 0xf, "store page fault", Level::Vs),
        ("illegal", 0x2, "illegal instruction", Level::S),
    ] {
        let address = machine().address(code);
        let spec = DtSpec {
            drill: DtDrill::Call(address),
            ..spec()
        };
        let output = machine().handoff(&spec, level, Entry::Physical, &[]);
        let first = format!("[handoff] EXCEPTION cause {cause:#x} ({name}) tval ");
        assert!(output.contains(&first), "{code}: {output}");
        assert!(
            output.contains("[handoff] END OF DUMP 12 lines crc32 "),
            "{code}: {output}"
        );
        assert!(output.contains("MONITOR reset type 1"), "{code}: {output}");
        assert!(!output.contains("nested"), "{code}: {output}");
    }
}

#[test]
fn a_breakpoint_is_dumped_and_resumed_with_all_registers() {
    for drill in [
        DtDrill::Breakpoint,
        DtDrill::Call(machine().address("breakpoint")),
    ] {
        let spec = DtSpec { drill, ..spec() };
        let output = machine().handoff(&spec, Level::S, Entry::Physical, &[]);
        assert!(output.contains("cause 0x3 (breakpoint)"), "{output}");
        assert!(output.contains(&arrived(Level::S)), "{output}");
    }
}

#[test]
fn segments_are_verified_and_a_damaged_one_is_named() {
    for (verify, name) in [
        (Verify::Crc32, "crc32 (portable)"),
        (Verify::Sha256, "sha256 (portable)"),
    ] {
        let (region, SegmentAt(at, bytes)) = segment(verify);
        let spec = DtSpec {
            verify,
            regions: vec![region],
            ..spec()
        };
        let good = SegmentAt(at, bytes.clone());
        let output = machine().handoff(&spec, Level::S, Entry::Physical, &[good]);
        assert!(
            output.contains(&format!("verify with {name}\n")),
            "{output}"
        );
        assert!(output.contains(" ok\n"), "{output}");
        assert!(output.contains(&arrived(Level::S)), "{output}");
        let mut bytes = bytes;
        bytes[4321] ^= 1;
        let bad = SegmentAt(at, bytes);
        let output = machine().handoff(&spec, Level::S, Entry::Physical, &[bad]);
        assert!(output.contains("verify segment 0x81000000-"), "{output}");
        assert!(
            output.contains("1 segment(s) damaged: not starting it"),
            "{output}"
        );
        assert!(!output.contains("TARGET"), "{output}");
    }
}

#[test]
fn a_damaged_handoff_does_not_start_anything() {
    let output = machine().damaged(&spec());
    assert!(output.contains("handoff itself is damaged"), "{output}");
    assert!(!output.contains("TARGET"), "{output}");
}

#[test]
fn memory_is_moved_by_extents_and_page_lists() {
    // the target itself: it runs only where it was moved to
    let target = machine().address("target");
    let code = SegmentAt(SEGMENT, machine().monitor.page("target"));
    let (moves, pages) = bare::moves(SEGMENT, ELSEWHERE);
    assert_ne!(target, ELSEWHERE);
    for relocate in moves {
        let spec = DtSpec {
            relocate,
            entry: ELSEWHERE,
            ..spec()
        };
        let mut segments = vec![SegmentAt(code.0, code.1.clone())];
        segments.extend(pages.iter().cloned());
        let output = machine().handoff(&spec, Level::S, Entry::Physical, &segments);
        let expected = format!(
            "{} {:#x}",
            arrived(Level::S),
            ELSEWHERE + machine::TARGET_CALL
        );
        assert!(output.contains(&expected), "{output}");
    }
}

#[test]
fn a_dead_uart_costs_one_wait_and_the_firmware_prints() {
    // memory in place of a UART: never ready
    let dead = Console::Mmio {
        addr: 0x8300_0000,
        stride: 1,
        width: 8,
        divisor: None,
    };
    for console in [1, 2] {
        let monitor = Monitor {
            console,
            ..Monitor::default()
        };
        let spec = DtSpec {
            consoles: vec![dead, Console::Firmware],
            ..spec()
        };
        let output = machine().handoff_on(&monitor, &spec, Level::Vs, Entry::Physical, &[]);
        assert!(output.contains("[handoff] jump to "), "{console}: {output}");
        assert!(output.contains(&arrived(Level::Vs)), "{console}: {output}");
    }
    // without any console it still arrives
    let spec = DtSpec {
        consoles: vec![dead, Console::Firmware],
        ..spec()
    };
    let output = machine().handoff(&spec, Level::S, Entry::Physical, &[]);
    assert!(!output.contains("[handoff]"), "{output}");
    assert!(output.contains(&arrived(Level::S)), "{output}");
}

#[test]
fn a_divisor_programs_the_uart() {
    let spec = DtSpec {
        consoles: vec![Console::Mmio {
            addr: 0x1000_0000,
            stride: 1,
            width: 8,
            divisor: Some(1),
        }],
        ..spec()
    };
    let output = machine().handoff(&spec, Level::S, Entry::Physical, &[]);
    assert!(output.contains("[handoff] jump to "), "{output}");
}

#[test]
fn a_fault_of_the_target_before_it_sets_stvec_is_dumped() {
    let spec = DtSpec {
        entry: machine().address("illegal"),
        ..spec()
    };
    let output = machine().handoff(&spec, Level::Vs, Entry::Physical, &[]);
    assert!(
        output.contains("cause 0x2 (illegal instruction)") && output.contains("phase target"),
        "{output}"
    );
}
