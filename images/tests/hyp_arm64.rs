//! Calls of `handoff::hyp` on arm64, in QEMU without firmware: stubs of several kernel versions, and
//! occupants that know nothing of them. A restart arrives, or it is reported.

#[path = "hyp/machine.rs"]
mod machine;
#[path = "hyp/payload.rs"]
mod payload;

use std::path::PathBuf;
use std::sync::LazyLock;

use handoff::hyp::calls::STUB_ERROR;
use images::cross::CrossTarget;
use images::qemu;

/// Numbers of occupants in payload/arm64/occupants.S.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    First,
    V4_7,
    V4_12,
    V5_12,
    V6_19,
    KvmLike,
    NotSupported,
    AlwaysError,
    Ignores,
    Garbage,
    GarbageEverywhere,
    WrongSuccess,
    /// None: the payload stays where QEMU starts it.
    Stay,
    /// None: EL2 with VHE.
    StayVhe,
}

/// A machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cpu {
    /// EL2 without VHE.
    A57,
    /// EL2 with VHE.
    N1,
    /// No EL2: PSCI by `hvc`.
    El1,
}

/// What the payload does.
#[derive(Clone, Copy, Debug)]
enum Action {
    Probe,
    Restart,
    Call(u64, u64),
    ProbeAndRestart,
}

/// Calls are undefined.
const DISABLED: u64 = 1;
/// Translation on at EL1, at EL2.
const TRANSLATED: u64 = 2;
const HYP_TRANSLATED: u64 = 4;

const STUBS: [Kind; 3] = [Kind::V4_12, Kind::V5_12, Kind::V6_19];
const FOREIGN: [Kind; 6] = [
    Kind::NotSupported,
    Kind::AlwaysError,
    Kind::Ignores,
    Kind::Garbage,
    Kind::GarbageEverywhere,
    Kind::WrongSuccess,
];
/// What a restart passes to the target.
const ARGUMENTS: &str = "r0 0xaa00 r1 0xbb11 r2 0xcc22";
/// The state of a target that a restart entered at EL2.
const ARRIVED: &str = "TARGET level 0x2 mmu 0 caches 0 masks 0x3c0 ";

fn run(cpu: Cpu, kind: Kind, flags: u64, action: Action) -> String {
    static PAYLOAD: LazyLock<PathBuf> =
        LazyLock::new(|| payload::payload(CrossTarget::Arm64, "arm64"));
    let mut qemu = qemu::arm64().unwrap();
    let machine = match cpu {
        Cpu::A57 | Cpu::N1 => "virt,virtualization=on,gic-version=3",
        Cpu::El1 => "virt,gic-version=3",
    };
    let model = if cpu == Cpu::N1 {
        "neoverse-n1"
    } else {
        "cortex-a57"
    };
    qemu.args(["-M", machine, "-cpu", model]);
    let occupant = match kind {
        Kind::Stay => u64::MAX,
        Kind::StayVhe => u64::MAX - 1,
        other => other as u64,
    };
    let (action, call) = match action {
        Action::Probe => (0, [0; 2]),
        Action::Restart => (1, [0; 2]),
        Action::Call(number, argument) => (2, [number, argument]),
        Action::ProbeAndRestart => (3, [0; 2]),
    };
    let words = [occupant, flags, action, call[0], call[1]];
    let configuration: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let output = payload::run(qemu, &PAYLOAD, &configuration);
    assert!(
        !output.contains("UNEXPECTED") && !output.contains("PANIC"),
        "{cpu:?} {kind:?}: {output}"
    );
    output
}

/// The state after a call that returned: all is as before.
fn assert_kept(output: &str, level: u32) {
    let after = format!("AFTER level {level:#x} kept 1 vectors 1 masks 0x3c0\n");
    assert!(output.contains(&after), "{output}");
}

#[test]
fn levels_are_those_of_the_machine() {
    for (cpu, level) in [(Cpu::A57, 2), (Cpu::N1, 2), (Cpu::El1, 1)] {
        let output = run(cpu, Kind::Stay, 0, Action::Restart);
        assert!(
            output.contains(&format!("START level {level:#x}\n")),
            "{output}"
        );
    }
}

#[test]
fn a_restart_arrives_from_every_stub() {
    for cpu in [Cpu::A57, Cpu::N1] {
        for kind in STUBS {
            for flags in [0, TRANSLATED, TRANSLATED | HYP_TRANSLATED] {
                let output = run(cpu, kind, flags, Action::Restart);
                let expected = format!("{ARRIVED}{ARGUMENTS} vhe 0\n");
                assert!(output.contains("CALLER level 0x1\n"), "{output}");
                assert!(
                    output.contains(&expected),
                    "{cpu:?} {kind:?} {flags}: {output}"
                );
            }
        }
    }
}

#[test]
fn a_restart_arrives_from_a_hypervisor_that_knows_only_the_restart_and_the_reset() {
    let output = run(
        Cpu::A57,
        Kind::KvmLike,
        HYP_TRANSLATED,
        Action::ProbeAndRestart,
    );
    assert!(output.contains("REPLY zero r0 0xbadca11 "), "{output}");
    assert!(output.contains("VERDICT kvm\n"), "{output}");
    assert!(
        output.contains(&format!("{ARRIVED}{ARGUMENTS} vhe 0\n")),
        "{output}"
    );
}

