use super::*;
use crate::fdt::DeviceTree;
use crate::sys::testing::put;

/// A machine with this log, command line and PSCI method in its device tree.
fn machine(log: &str, cmdline: &str, method: &str) -> Option<ArmFacts> {
    let root = tempfile::tempdir().unwrap();
    put(
        root.path(),
        "proc/cpuinfo",
        "processor\t: 0\nBogoMIPS\t: 125.00\nCPU implementer\t: 0x41\n",
    );
    let mut tree = DeviceTree::default();
    tree.root.child_or_new("psci").set_string("method", method);
    put(root.path(), "sys/firmware/fdt", tree.write().unwrap());
    put(root.path(), "dev/kmsg", log);
    put(root.path(), "proc/cmdline", cmdline);
    ArmFacts::read(root.path())
}

#[test]
fn level_and_mode_are_those_of_the_log() {
    const EL2: &str = "6,1,0,-;CPU: All CPU(s) started at EL2\n";
    let el2 = |line: &str| format!("{EL2}6,2,0,-;{line}\n");
    let (level, protected) = (Some(BootLevel::El2), Some(KvmMode::Protected));
    for (log, expected) in [
        (
            el2("kvm [1]: Hyp nVHE mode initialized successfully"),
            (level, Some(KvmMode::Nvhe)),
        ),
        (
            el2("kvm [1]: Hyp mode initialized successfully"),
            (level, Some(KvmMode::Nvhe)),
        ),
        (
            el2("kvm [1]: Hyp hVHE mode initialized successfully"),
            (level, Some(KvmMode::Nvhe)),
        ),
        (
            el2("kvm [1]: VHE mode initialized successfully"),
            (level, Some(KvmMode::Vhe)),
        ),
        (
            el2("kvm [1]: Protected nVHE mode initialized successfully"),
            (level, protected),
        ),
        (
            el2("kvm [1]: KVM disabled from command line"),
            (level, None),
        ),
        (
            "6,1,0,-;CPU: All CPU(s) started at EL1\n6,2,0,-;kvm [1]: HYP mode not available\n"
                .to_owned(),
            (Some(BootLevel::El1), None),
        ),
        (
            "4,1,0,-;CPU: CPUs started in inconsistent modes\n".to_owned(),
            (Some(BootLevel::Mixed), None),
        ),
        (
            "6,1,0,-;CPU: All CPU(s) started in HYP mode.\n".to_owned(),
            (Some(BootLevel::Hyp), None),
        ),
        (
            "6,1,0,-;CPU: All CPU(s) started in SVC mode.\n".to_owned(),
            (Some(BootLevel::Svc), None),
        ),
    ] {
        let facts = machine(&log, "quiet\n", "smc").unwrap();
        assert_eq!((facts.level, facts.kvm), expected, "{log}");
        assert_eq!(facts.psci, Some(PsciMethod::Smc));
        let reaches =
            expected.1 != protected && matches!(expected.0, Some(BootLevel::El2 | BootLevel::Hyp));
        assert_eq!(facts.may_reach_el2(), reaches, "{log}");
    }
}

#[test]
fn the_parameter_counts_where_the_log_is_lost() {
    let late = "6,900,0,-;usb 1-1: new device\n";
    let facts = machine(late, "quiet kvm-arm.mode=protected\n", "hvc").unwrap();
    let expected = ArmFacts {
        level: None,
        kvm: Some(KvmMode::Protected),
        psci: Some(PsciMethod::Hvc),
    };
    assert_eq!(facts, expected);
    assert!(!facts.may_reach_el2());
    let facts = machine(late, "quiet\n", "?").unwrap();
    assert_eq!(facts, ArmFacts::default());
    assert!(facts.may_reach_el2());
    // at EL1 the parameter has no effect, and the log shows that
    let log = "6,1,0,-;CPU: All CPU(s) started at EL1\n";
    let facts = machine(log, "kvm-arm.mode=protected\n", "hvc").unwrap();
    assert_eq!(facts.kvm, None);
}

#[test]
fn acpi_has_the_method_of_a_machine_without_a_tree() {
    for (flags, expected) in [
        (0_u8, None),
        (1, Some(PsciMethod::Smc)),
        (3, Some(PsciMethod::Hvc)),
        (2, None),
    ] {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), "proc/cpuinfo", "CPU implementer\t: 0x41\n");
        let mut fadt = vec![0; 276];
        fadt[129] = flags;
        put(root.path(), "sys/firmware/acpi/tables/FACP", fadt);
        assert_eq!(
            ArmFacts::read(root.path()).unwrap().psci,
            expected,
            "{flags}"
        );
    }
    let other = tempfile::tempdir().unwrap();
    put(other.path(), "proc/cpuinfo", "processor\t: 0\n");
    assert_eq!(ArmFacts::read(other.path()), None);
}
