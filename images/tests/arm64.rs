//! The handoff on arm64, in QEMU without firmware: a monitor enters it at EL1, at EL2, and at EL2 with E2H.

#[path = "support/bare.rs"]
mod bare;
#[path = "support/arm.rs"]
mod machine;

use handoff::addr::{PAGE_SIZE, PhysRange};
use handoff::arch::arm64::dump::read::Arm64Dump;
use handoff::blob::dt::{Arm64Exit, DtDrill, DtMachine, DtSpec, PsciConduit};
use handoff::dump::read::{Integrity, Reader};
use handoff::spec::{Console, Digest, OnFault, Region, Relocate, Verify, zero_pages};
use images::assets::QEMU_ARM64;
use images::cross::CrossTarget;
use machine::{ArmBoard, BLOB, DTB, Machine, SegmentAt, UART, Variant};
use sha2::Digest as _;
use std::sync::LazyLock;

static BOARD: ArmBoard = ArmBoard {
    target: CrossTarget::Arm64,
    monitor: "arm64_handoff",
    qemu: &QEMU_ARM64,
    cpu: "max",
};

/// The machine.
fn machine() -> &'static Machine {
    static MACHINE: LazyLock<Machine> = LazyLock::new(|| Machine::new(&BOARD));
    &MACHINE
}

/// Where the handoff runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// EL1, below a monitor at EL2.
    El1 = 1,
    /// EL2.
    El2 = 2,
    /// EL2 with E2H.
    El2Host = 3,
}

impl From<Level> for u64 {
    fn from(level: Level) -> Self {
        level as Self
    }
}

impl Level {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::El1, Self::El2, Self::El2Host];

    /// Name in the handoff's output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::El1 => "el1",
            Self::El2 => "el2",
            Self::El2Host => "el2-e2h",
        }
    }

    /// Number of the exception level.
    pub const fn number(self) -> u32 {
        match self {
            Self::El1 => 1,
            Self::El2 | Self::El2Host => 2,
        }
    }
}

/// A segment to verify and to move.
const SEGMENT: u64 = 0x4a00_0000;
/// Where it is moved to.
const ELSEWHERE: u64 = 0x4c00_0000;
/// Bits of `HCR_EL2`: virtual FIQ, IRQ, SError.
const VF: u64 = 1 << 6;
const VI: u64 = 1 << 7;
const VSE: u64 = 1 << 8;

const fn to(exit: Arm64Exit, psci: PsciConduit) -> DtMachine {
    DtMachine::Arm64 { exit, psci }
}

