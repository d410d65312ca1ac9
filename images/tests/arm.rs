//! The handoff on 32-bit ARM, in QEMU without firmware: a monitor enters it in Supervisor and in Hyp mode.

#[path = "support/bare.rs"]
mod bare;
#[path = "support/arm.rs"]
mod machine;

use handoff::addr::{PAGE_SIZE, PhysRange};
use handoff::arch::arm::dump::read::Arm32Dump;
use handoff::blob::dt::{DtDrill, DtMachine, DtSpec, PsciConduit};
use handoff::dump::read::{Integrity, Reader};
use handoff::spec::{Console, Digest, OnFault, Region, Relocate, Verify, zero_pages};
use images::assets::QEMU_ARM;
use images::cross::CrossTarget;
use machine::{ArmBoard, BLOB, DTB, Machine, SegmentAt, UART, Variant};
use sha2::Digest as _;
use std::sync::LazyLock;

static BOARD: ArmBoard = ArmBoard {
    target: CrossTarget::Armhf,
    monitor: "arm_handoff",
    qemu: &QEMU_ARM,
    cpu: "cortex-a15",
};

/// The machine.
fn machine() -> &'static Machine {
    static MACHINE: LazyLock<Machine> = LazyLock::new(|| Machine::new(&BOARD));
    &MACHINE
}

/// Where the handoff runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Supervisor mode, below a monitor in Hyp mode.
    Svc = 1,
    /// Hyp mode.
    Hyp = 2,
}

impl From<Level> for u64 {
    fn from(level: Level) -> Self {
        level as Self
    }
}

impl Level {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Svc, Self::Hyp];

    /// Name in the handoff's output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Svc => "svc",
            Self::Hyp => "hyp",
        }
    }

    /// Number of the mode.
    pub const fn number(self) -> u32 {
        match self {
            Self::Svc => 0x13,
            Self::Hyp => 0x1a,
        }
    }
}

/// A segment to verify and to move.
const SEGMENT: u64 = 0x4a00_0000;
/// Where it is moved to.
const ELSEWHERE: u64 = 0x4c00_0000;
/// Bits of HCR: virtual FIQ, IRQ, asynchronous abort.
const VF: u64 = 1 << 6;
const VI: u64 = 1 << 7;
const VA: u64 = 1 << 8;

/// A handoff at `level`, whose firmware is the monitor below Hyp mode, and QEMU's own in it.
fn spec(level: Level) -> DtSpec {
    let psci = match level {
        Level::Svc => PsciConduit::Hvc,
        Level::Hyp => PsciConduit::Smc,
    };
    DtSpec {
        base: BLOB,
        machine: DtMachine::Arm { psci },
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
fn arrived(output: &str, level: Level, at: u64) {
    let expected = format!(
        "TARGET mode {:#x} at {at:#x} mmu 0x0 cache 0x0 masked 0x1c0 r0 0x0 r1 0xffffffff r2 {DTB:#x} \n",
        level.number()
    );
    assert!(
        output.contains(&expected),
        "{level:?}, expected {expected}: {output}"
    );
    assert!(!output.contains("EXCEPTION"), "{level:?}: {output}");
}

/// The only dump of an output.
fn dump(output: &str) -> Arm32Dump {
    let mut reader = Reader::<Arm32Dump>::default();
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
            arrived(&output, level, target);
            let how = format!(
                "entered at {BLOB:#x} in mode {} with translation {} on cpu ",
                level.name(),
                if translated { "on" } else { "off" }
            );
            assert!(output.contains(&how), "{how}: {output}");
        }
    }
}

#[test]
fn other_cpus_and_machines_without_hyp_mode_work() {
    let target = machine().address("target");
    for (cpu, hyp, level) in [
        ("cortex-a7", true, Level::Hyp),
        ("cortex-a7", true, Level::Svc),
        ("cortex-a15", false, Level::Svc),
        ("max", true, Level::Hyp),
        ("max", false, Level::Svc),
    ] {
        let variant = Variant {
            cpu: Some(cpu),
            hyp,
            ..Variant::default()
        };
        let (region, loaded) = segment(Verify::Crc32);
        let spec = DtSpec {
            verify: Verify::Crc32,
            regions: vec![region],
            ..spec(level)
        };
        let output = machine().handoff_on(variant, &spec, level, &[loaded]);
        arrived(&output, level, target);
        assert!(!output.contains("caches stay off"), "{output}");
    }
}

#[test]
fn every_register_of_the_entry_is_printed() {
    for level in Level::ALL {
        let output = machine().handoff(&spec(level), level, &[]);
        let line = output
            .lines()
            .find(|line| line.starts_with("[handoff] entry sctlr "))
            .unwrap_or_else(|| panic!("{output}"));
        for (n, name) in Arm32Dump::names().enumerate() {
            // the monitor jumps by lr; in the others are marks
            let value = match (n, level) {
                (14, Level::Hyp) => BLOB + 40, // after the header
                _ => 0x5a00_0000 | n as u64,
            };
            let field = format!(" {name} {value:#x}");
            assert!(
                line.ends_with(&field) || line.contains(&format!("{field} ")),
                "{level:?}{field}: {line}"
            );
        }
        let cpsr = line.split_once(" cpsr 0x").unwrap().1;
        let (cpsr, rest) = cpsr.split_once(' ').unwrap();
        let cpsr = u32::from_str_radix(cpsr, 16).unwrap();
        // asynchronous aborts, IRQ, FIQ are masked; without the flags
        assert_eq!(cpsr & 0x1ff, 0x1c0 | level.number(), "{line}");
        assert!(rest.starts_with("vbar 0x12345800 "), "{line}");
    }
}

