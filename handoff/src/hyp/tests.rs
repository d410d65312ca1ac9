use super::answer::{HypAnswer, HypException, HypReply, HypVerdict};
use super::calls::{
    HypCall, HypNumber, HypValue, OLD_STUB_ERRORS, STUB_ERROR, UNKNOWN_LARGE, UNKNOWN_SMALL,
    clobbered,
};
use super::era::{HypArch, HypEra};
use super::occupant::HypOccupant;
use super::outcome::{HypOutcome, outcome, outcome_from, stub_calls};
use proptest::prelude::*;

const ARCHES: [HypArch; 2] = [HypArch::Arm32, HypArch::Arm64];

/// All-ones of the architecture's register.
const fn ones(arch: HypArch) -> u64 {
    match arch {
        HypArch::Arm32 => u32::MAX as u64,
        HypArch::Arm64 => u64::MAX,
    }
}

const fn reply(value: u64) -> HypReply {
    HypReply {
        registers: [value, 0, 0, 0],
        exception: None,
    }
}

const fn raised(syndrome: u64) -> HypReply {
    HypReply {
        registers: [0; 4],
        exception: Some(HypException { syndrome, pc: 0x40 }),
    }
}

/// What register 0 shows of an outcome that returns without losing control.
fn visible(arch: HypArch, outcome: HypOutcome, sent: u64) -> Option<HypReply> {
    Some(match outcome {
        HypOutcome::Done | HypOutcome::Value => reply(0),
        HypOutcome::DoneUnchanged | HypOutcome::BecomesVectors => reply(sent),
        HypOutcome::Error => reply(STUB_ERROR),
        HypOutcome::OldError => reply(OLD_STUB_ERRORS[1]),
        HypOutcome::NotSupported => reply(ones(arch)),
        HypOutcome::Undefined => raised(match arch {
            HypArch::Arm32 => 1,
            HypArch::Arm64 => 1 << 25,
        }),
        HypOutcome::VectorBase => reply(0x4000_0800),
        _ => return None,
    })
}

/// The verdict that a probe of an occupant comes to; `None` if a call is lost.
fn probed(arch: HypArch, era: HypEra, occupant: HypOccupant) -> Option<HypVerdict> {
    let ask = |call: HypCall, sent: u64| {
        let newest = *arch.eras().last().unwrap();
        let answered = outcome_from(arch, (newest, era), occupant, call)?;
        Some(HypAnswer::of(arch, sent, &visible(arch, answered, sent)?))
    };
    let small = ask(HypCall::Unknown, UNKNOWN_SMALL)?;
    let large = ask(HypCall::Unknown, UNKNOWN_LARGE)?;
    let zero = match small {
        HypAnswer::NotSupported => Some(ask(HypCall::SetVectors, 0)?),
        _ => None,
    };
    Some(HypVerdict::of(small, large, zero))
}

#[test]
fn versions_have_the_era_that_they_began() {
    for (arch, version, era) in [
        (HypArch::Arm64, (4, 4), HypEra::First),
        (HypArch::Arm64, (4, 11), HypEra::V4_7),
        (HypArch::Arm64, (5, 9), HypEra::V4_12),
        (HypArch::Arm64, (5, 10), HypEra::V5_10),
        (HypArch::Arm64, (5, 15), HypEra::V5_12),
        (HypArch::Arm64, (6, 12), HypEra::V6_0),
        (HypArch::Arm64, (7, 2), HypEra::V6_19),
        (HypArch::Arm32, (4, 9), HypEra::First),
        (HypArch::Arm32, (5, 6), HypEra::V4_12),
        (HypArch::Arm32, (6, 12), HypEra::V5_7),
    ] {
        assert_eq!(arch.era(version.0, version.1), era, "{arch:?} {version:?}");
    }
}