#[test]
fn a_restart_at_el2_needs_no_call() {
    for (cpu, kind, vhe) in [
        (Cpu::A57, Kind::Stay, 0),
        (Cpu::N1, Kind::Stay, 0),
        (Cpu::N1, Kind::StayVhe, 1),
    ] {
        for flags in [0, HYP_TRANSLATED] {
            let output = run(cpu, kind, flags, Action::Restart);
            let expected = format!("{ARRIVED}{ARGUMENTS} vhe {vhe}\n");
            assert!(output.contains(&expected), "{cpu:?} {kind:?}: {output}");
        }
    }
}

#[test]
fn a_foreign_occupant_gets_a_report_and_no_register_is_relied_on() {
    for kind in FOREIGN {
        for flags in [0, TRANSLATED] {
            let output = run(Cpu::A57, kind, flags, Action::Restart);
            let answer = match kind {
                Kind::NotSupported => "not-supported".to_owned(),
                Kind::AlwaysError => "stub-error".to_owned(),
                Kind::Ignores => "unchanged".to_owned(),
                Kind::WrongSuccess => "success".to_owned(),
                _ => "other 0x5a5a00001234".to_owned(),
            };
            let expected = format!("FAILED {answer}\n");
            assert!(output.contains(&expected), "{kind:?} {flags}: {output}");
            assert!(!output.contains("TARGET"), "{kind:?}: {output}");
            assert_kept(&output, 1);
        }
    }
}

#[test]
fn without_el2_a_restart_is_reported() {
    let output = run(Cpu::El1, Kind::Stay, 0, Action::ProbeAndRestart);
    assert!(output.contains("VERDICT conduit\n"), "{output}");
    assert!(output.contains("FAILED not-supported\n"), "{output}");
    assert_kept(&output, 1);
}

#[test]
fn disabled_calls_are_undefined_and_reported() {
    let output = run(
        Cpu::A57,
        Kind::V6_19,
        DISABLED | TRANSLATED,
        Action::ProbeAndRestart,
    );
    assert!(output.contains("exception 0x2000000 at "), "{output}");
    assert!(output.contains("VERDICT absent\n"), "{output}");
    assert!(output.contains("FAILED undefined\n"), "{output}");
    assert_kept(&output, 1);
}

#[test]
fn occupants_are_recognized() {
    for (kind, verdict) in [
        (Kind::V4_7, "old-stub"),
        (Kind::V4_12, "stub"),
        (Kind::V5_12, "stub"),
        (Kind::V6_19, "stub"),
        (Kind::KvmLike, "kvm"),
        (Kind::NotSupported, "conduit"),
        (Kind::Garbage, "foreign"),
        (Kind::GarbageEverywhere, "foreign"),
        (Kind::WrongSuccess, "foreign"),
        (Kind::Ignores, "ignores"),
    ] {
        let output = run(Cpu::A57, kind, 0, Action::Probe);
        assert!(
            output.contains(&format!("VERDICT {verdict}\n")),
            "{kind:?}: {output}"
        );
        assert_kept(&output, 1);
    }
}

#[test]
fn every_call_of_every_version_answers_as_the_table_says() {
    let error = format!("REPLY call r0 {STUB_ERROR:#x} ");
    for (kind, number, expected) in [
        (Kind::First, 0, "REPLY call r0 0x402"),
        (Kind::V4_7, 0, "REPLY call r0 0x402"),
        (Kind::V4_7, 3, "ANSWER unchanged\n"),
        (Kind::V4_7, 7, "ANSWER old-stub-error\n"),
        (Kind::V4_12, 2, "REPLY call r0 0x0 "),
        (Kind::V4_12, 3, &error),
        (Kind::V4_12, 4, &error),
        (Kind::V5_12, 2, "REPLY call r0 0x0 "),
        (Kind::V5_12, 3, &error), // the CPU has no VHE
        (Kind::V5_12, 4, &error),
        (Kind::V6_19, 4, "REPLY call r0 0x0 r1 0x9"),
        (Kind::V6_19, 5, &error),
        (Kind::KvmLike, 2, "REPLY call r0 0x0 "),
        (Kind::KvmLike, 3, &error),
        (Kind::KvmLike, 5, "REPLY call r0 0xffffffffffffffff "),
    ] {
        let output = run(Cpu::A57, kind, 0, Action::Call(number, 0));
        assert!(output.contains(expected), "{kind:?} {number}: {output}");
        assert_kept(&output, 1);
    }
}

#[test]
fn a_caller_is_upgraded_to_el2_if_the_cpu_has_vhe() {
    let output = run(Cpu::N1, Kind::V5_12, 0, Action::Call(3, 0));
    assert!(output.contains("REPLY call r0 0x0 "), "{output}");
    assert_kept(&output, 2);
    // with translation on in EL2 it is refused
    let output = run(Cpu::N1, Kind::V5_12, HYP_TRANSLATED, Action::Call(3, 0));
    assert!(output.contains("ANSWER stub-error\n"), "{output}");
    assert_kept(&output, 1);
}

#[test]
fn vectors_that_are_set_serve_the_next_call() {
    // the payload's own vectors for unexpected exceptions at EL2 are not those of a stub: the next call
    // would not return. The first version's stub sets any value, and says nothing.
    for (kind, number, argument, answer) in [
        (Kind::V4_12, 0, 0x4020_0800, "unchanged"),
        (Kind::V4_7, 1, 0x4020_0800, "unchanged"),
        (Kind::First, 0x4020_0800, 0, "unchanged"),
    ] {
        let output = run(Cpu::A57, kind, 0, Action::Call(number, argument));
        assert!(
            output.contains(&format!("ANSWER {answer}\n")),
            "{kind:?}: {output}"
        );
        assert_kept(&output, 1);
    }
}
