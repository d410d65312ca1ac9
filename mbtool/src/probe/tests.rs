use super::defects::{Certainty, DefectKind, DefectStage};
use super::entry::EntryLevel;
use super::*;
use crate::host::arm::{BootLevel, KvmMode};
use crate::host::sbi::SbiImplementation;
use crate::host::virt::VirtFacts;

/// A machine of ARM with a kernel of this release.
fn arm(level: Option<BootLevel>, kvm: Option<KvmMode>, release: &str, cpu: ArmCpu) -> Host {
    let arch = match level {
        Some(BootLevel::Hyp | BootLevel::Svc) => Architecture::Arm,
        _ => Architecture::Arm64,
    };
    Host {
        arch,
        arm: Some(ArmFacts {
            level,
            kvm,
            psci: None,
        }),
        virt: VirtFacts {
            release: Some(release.to_owned()),
            arm: Some(cpu),
            ..VirtFacts::default()
        },
        ..Host::default()
    }
}

fn found(host: &Host) -> Vec<(DefectKind, Certainty)> {
    let report = probe(host);
    let defects = report.defects.iter();
    defects.map(|d| (d.kind, d.certainty)).collect()
}

#[test]
fn levels_of_arm() {
    let cpu = |vhe| ArmCpu {
        vhe,
        ..ArmCpu::default()
    };
    let el2 = Some(BootLevel::El2);
    for (level, kvm, vhe, expected) in [
        (el2, Some(KvmMode::Nvhe), None, EntryLevel::El2),
        (el2, Some(KvmMode::Vhe), None, EntryLevel::El2Vhe),
        (el2, None, Some(true), EntryLevel::El2Vhe),
        (el2, None, Some(false), EntryLevel::El2),
        (el2, None, None, EntryLevel::El2Either),
        (Some(BootLevel::El1), None, None, EntryLevel::El1),
        (Some(BootLevel::Hyp), None, None, EntryLevel::Hyp),
        (Some(BootLevel::Svc), None, None, EntryLevel::Svc),
        (Some(BootLevel::Mixed), None, None, EntryLevel::Unknown),
        (None, None, None, EntryLevel::Unknown),
    ] {
        let report = probe(&arm(level, kvm, "6.12.1", cpu(vhe)));
        assert_eq!(report.entry.normal, expected, "{level:?} {kvm:?} {vhe:?}");
        assert_eq!(report.entry.crash, expected);
    }
}

#[test]
fn protected_kvm_refuses_an_image_and_a_crash_is_entered_at_el1() {
    let host = arm(
        Some(BootLevel::El2),
        Some(KvmMode::Protected),
        "6.12.1",
        ArmCpu::default(),
    );
    let report = probe(&host);
    assert_eq!(report.entry.normal, EntryLevel::Refused);
    assert_eq!(report.entry.crash, EntryLevel::El1);
    assert_eq!(found(&host), [(DefectKind::ProtectedKvm, Certainty::Known)]);
}

#[test]
fn defects_of_kernels_are_known_where_they_were_seen() {
    let lpa2 = ArmCpu {
        lpa2: Some(true),
        ..ArmCpu::default()
    };
    let pan = ArmCpu {
        lpae: Some(true),
        ttbr0_pan: Some(true),
        ..ArmCpu::default()
    };
    for (level, cpu, kind) in [
        (BootLevel::El2, lpa2, DefectKind::Lpa2),
        (BootLevel::Hyp, pan, DefectKind::Ttbr0Pan),
    ] {
        for (release, expected) in [
            ("6.12.117+deb13-arm64", Some(Certainty::Known)),
            ("6.18.1", Some(Certainty::Possible)),
            ("6.9", Some(Certainty::Possible)),
            ("7.2.13", None),
            ("8.0", None),
        ] {
            let expected: Vec<_> = expected.into_iter().map(|c| (kind, c)).collect();
            let host = arm(Some(level), None, release, cpu);
            assert_eq!(found(&host), expected, "{kind:?} {release}");
        }
    }
    for cpu in [
        ArmCpu::default(),
        ArmCpu {
            lpa2: Some(false),
            ..ArmCpu::default()
        },
        ArmCpu {
            lpae: Some(false),
            ..pan
        },
        ArmCpu {
            ttbr0_pan: Some(false),
            ..pan
        },
    ] {
        assert_eq!(found(&arm(None, None, "6.12.1", cpu)), []);
    }
}