#[test]
fn numbers_are_those_of_the_headers() {
    use HypCall::{FinaliseEl2, GetIchVtr, GetVectors, ResetVectors, SetVectors, SoftRestart};
    let number = |call: HypCall, arch, era| match call.number(arch, era) {
        Some(HypNumber::Number(number)) => Some(number),
        Some(HypNumber::Argument) => Some(0xa),
        None => None,
    };
    let calls = [
        GetVectors,
        SetVectors,
        SoftRestart,
        ResetVectors,
        FinaliseEl2,
        GetIchVtr,
    ];
    for (arch, era, expected) in [
        (
            HypArch::Arm64,
            HypEra::First,
            [Some(0), Some(0xa), None, None, None, None],
        ),
        (
            HypArch::Arm64,
            HypEra::V4_7,
            [Some(0), Some(1), Some(2), None, None, None],
        ),
        (
            HypArch::Arm64,
            HypEra::V4_12,
            [None, Some(0), Some(1), Some(2), None, None],
        ),
        (
            HypArch::Arm64,
            HypEra::V5_12,
            [None, Some(0), Some(1), Some(2), Some(3), None],
        ),
        (
            HypArch::Arm64,
            HypEra::V6_0,
            [None, Some(0), Some(1), Some(2), Some(3), None],
        ),
        (
            HypArch::Arm64,
            HypEra::V6_19,
            [None, Some(0), Some(1), Some(2), Some(3), Some(4)],
        ),
        (
            HypArch::Arm32,
            HypEra::First,
            [Some(0xffff_ffff), Some(0xa), None, None, None, None],
        ),
        (
            HypArch::Arm32,
            HypEra::V4_12,
            [None, Some(0), Some(1), Some(2), None, None],
        ),
        (
            HypArch::Arm32,
            HypEra::V5_7,
            [None, Some(0), Some(1), None, None, None],
        ),
    ] {
        assert_eq!(
            calls.map(|call| number(call, arch, era)),
            expected,
            "{arch:?} {era:?}"
        );
    }
}

#[test]
fn numbers_of_a_version_are_below_its_count() {
    for arch in ARCHES {
        for &era in arch.eras().iter().filter(|era| **era >= HypEra::V4_12) {
            for call in HypCall::ALL {
                let Some(HypNumber::Number(number)) = call.number(arch, era) else {
                    continue;
                };
                let counted = number < stub_calls(arch, era);
                assert_eq!(
                    counted,
                    call != HypCall::Unknown,
                    "{arch:?} {era:?} {call:?}"
                );
            }
        }
    }
}

#[test]
fn since_4_12_no_kernel_loses_control_to_its_own_stub_or_kvm() {
    for arch in ARCHES {
        for &era in arch.eras().iter().filter(|era| **era >= HypEra::V4_12) {
            for occupant in [HypOccupant::Stub, HypOccupant::Kvm] {
                for call in HypCall::ALL {
                    let found = outcome(arch, era, occupant, call);
                    let wild = found.is_some_and(HypOutcome::is_wild);
                    // a pointer to call is what kernels of these versions sent, and nothing else
                    let pointer = occupant == HypOccupant::Kvm
                        && era == HypEra::V4_12
                        && call == HypCall::Unknown;
                    assert_eq!(wild, pointer, "{arch:?} {era:?} {occupant:?} {call:?}");
                }
            }
        }
    }
}

#[test]
fn a_restart_arrives_from_the_stub_and_from_kvm_since_4_12_and_from_no_other() {
    for arch in ARCHES {
        for &era in arch.eras() {
            for occupant in HypOccupant::ALL {
                let found = outcome(arch, era, occupant, HypCall::SoftRestart);
                let expected = match occupant {
                    HypOccupant::Stub | HypOccupant::ZImage => era >= HypEra::V4_7,
                    HypOccupant::Kvm => era >= HypEra::V4_12,
                    HypOccupant::Pkvm => era < HypEra::V5_16,
                    _ => false,
                };
                let expected = expected && occupant.exists(arch, era);
                assert_eq!(
                    found == Some(HypOutcome::Restarts),
                    expected,
                    "{arch:?} {era:?} {occupant:?}"
                );
            }
        }
    }
}

