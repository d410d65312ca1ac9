use super::*;
use crate::sys::testing::put;

const ARM: &str = "processor\t: 0\nBogoMIPS\t: 125.00\nFeatures\t: fp\nCPU implementer\t: 0x41\n\
                   CPU architecture: 8\nCPU variant\t: 0x1\nCPU part\t: 0xd07\nCPU revision\t: 2\n";

fn arm(files: &[(&str, &str)]) -> ArmCpu {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "proc/cpuinfo", ARM);
    put(root.path(), "proc/sys/kernel/osrelease", "6.12.1-arm\n");
    for (path, text) in files {
        put(root.path(), path, text);
    }
    let facts = VirtFacts::read(root.path());
    assert_eq!((&facts.x86, facts.version()), (&None, Some((6, 12))));
    facts.arm.unwrap()
}

#[test]
fn the_cpu_is_named() {
    assert_eq!(arm(&[]).midr, Some(0x411f_d072));
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "proc/cpuinfo", "isa\t: rv64imafdc\n");
    let facts = VirtFacts::read(root.path());
    assert_eq!((facts.arm, facts.x86), (None, None));
}

#[test]
fn features_are_those_of_the_log() {
    let started = "6,2,0,-;CPU: All CPU(s) started at EL2\n";
    let vhe = "6,3,0,-;CPU features: detected: Virtualization Host Extensions\n";
    let lpa2 = "6,1,0,-;CPU features: detected: 52-bit Virtual Addressing (LPA2)\n";
    // of KVM only: the kernel's own tables are not affected
    let kvm = "6,1,0,-;CPU features: detected: 52-bit Virtual Addressing for KVM (LPA2)\n";
    for (log, expected) in [
        (String::new(), (None, None)),
        (started.to_owned(), (Some(false), Some(false))),
        (format!("{lpa2}{started}{vhe}"), (Some(true), Some(true))),
        (format!("{kvm}{started}"), (Some(false), Some(false))),
        (lpa2.to_owned(), (None, Some(true))),
    ] {
        let found = arm(&[("dev/kmsg", &log)]);
        assert_eq!((found.vhe, found.lpa2), expected, "{log}");
    }
}

#[test]
fn the_stub_is_one_of_the_symbols() {
    for (symbols, expected) in [
        ("", None),
        ("0 T _text\n0 t other\n", Some(false)),
        ("0 T _text\n0 t __hyp_stub_vectors\n", Some(true)),
    ] {
        assert_eq!(arm(&[("proc/kallsyms", symbols)]).stub, expected);
    }
}

#[test]
fn options_are_those_of_the_configuration() {
    let unknown = arm(&[]);
    assert_eq!((unknown.lpae, unknown.ttbr0_pan), (None, None));
    let text = "CONFIG_ARM_LPAE=y\n# CONFIG_CPU_TTBR0_PAN is not set\n";
    let known = arm(&[("boot/config-6.12.1-arm", text)]);
    assert_eq!((known.lpae, known.ttbr0_pan), (Some(true), Some(false)));
}

#[test]
fn flags_and_encryption_of_x86() {
    let root = tempfile::tempdir().unwrap();
    put(
        root.path(),
        "proc/cpuinfo",
        "processor\t: 0\nflags\t\t: fpu svm vmxx sev hypervisor\n",
    );
    put(
        root.path(),
        "dev/kmsg",
        "6,1,0,-;Memory Encryption Features active: AMD SEV SEV-ES\n6,2,0,-;x\n",
    );
    put(root.path(), "sys/module/kvm_amd/parameters/sev", "Y\n");
    let facts = VirtFacts::read(root.path());
    let x86 = facts.x86.unwrap();
    assert_eq!(x86.flags, ["svm", "sev", "hypervisor"]);
    assert_eq!(x86.encryption.as_deref(), Some("AMD SEV SEV-ES"));
    assert_eq!(x86.kvm_module.as_deref(), Some("kvm_amd"));
    assert_eq!((x86.signature, facts.arm), (None, None));
}

#[test]
fn versions_are_two_numbers() {
    for (release, expected) in [
        ("6.12.117+deb13-arm64", Some((6, 12))),
        ("7.2-rc1", Some((7, 2))),
        ("next", None),
        ("6", None),
    ] {
        let facts = VirtFacts {
            release: Some(release.to_owned()),
            ..VirtFacts::default()
        };
        assert_eq!(facts.version(), expected, "{release}");
    }
}