#[test]
fn xen_on_arm_is_never_left() {
    for hypervisor in [Hypervisor::XenArmDom0, Hypervisor::XenArmGuest] {
        let mut host = arm(Some(BootLevel::El1), None, "6.12.1", ArmCpu::default());
        host.virt.hypervisor = hypervisor;
        let report = probe(&host);
        assert_eq!(report.entry.normal, EntryLevel::Refused);
        assert_eq!(found(&host), [(DefectKind::XenOnArm, Certainty::Known)]);
    }
}

#[test]
fn riscv64_is_judged_by_its_firmware() {
    let kvm = |trampoline| Host {
        arch: Architecture::Riscv64,
        sbi: Some(SbiFacts {
            implementation: Some(SbiImplementation {
                id: 3,
                version: 0x60c75,
            }),
            sign: None,
            trampoline,
        }),
        ..Host::default()
    };
    let ends = DefectKind::EndsVcpu;
    for (trampoline, level, defects) in [
        (Some(true), EntryLevel::Supervisor, vec![]),
        (
            Some(false),
            EntryLevel::EndsVcpu,
            vec![(ends, Certainty::Known)],
        ),
        (None, EntryLevel::Unknown, vec![(ends, Certainty::Possible)]),
    ] {
        let host = kvm(trampoline);
        assert_eq!(probe(&host).entry.normal, level);
        assert_eq!(found(&host), defects);
    }
}

#[test]
fn confidential_guests_of_x86() {
    for (encryption, flags, expected) in [
        (None, vec![], false),
        (Some("AMD SME"), vec!["sme", "sev"], false),
        (Some("AMD SEV SEV-ES SEV-SNP"), vec![], true),
        (Some("Intel TDX"), vec![], true),
        (None, vec!["tdx_guest"], true),
        (None, vec!["tdx_host_platform", "vmx"], false),
    ] {
        let host = Host {
            virt: VirtFacts {
                x86: Some(X86Virt {
                    flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
                    encryption: encryption.map(str::to_owned),
                    ..X86Virt::default()
                }),
                ..VirtFacts::default()
            },
            ..Host::default()
        };
        let report = probe(&host);
        assert_eq!(report.entry.crash, EntryLevel::LongMode);
        let kinds: Vec<_> = found(&host).into_iter().map(|(kind, _)| kind).collect();
        let wanted: Vec<_> = expected
            .then_some(DefectKind::EncryptedGuest)
            .into_iter()
            .collect();
        assert_eq!(kinds, wanted, "{encryption:?} {flags:?}");
    }
}

#[test]
fn the_document_has_names_of_its_own() {
    let lpa2 = ArmCpu {
        lpa2: Some(true),
        midr: Some(0x410f_d0c0),
        ..ArmCpu::default()
    };
    let host = arm(Some(BootLevel::El2), Some(KvmMode::Vhe), "6.12.1", lpa2);
    let json = serde_json::to_value(probe(&host)).unwrap();
    assert_eq!(json["format"], 1);
    assert_eq!(json["arch"], "arm64");
    assert_eq!(json["hypervisor"], "bare");
    assert_eq!(json["arm"]["level"], "el2");
    assert_eq!(json["arm"]["kvm"], "vhe");
    assert_eq!(json["arm"]["midr"], 0x410f_d0c0_u32);
    assert_eq!(json["arm"]["lpa2"], true);
    assert_eq!(json["entry"]["normal"], "el2-vhe");
    assert_eq!(json["defects"][0]["kind"], DefectKind::Lpa2.id());
    assert_eq!(json["defects"][0]["certainty"], "known");
    assert_eq!(json["defects"][0]["stage"], "load");
    assert!(json.get("sbi").is_none() && json.get("x86").is_none());
    let stage = probe(&host).defects[0].stage;
    assert_eq!(stage, DefectStage::Load);
}

#[test]
fn every_defect_has_the_name_of_its_json() {
    for kind in [
        DefectKind::Lpa2,
        DefectKind::Ttbr0Pan,
        DefectKind::ProtectedKvm,
        DefectKind::XenOnArm,
        DefectKind::MixedLevels,
        DefectKind::EndsVcpu,
        DefectKind::EncryptedGuest,
    ] {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.id());
    }
}