#[test]
fn the_crash_of_2017() {
    // a restart of 4.8 to 4.11 with KVM's vectors installed jumps to 2
    let restart = |era, occupant| outcome(HypArch::Arm64, era, occupant, HypCall::SoftRestart);
    assert_eq!(
        restart(HypEra::V4_7, HypOccupant::Kvm),
        Some(HypOutcome::CallsPointer)
    );
    assert_eq!(
        restart(HypEra::V4_12, HypOccupant::Kvm),
        Some(HypOutcome::Restarts)
    );
    // numbers of 4.12 at a stub of the first version: the number becomes the vector base
    for arch in ARCHES {
        let old = outcome_from(
            arch,
            (HypEra::V4_12, HypEra::First),
            HypOccupant::Stub,
            HypCall::SoftRestart,
        );
        assert_eq!(old, Some(HypOutcome::BecomesVectors));
    }
}

#[test]
fn kvm_of_4_12_calls_an_unknown_number_as_a_pointer() {
    for (era, expected) in [
        (HypEra::V4_12, HypOutcome::CallsPointer),
        (HypEra::V5_10, HypOutcome::NotSupported),
        (HypEra::V6_19, HypOutcome::NotSupported),
    ] {
        let found = outcome(HypArch::Arm64, era, HypOccupant::Kvm, HypCall::Unknown);
        assert_eq!(found, Some(expected), "{era:?}");
    }
}

#[test]
fn protected_kvm_refuses_since_5_16() {
    for call in HypCall::ALL {
        for &era in HypArch::Arm64
            .eras()
            .iter()
            .filter(|era| **era >= HypEra::V5_16)
        {
            let found = outcome(HypArch::Arm64, era, HypOccupant::Pkvm, call);
            let expected = call
                .number(HypArch::Arm64, era)
                .map(|_| HypOutcome::NotSupported);
            assert_eq!(found, expected, "{era:?} {call:?}");
        }
    }
}

#[test]
fn probes_recognize_occupants() {
    use HypVerdict::{Absent, Conduit, Kvm, OldStub, Stub};
    let arm64 = HypArch::Arm64;
    for (era, occupant, verdict) in [
        (HypEra::V4_7, HypOccupant::Stub, Some(OldStub)),
        (HypEra::V4_12, HypOccupant::Stub, Some(Stub)),
        (HypEra::V6_19, HypOccupant::Stub, Some(Stub)),
        (HypEra::V4_12, HypOccupant::Kvm, None),
        (HypEra::V5_10, HypOccupant::Kvm, Some(Kvm)),
        (HypEra::V6_19, HypOccupant::Kvm, Some(Kvm)),
        (HypEra::V5_16, HypOccupant::Pkvm, Some(Conduit)),
        (HypEra::V6_0, HypOccupant::Conduit, Some(Conduit)),
        (HypEra::V6_0, HypOccupant::Absent, Some(Absent)),
        (HypEra::V6_0, HypOccupant::Vhe, None),
        // it ignores them, as far as can be seen
        (HypEra::First, HypOccupant::Stub, Some(HypVerdict::Ignores)),
    ] {
        assert_eq!(
            probed(arm64, era, occupant),
            verdict,
            "{era:?} {occupant:?}"
        );
    }
    let arm = HypArch::Arm32;
    assert_eq!(probed(arm, HypEra::V5_7, HypOccupant::Stub), Some(Stub));
    assert_eq!(
        probed(arm, HypEra::V5_7, HypOccupant::Conduit),
        Some(Conduit)
    );
    assert_eq!(probed(arm, HypEra::V5_7, HypOccupant::Absent), Some(Absent));
}