#[test]
fn every_kind_of_exception_is_dumped() {
    // status in the syndrome: long descriptor format, or the fault status in HSR; translation faults of level 2,
    // permission faults of level 3
    for (code, vector, status, level) in [
        ("load", 4, 0x06, Level::Svc),
        ("load", 4, 0x06, Level::Hyp),
        ("store_to_text", 4, 0x0f, Level::Svc),
        ("store_to_text", 4, 0x0f, Level::Hyp),
        ("fetch", 3, 0x06, Level::Svc),
        ("fetch", 3, 0x06, Level::Hyp),
        ("fetch_data", 3, 0x0f, Level::Svc),
        ("fetch_data", 3, 0x0f, Level::Hyp),
        ("stack_overflow", 4, 0x06, Level::Svc),
        ("stack_overflow", 4, 0x06, Level::Hyp),
        ("undefined", 1, 0, Level::Svc),
        ("undefined", 1, 0, Level::Hyp),
        ("supervisor_call", 2, 0, Level::Svc),
        ("supervisor_call", 2, 0, Level::Hyp),
        ("hypervisor_call", 2, 0, Level::Hyp),
    ] {
        let output = machine().handoff(&calling(level, code), level, &[]);
        let dump = dump(&output);
        let context = format!("{code} in {level:?}: {output}");
        assert_eq!(dump.vector, Some(vector), "{context}");
        if matches!(vector, 3 | 4) {
            assert_eq!(dump.syndrome.unwrap() & 0x3f, status, "{context}");
        }
        assert_eq!(dump.mode, Some(level as u32 - 1), "{context}");
        assert_eq!(dump.phase, Some(handoff::abi::PHASE_RELOCATE), "{context}");
        assert!(
            !output.contains("nested") && !output.contains("TARGET"),
            "{context}"
        );
        assert!(output.contains("resetting the machine"), "{context}");
        assert!(!output.contains("halted"), "{context}");
    }
}

#[test]
fn interrupts_and_asynchronous_aborts_are_dumped() {
    for (code, pending, vector) in [
        ("unmask_irq", VI, 6),
        ("unmask_fiq", VF, 7),
        ("unmask_abort", VA, 4),
    ] {
        let variant = Variant {
            pending,
            ..Variant::default()
        };
        let level = Level::Svc;
        let output = machine().handoff_on(variant, &calling(level, code), level, &[]);
        let dump = dump(&output);
        assert_eq!(dump.vector, Some(vector), "{output}");
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
            assert_eq!(dump(&output).vector, Some(3), "{output}");
            assert!(output.contains("resumed after bkpt"), "{output}");
            assert!(output.contains("TARGET mode "), "{output}");
        }
    }
}

#[test]
fn a_dump_has_the_registers_of_the_fault() {
    let level = Level::Hyp;
    let output = machine().handoff(&calling(level, "load"), level, &[]);
    let dump = dump(&output);
    assert_eq!(dump.register("r5"), Some(8), "{output}");
    assert_eq!(dump.far, Some(8), "{output}");
    assert_eq!(dump.pc, Some(machine().address("load") + 4), "{output}");
    assert_eq!(dump.cpsr.unwrap() & 0x1ff, 0x1da, "{output}");
    assert_eq!(
        dump.code.unwrap()[..4],
        0xe595_6000_u32.to_le_bytes(),
        "{output}"
    );
    assert_eq!(dump.stack.unwrap().len(), 8, "{output}");
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
            ..spec(Level::Hyp)
        };
        let good = SegmentAt(at, bytes.clone());
        let output = machine().handoff(&spec, Level::Hyp, &[good]);
        assert!(
            output.contains(&format!("verify with {name}\n")),
            "{output}"
        );
        assert!(output.contains(" ok\n"), "{output}");
        arrived(&output, Level::Hyp, spec.entry);
        let mut bytes = bytes;
        bytes[4321] ^= 1;
        let bad = SegmentAt(at, bytes);
        let output = machine().handoff(&spec, Level::Hyp, &[bad]);
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
            ..spec(Level::Svc)
        };
        let mut segments = vec![SegmentAt(SEGMENT, machine().monitor.page("target"))];
        segments.extend(pages.iter().cloned());
        let output = machine().handoff(&spec, Level::Svc, &segments);
        arrived(&output, Level::Svc, ELSEWHERE);
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
        ..spec(Level::Hyp)
    };
    let output = machine().handoff(&spec, Level::Hyp, &[full]);
    assert!(output.contains("[handoff] jump to "), "{output}");
    arrived(&output, Level::Hyp, spec.entry);
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
        machine: DtMachine::Arm {
            psci: PsciConduit::None,
        },
        ..calling(Level::Hyp, "undefined")
    };
    let output = machine().until(&spec, Level::Hyp, "halted (--on-fault halt)");
    assert!(
        output.contains("the firmware does not reset it"),
        "{output}"
    );
}
