//! Calls of `handoff::hyp` on arm, in QEMU without firmware: stubs of several kernel versions, and
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

/// Numbers of occupants in payload/arm/occupants.S.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    First,
    V4_12,
    V5_7,
    ZImage,
    KvmLike,
    NotSupported,
    AlwaysError,
    Ignores,
    Garbage,
    GarbageEverywhere,
    WrongSuccess,
    /// None: the payload stays where QEMU starts it.
    Stay,
}

/// A machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Modes {
    /// Started in HYP mode.
    Hyp,
    /// No HYP mode: PSCI by `hvc`.
    Svc,
    /// Secure state: no HYP mode there, and no firmware.
    Secure,
}

/// What the payload does.
#[derive(Clone, Copy, Debug)]
enum Action {
    Probe,
    Restart,
    Call(u64, u64),
    ProbeAndRestart,
}

/// Calls are undefined; QEMU is ended by semihosting.
const DISABLED: u64 = 1;
/// Translation on in SVC mode, in HYP mode.
const TRANSLATED: u64 = 2;
const HYP_TRANSLATED: u64 = 4;

/// The state of a target that a restart entered.
const ARRIVED: &str =
    "TARGET level 0x1a mmu 0 caches 0 masks 0x1c0 r0 0xaa00 r1 0xbb11 r2 0xcc22 vhe 0\n";
/// The state after a call that returned: all is as before.
const KEPT: &str = "AFTER level 0x13 kept 1 vectors 1 masks 0x1c0\n";

fn run(modes: Modes, kind: Kind, flags: u64, action: Action) -> String {
    static PAYLOAD: LazyLock<PathBuf> =
        LazyLock::new(|| payload::payload(CrossTarget::Armhf, "arm"));
    let mut qemu = qemu::arm().unwrap();
    let machine = match modes {
        Modes::Hyp => "virt,virtualization=on",
        Modes::Svc => "virt",
        Modes::Secure => "virt,secure=on",
    };
    if modes == Modes::Secure {
        qemu.args(["-semihosting-config", "enable=on,target=native"]);
    }
    qemu.args(["-M", machine, "-cpu", "cortex-a15"]);
    let occupant = match kind {
        Kind::Stay => u64::MAX,
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
        "{modes:?} {kind:?}: {output}"
    );
    output
}

#[test]
fn a_restart_arrives_from_every_stub() {
    for kind in [Kind::V4_12, Kind::V5_7, Kind::ZImage] {
        for flags in [0, TRANSLATED, TRANSLATED | HYP_TRANSLATED] {
            let output = run(Modes::Hyp, kind, flags, Action::Restart);
            assert!(output.contains("CALLER level 0x13\n"), "{output}");
            assert!(output.contains(ARRIVED), "{kind:?} {flags}: {output}");
        }
    }
}

#[test]
fn a_restart_arrives_from_a_hypervisor_that_knows_only_the_restart_and_the_reset() {
    for flags in [HYP_TRANSLATED, TRANSLATED | HYP_TRANSLATED] {
        let output = run(Modes::Hyp, Kind::KvmLike, flags, Action::ProbeAndRestart);
        assert!(output.contains("VERDICT kvm\n"), "{output}");
        assert!(output.contains(ARRIVED), "{output}");
    }
}

#[test]
fn a_restart_in_hyp_mode_needs_no_call() {
    for flags in [0, HYP_TRANSLATED] {
        let output = run(Modes::Hyp, Kind::Stay, flags, Action::Restart);
        assert!(output.contains("CALLER level 0x1a\n"), "{output}");
        assert!(output.contains(ARRIVED), "{output}");
    }
}

#[test]
fn a_foreign_occupant_gets_a_report_and_no_register_is_relied_on() {
    for (kind, answer) in [
        (Kind::NotSupported, "not-supported"),
        (Kind::AlwaysError, "stub-error"),
        (Kind::Ignores, "unchanged"),
        (Kind::Garbage, "other 0x5a5a1234"),
        (Kind::GarbageEverywhere, "other 0x5a5a1234"),
        (Kind::WrongSuccess, "success"),
    ] {
        for flags in [0, TRANSLATED] {
            let output = run(Modes::Hyp, kind, flags, Action::Restart);
            assert!(
                output.contains(&format!("FAILED {answer}\n")),
                "{kind:?} {flags}: {output}"
            );
            assert!(!output.contains("TARGET"), "{kind:?}: {output}");
            assert!(output.contains(KEPT), "{kind:?}: {output}");
        }
    }
}

#[test]
fn without_hyp_a_restart_is_reported() {
    let output = run(Modes::Svc, Kind::Stay, 0, Action::ProbeAndRestart);
    assert!(output.contains("START level 0x13\n"), "{output}");
    assert!(output.contains("VERDICT conduit\n"), "{output}");
    assert!(output.contains("FAILED not-supported\n"), "{output}");
    assert!(output.contains(KEPT), "{output}");
}

#[test]
fn disabled_calls_are_undefined_and_reported() {
    for flags in [DISABLED, DISABLED | TRANSLATED] {
        let output = run(Modes::Secure, Kind::Stay, flags, Action::ProbeAndRestart);
        assert!(output.contains("REPLY small exception 0x1 at "), "{output}");
        assert!(output.contains("VERDICT absent\n"), "{output}");
        assert!(output.contains("FAILED undefined\n"), "{output}");
        assert!(output.contains(KEPT), "{output}");
    }
}

#[test]
fn occupants_are_recognized() {
    for (kind, verdict) in [
        (Kind::V4_12, "stub"),
        (Kind::V5_7, "stub"),
        (Kind::ZImage, "stub"),
        (Kind::KvmLike, "kvm"),
        (Kind::NotSupported, "conduit"),
        (Kind::Garbage, "foreign"),
        (Kind::GarbageEverywhere, "foreign"),
        (Kind::WrongSuccess, "foreign"),
        (Kind::Ignores, "ignores"),
    ] {
        let output = run(Modes::Hyp, kind, 0, Action::Probe);
        assert!(
            output.contains(&format!("VERDICT {verdict}\n")),
            "{kind:?}: {output}"
        );
        assert!(output.contains(KEPT), "{kind:?}: {output}");
    }
}

#[test]
fn every_call_of_every_version_answers_as_the_table_says() {
    let error = format!("REPLY call r0 {STUB_ERROR:#x} ");
    for (kind, number, expected) in [
        (Kind::First, 0xffff_ffff, "REPLY call r0 0x402"),
        (Kind::First, 0x4020_0800, "ANSWER unchanged\n"),
        (Kind::V4_12, 2, "REPLY call r0 0x0 "),
        (Kind::V4_12, 3, &error),
        (Kind::V5_7, 0, &error),
        (Kind::V5_7, 2, &error),
        (Kind::V5_7, 3, &error),
        (Kind::ZImage, 2, &error),
        (Kind::KvmLike, 0, &error),
        (Kind::KvmLike, 2, "REPLY call r0 0x0 "),
        (Kind::KvmLike, 3, "REPLY call r0 0xffffffff "),
    ] {
        let output = run(Modes::Hyp, kind, 0, Action::Call(number, 0));
        assert!(output.contains(expected), "{kind:?} {number}: {output}");
        assert!(output.contains(KEPT), "{kind:?}: {output}");
    }
    for kind in [Kind::V4_12, Kind::ZImage] {
        let output = run(Modes::Hyp, kind, 0, Action::Call(0, 0x4020_0800));
        assert!(output.contains("ANSWER unchanged\n"), "{output}");
    }
}