/// A handoff at `level`, whose firmware is the monitor at EL1, and QEMU's own at EL2.
fn spec(level: Level) -> DtSpec {
    let psci = match level {
        Level::El1 => PsciConduit::Hvc,
        _ => PsciConduit::Smc,
    };
    DtSpec {
        base: BLOB,
        machine: to(Arm64Exit::Linux, psci),
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

fn calling(level: Level, code: &str) -> DtSpec {
    DtSpec {
        drill: DtDrill::Call(machine().address(code)),
        ..spec(level)
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

/// Checks what the target found.
fn arrived(output: &str, level: Level, at: u64, hcr: u64) {
    let expected = format!(
        "TARGET level {:#x} at {at:#x} mmu 0x0 cache 0x0 hcr {hcr:#x} daif 0x3c0 x0 {DTB:#x} x1 0x0 x2 0x0 x3 0x0 \n",
        level.number()
    );
    assert!(
        output.contains(&expected),
        "{level:?}, expected {expected}: {output}"
    );
    assert!(!output.contains("EXCEPTION"), "{level:?}: {output}");
}

/// `HCR_EL2` that the monitor sets, as the level sees it.
const fn hcr(level: Level) -> u64 {
    match level {
        Level::El1 => 0,
        Level::El2 => 0x8000_0038,
        Level::El2Host => 0x4_8800_0000,
    }
}

/// The only dump of an output.
fn dump(output: &str) -> Arm64Dump {
    let mut reader = Reader::<Arm64Dump>::default();
    let mut dumps: Vec<_> = output.lines().flat_map(|line| reader.line(line)).collect();
    assert_eq!(dumps.len(), 1, "{output}");
    let dump = dumps.remove(0);
    assert_eq!(dump.integrity, Integrity::Whole, "{output}");
    dump
}

#[test]
fn every_entry_reaches_the_target_with_translation_and_cache_off() {
    let target = machine().address("target");
    for level in Level::ALL {
        for translated in [false, true] {
            let variant = Variant {
                translated,
                ..Variant::default()
            };
            let output = machine().handoff_on(variant, &spec(level), level, &[]);
            arrived(&output, level, target, hcr(level));
            let how = format!(
                "entered at {BLOB:#x} in {} with translation {} on cpu ",
                level.name(),
                if translated { "on" } else { "off" }
            );
            assert!(output.contains(&how), "{how}: {output}");
        }
    }
}

#[test]
fn cpus_without_the_newer_features_work() {
    let target = machine().address("target");
    for (cpu, level) in [
        ("cortex-a57", Level::El1),
        ("cortex-a57", Level::El2),
        ("neoverse-n1", Level::El2Host),
        ("cortex-a76", Level::El1),
    ] {
        let variant = Variant {
            cpu: Some(cpu),
            ..Variant::default()
        };
        let (region, loaded) = segment(Verify::Crc32);
        let spec = DtSpec {
            verify: Verify::Crc32,
            regions: vec![region],
            ..spec(level)
        };
        let output = machine().handoff_on(variant, &spec, level, &[loaded]);
        arrived(&output, level, target, hcr(level));
    }
    // without EL2 at all
    let variant = Variant {
        hyp: false,
        cpu: Some("cortex-a57"),
        ..Variant::default()
    };
    let output = machine().handoff_on(variant, &spec(Level::El1), Level::El1, &[]);
    arrived(&output, Level::El1, target, 0);
}

#[test]
fn every_register_of_the_entry_is_printed() {
    for level in Level::ALL {
        let output = machine().handoff(&spec(level), level, &[]);
        let line = output
            .lines()
            .find(|line| line.starts_with("[handoff] entry sctlr "))
            .unwrap_or_else(|| panic!("{output}"));
        for (n, name) in Arm64Dump::names().enumerate() {
            // the monitor jumps by x30; in the others are marks
            let value = match n {
                30 => BLOB + 40, // after the header
                _ => 0x5a << 56 | n as u64,
            };
            let field = format!(" {name} {value:#x}");
            assert!(
                line.ends_with(&field) || line.contains(&format!("{field} ")),
                "{level:?}{field}: {line}"
            );
        }
        let state = format!(" hcr {:#x} vbar 0x12345800 ", hcr(level));
        assert!(line.contains(&state), "{level:?}{state}: {line}");
    }
}

#[test]
fn xen_gets_el2_without_e2h_and_nothing_below() {
    let target = machine().address("target");
    let xen = |level| DtSpec {
        machine: to(Arm64Exit::Xen, PsciConduit::Smc),
        ..spec(level)
    };
    for level in [Level::El2, Level::El2Host] {
        let output = machine().handoff(&xen(level), level, &[]);
        arrived(&output, level, target, 0x8000_0000);
    }
    let refused = DtSpec {
        machine: to(Arm64Exit::Xen, PsciConduit::Hvc),
        ..spec(Level::El1)
    };
    let output = machine().handoff(&refused, Level::El1, &[]);
    assert!(
        output.contains("Xen needs EL2, and this CPU is at EL1"),
        "{output}"
    );
    assert!(output.contains("MONITOR reset 0x84000009"), "{output}");
    assert!(!output.contains("TARGET"), "{output}");
}

#[test]
fn every_kind_of_exception_is_dumped() {
    for (code, class, iss, vector, level) in [
        ("load", 0x25, 0x06, 4, Level::El1),
        ("load", 0x25, 0x06, 4, Level::El2),
        ("load", 0x25, 0x06, 4, Level::El2Host),
        ("store_to_text", 0x25, 0x4f, 4, Level::El1),
        ("store_to_text", 0x25, 0x4f, 4, Level::El2),
        ("store_to_text", 0x25, 0x4f, 4, Level::El2Host),
        ("fetch", 0x21, 0x06, 4, Level::El1),
        ("fetch", 0x21, 0x06, 4, Level::El2),
        ("fetch_data", 0x21, 0x0f, 4, Level::El1),
        ("fetch_data", 0x21, 0x0f, 4, Level::El2),
        ("fetch_data", 0x21, 0x0f, 4, Level::El2Host),
        ("odd_pc", 0x22, 0, 4, Level::El2),
        ("undefined", 0x00, 0, 4, Level::El1),
        ("undefined", 0x00, 0, 4, Level::El2),
        ("supervisor_call", 0x15, 7, 4, Level::El1),
        ("supervisor_call", 0x15, 7, 4, Level::El2),
        ("hypervisor_call", 0x16, 7, 4, Level::El2),
        ("no_floating_point", 0x07, 0, 4, Level::El1),
        ("illegal_state", 0x0e, 0, 4, Level::El1),
        ("illegal_state", 0x0e, 0, 4, Level::El2),
        ("stack_overflow", 0x25, 0x46, 4, Level::El2),
        ("from_sp_el0", 0x25, 0x06, 0, Level::El1),
        ("from_sp_el0", 0x25, 0x06, 0, Level::El2),
    ] {
        let output = machine().handoff(&calling(level, code), level, &[]);
        let dump = dump(&output);
        let esr = dump.esr.unwrap();
        let context = format!("{code} at {level:?}, esr {esr:#x}: {output}");
        assert_eq!(esr >> 26, class, "{context}");
        // the status code of an abort with WnR, the number of a call
        let expected = match class {
            0x21 | 0x25 => esr & 0x7f,
            0x15 | 0x16 => esr & 0xffff,
            _ => iss,
        };
        assert_eq!(expected, iss, "{context}");
        assert_eq!(dump.vector, Some(vector), "{context}");
        assert_eq!(dump.regime, Some(level as u32 - 1), "{context}");
        assert_eq!(dump.phase, Some(handoff::abi::PHASE_RELOCATE), "{context}");
        if code == "from_sp_el0" {
            assert_eq!(dump.register("sp"), Some(0x7770), "{context}");
        }
        assert!(
            !output.contains("nested") && !output.contains("TARGET"),
            "{context}"
        );
        assert!(output.contains("resetting the machine"), "{context}");
        assert!(!output.contains("halted"), "{context}");
    }
}

#[test]
fn interrupts_and_serror_are_dumped() {
    for (code, pending, vector) in [
        ("unmask_irq", VI, 5),
        ("unmask_fiq", VF, 6),
        ("unmask_serror", VSE, 7),
    ] {
        let variant = Variant {
            pending,
            ..Variant::default()
        };
        let level = Level::El1;
        let output = machine().handoff_on(variant, &calling(level, code), level, &[]);
        let dump = dump(&output);
        assert_eq!(dump.vector, Some(vector), "{output}");
        if vector == 7 {
            assert_eq!(dump.esr.unwrap() >> 26, 0x2f, "{output}");
        }
        assert!(output.contains("MONITOR reset 0x84000009"), "{output}");
    }
}

#[test]
fn a_breakpoint_is_dumped_and_resumed_with_all_registers() {
    for level in Level::ALL {
        for drill in [
            DtDrill::Breakpoint,
            DtDrill::Call(machine().address("breakpoint")),
        ] {
            let spec = DtSpec {
                drill,
                ..spec(level)
            };
            let output = machine().handoff(&spec, level, &[]);
            assert_eq!(dump(&output).esr.unwrap() >> 26, 0x3c, "{output}");
            assert!(output.contains("resumed after brk"), "{output}");
            assert!(output.contains("TARGET level "), "{output}");
        }
    }
}

#[test]
fn a_dump_has_the_registers_of_the_fault() {
    let level = Level::El2;
    let output = machine().handoff(&calling(level, "load"), level, &[]);
    let dump = dump(&output);
    assert_eq!(dump.register("x5"), Some(8), "{output}");
    assert_eq!(dump.far, Some(8), "{output}");
    assert_eq!(dump.elr, Some(machine().address("load") + 4), "{output}");
    assert_eq!(dump.spsr.unwrap() & 0x3cf, 0x3c9, "{output}");
    assert_eq!(dump.hcr, Some(hcr(level)), "{output}");
    assert_eq!(
        dump.code.unwrap()[..4],
        0xf940_00a6_u32.to_le_bytes(),
        "{output}"
    );
    assert_eq!(dump.stack.unwrap().len(), 8, "{output}");
}

#[test]
fn segments_are_verified_and_a_damaged_one_is_named() {
    for (verify, name) in [
        (Verify::Crc32, "crc32 (CRC32X)"),
        (Verify::Sha256, "sha256 (portable)"),
    ] {
        let (region, SegmentAt(at, bytes)) = segment(verify);
        let spec = DtSpec {
            verify,
            regions: vec![region],
            ..spec(Level::El2)
        };
        let good = SegmentAt(at, bytes.clone());
        let output = machine().handoff(&spec, Level::El2, &[good]);
        assert!(
            output.contains(&format!("verify with {name}\n")),
            "{output}"
        );
        assert!(output.contains(" ok\n"), "{output}");
        arrived(&output, Level::El2, spec.entry, hcr(Level::El2));
        let mut bytes = bytes;
        bytes[4321] ^= 1;
        let bad = SegmentAt(at, bytes);
        let output = machine().handoff(&spec, Level::El2, &[bad]);
        assert!(output.contains("verify segment 0x4a000000-"), "{output}");
        assert!(
            output.contains("1 segment(s) damaged: not starting it"),
            "{output}"
        );
        assert!(!output.contains("TARGET"), "{output}");
    }
}

#[test]
fn a_damaged_or_misplaced_handoff_does_not_start_anything() {
    for level in Level::ALL {
        let output = machine().damaged(&spec(level), level);
        assert!(output.contains("handoff itself is damaged"), "{output}");
        assert!(!output.contains("TARGET"), "{output}");
        let output = machine().misplaced(&spec(level), level);
        let expected = format!("runs at {:#x}, but was made for {BLOB:#x}", BLOB + 0x1000);
        assert!(output.contains(&expected), "{output}");
        assert!(!output.contains("TARGET"), "{output}");
    }
}

#[test]
fn memory_is_moved_by_extents_and_page_lists() {
    // the target itself: it runs only where it was moved to
    let (moves, pages) = bare::moves(SEGMENT, ELSEWHERE);
    for relocate in moves {
        let spec = DtSpec {
            relocate,
            entry: ELSEWHERE,
            ..spec(Level::El1)
        };
        let mut segments = vec![SegmentAt(SEGMENT, machine().monitor.page("target"))];
        segments.extend(pages.iter().cloned());
        let output = machine().handoff(&spec, Level::El1, &segments);
        arrived(&output, Level::El1, ELSEWHERE, 0);
    }
}

#[test]
fn a_uart_that_does_not_respond_costs_one_wait() {
    // memory in place of a UART: a 16550 that is never ready, and a PL011 whose FIFO is full
    let dead = Console::Mmio {
        addr: 0x4b00_0000,
        stride: 4,
        width: 32,
        divisor: None,
    };
    let full = SegmentAt(0x4b00_1018, vec![0x20]);
    let spec = DtSpec {
        consoles: vec![dead, Console::Pl011 { addr: 0x4b00_1000 }, UART],
        ..spec(Level::El2)
    };
    let output = machine().handoff(&spec, Level::El2, &[full]);
    assert!(output.contains("[handoff] jump to "), "{output}");
    arrived(&output, Level::El2, spec.entry, hcr(Level::El2));
}

#[test]
fn a_fault_of_the_target_before_it_sets_its_vectors_is_dumped() {
    for level in Level::ALL {
        let spec = DtSpec {
            entry: machine().address("undefined"),
            ..spec(level)
        };
        let output = machine().handoff(&spec, level, &[]);
        let dump = dump(&output);
        assert_eq!(dump.phase, Some(handoff::abi::PHASE_TARGET), "{output}");
        assert_eq!(dump.sctlr.unwrap() & 5, 0, "{output}");
    }
}

#[test]
fn halting_is_the_other_end() {
    let spec = DtSpec {
        machine: to(Arm64Exit::Linux, PsciConduit::None),
        ..calling(Level::El2, "undefined")
    };
    let output = machine().until(&spec, Level::El2, "halted (--on-fault halt)");
    assert!(
        output.contains("the firmware does not reset it"),
        "{output}"
    );
}