#[test]
fn a_verdict_says_that_a_restart_arrives_only_where_it_does() {
    for arch in ARCHES {
        for &era in arch.eras() {
            for occupant in HypOccupant::ALL.into_iter().filter(|o| o.exists(arch, era)) {
                let Some(verdict) = probed(arch, era, occupant) else {
                    continue;
                };
                let restart = outcome(arch, era, occupant, HypCall::SoftRestart);
                let numbered_1 =
                    HypCall::SoftRestart.number(arch, era) == Some(HypNumber::Number(1));
                let arrives = restart == Some(HypOutcome::Restarts) && numbered_1;
                assert_eq!(verdict.restarts(), arrives, "{arch:?} {era:?} {occupant:?}");
            }
        }
    }
}

#[test]
fn results_are_in_registers_that_may_change() {
    for arch in ARCHES {
        for &era in arch.eras() {
            let lost = clobbered(arch, era);
            for call in HypCall::ALL {
                let changed = call.outputs(era).iter().chain(call.inputs(arch, era));
                for (register, _) in changed {
                    assert_ne!(
                        lost & 1 << register,
                        0,
                        "{arch:?} {era:?} {call:?} {register}"
                    );
                }
            }
        }
    }
    let restart = HypCall::SoftRestart.inputs(HypArch::Arm64, HypEra::V4_12);
    assert_eq!(restart[0], (1, HypValue::Target));
    assert_eq!(restart.len(), 4);
    assert_ne!(clobbered(HypArch::Arm64, HypEra::V4_7) & 1 << 30, 0);
    assert_eq!(clobbered(HypArch::Arm64, HypEra::V4_12) & 1 << 30, 0);
}

#[test]
fn undefined_is_an_exception_of_its_own() {
    for (arch, syndrome, undefined) in [
        (HypArch::Arm64, 0x200_0000, true),
        (HypArch::Arm64, 0x5a00_0000, false), // hvc taken to the caller
        (HypArch::Arm64, 0x8600_0000, false), // instruction abort
        (HypArch::Arm32, 1, true),
        (HypArch::Arm32, 3, false),
    ] {
        let answer = HypAnswer::of(arch, 7, &raised(syndrome));
        assert_eq!(answer == HypAnswer::Undefined, undefined, "{syndrome:#x}");
    }
}

proptest! {
    #[test]
    fn every_value_has_one_meaning(value: u64, sent in 0_u64..0x8000, arm32: bool) {
        let arch = if arm32 { HypArch::Arm32 } else { HypArch::Arm64 };
        let value = value & ones(arch);
        let meaning = HypAnswer::of(arch, sent, &reply(value));
        let expected = match value {
            STUB_ERROR => HypAnswer::StubError,
            _ if value == u64::from(u32::MAX) || value == ones(arch) => HypAnswer::NotSupported,
            _ if value == sent => HypAnswer::Unchanged,
            0 => HypAnswer::Success,
            2 | 3 => HypAnswer::OldStubError,
            other => HypAnswer::Other(other),
        };
        prop_assert_eq!(meaning, expected);
    }

    #[test]
    fn garbage_is_never_taken_for_a_stub(small: u64, large: u64, arm32: bool) {
        let arch = if arm32 { HypArch::Arm32 } else { HypArch::Arm64 };
        let (small, large) = (small & ones(arch), large & ones(arch));
        let answers = (
            HypAnswer::of(arch, UNKNOWN_SMALL, &reply(small)),
            HypAnswer::of(arch, UNKNOWN_LARGE, &reply(large)),
        );
        let verdict = HypVerdict::of(answers.0, answers.1, None);
        prop_assert_eq!(verdict.restarts(), small == STUB_ERROR && large == STUB_ERROR);
    }

    #[test]
    fn other_registers_do_not_matter(registers: [u64; 3], value: u64) {
        let noisy = HypReply {
            registers: [value, registers[0], registers[1], registers[2]],
            exception: None,
        };
        let answer = HypAnswer::of(HypArch::Arm64, UNKNOWN_SMALL, &noisy);
        prop_assert_eq!(answer, HypAnswer::of(HypArch::Arm64, UNKNOWN_SMALL, &reply(value)));
    }
}
