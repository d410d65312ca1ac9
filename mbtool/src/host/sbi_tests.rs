use super::*;
use crate::fdt::DeviceTree;
use crate::sys::testing::put;

const LOG: &str = "\
6,0,0,-;Linux version 6.12.117+deb13-riscv64\n\
6,5,0,-;SBI specification v2.0 detected\n\
6,6,0,-;SBI implementation ID=0x3 Version=0x60c75\n\
6,7,0,-;SBI TIME extension detected\n";

const SYMBOLS: &str = "\
0000000000000000 T _start\n\
0000000000000000 T machine_kexec\n\
0000000000000000 t riscv_kexec_relocate\n\
0000000000000000 T riscv_kexec_norelocate\n";

/// A tree with `compatible` strings of nodes, which are made.
fn tree(nodes: &[(&str, &str)]) -> Vec<u8> {
    let mut tree = DeviceTree::default();
    for (path, compatible) in nodes {
        let parts = path.split('/').filter(|part| !part.is_empty());
        let node = parts.fold(&mut tree.root, |node, part| node.child_or_new(part));
        node.set_string("compatible", compatible);
    }
    tree.write().unwrap()
}

fn machine(log: &str, nodes: &[(&str, &str)], symbols: &str) -> Option<SbiFacts> {
    let root = tempfile::tempdir().unwrap();
    put(
        root.path(),
        "proc/cpuinfo",
        "processor\t: 0\nhart\t\t: 0\nisa\t\t: rv64imafdch\n",
    );
    put(root.path(), "dev/kmsg", log);
    put(root.path(), "sys/firmware/fdt", tree(nodes));
    put(root.path(), "proc/kallsyms", symbols);
    SbiFacts::read(root.path())
}

const VIRT: (&str, &str) = ("", "riscv-virtio");
const OPENSBI: (&str, &str) = ("reserved-memory/mmode_resv0@80000000", "");
const KVM: SbiImplementation = SbiImplementation {
    id: 3,
    version: 0x60c75,
};

#[test]
fn a_guest_of_kvm_without_trampoline_does_not_survive() {
    let facts = machine(LOG, &[VIRT], SYMBOLS).unwrap();
    let expected = SbiFacts {
        implementation: Some(KVM),
        sign: Some(SbiSign::Virtual),
        trampoline: Some(false),
    };
    assert_eq!(facts, expected);
    assert_eq!(facts.outlook(), KexecOutlook::EndsVcpu);
    // the log has lost its start, and the tree says it
    let late = "6,900,0,-;usb 1-1: new device\n";
    let facts = machine(late, &[VIRT, ("hypervisor", "linux,kvm")], SYMBOLS).unwrap();
    assert_eq!(facts.implementation, None);
    assert_eq!(facts.outlook(), KexecOutlook::EndsVcpu);
    // no symbols of the kernel
    let facts = machine(LOG, &[VIRT], "").unwrap();
    assert_eq!(facts.trampoline, None);
    assert_eq!(facts.outlook(), KexecOutlook::Unknown(KexecDoubt::Symbols));
}

#[test]
fn a_trampoline_is_found_by_parts_of_its_name() {
    for symbol in [
        "kexec_tramp_satp",
        "riscv_kexec_relocate_entry",
        "__kexec_trampoline_start",
        "riscv_tramp_kexec",
    ] {
        let symbols = format!("{SYMBOLS}0000000000000000 d {symbol}\n");
        let facts = machine(LOG, &[VIRT], &symbols).unwrap();
        assert_eq!(facts.trampoline, Some(true), "{symbol}");
        assert_eq!(facts.outlook(), KexecOutlook::Survives);
    }
    for symbol in [
        "trampoline_pg_dir",
        "kexec_in_progress",
        "ftrace_trampoline",
    ] {
        let symbols = format!("{SYMBOLS}0000000000000000 d {symbol}\n");
        let facts = machine(LOG, &[VIRT], &symbols).unwrap();
        assert_eq!(facts.trampoline, Some(false), "{symbol}");
    }
}

#[test]
fn firmware_in_machine_mode_needs_no_trampoline() {
    let log = LOG.replace("ID=0x3 Version=0x60c75", "ID=0x1 Version=0x10006");
    let facts = machine(&log, &[VIRT, OPENSBI], SYMBOLS).unwrap();
    assert_eq!(facts.sign, Some(SbiSign::MachineMode));
    assert_eq!(facts.trampoline, None);
    assert_eq!(facts.outlook(), KexecOutlook::Survives);
    assert_eq!(facts.implementation.unwrap().to_string(), "OpenSBI 1.6");
    // only the tree tells
    let facts = machine("", &[VIRT, OPENSBI], SYMBOLS).unwrap();
    assert_eq!(facts.outlook(), KexecOutlook::Survives);
    // a board without any sign
    let facts = machine("", &[("", "sifive,hifive-unleashed-a00")], SYMBOLS).unwrap();
    assert_eq!((facts.implementation, facts.sign), (None, None));
    assert_eq!(facts.outlook(), KexecOutlook::Survives);
}

#[test]
fn what_cannot_be_told_is_no_refusal() {
    let facts = machine("", &[VIRT], SYMBOLS).unwrap();
    assert_eq!(facts.outlook(), KexecOutlook::Unknown(KexecDoubt::Virtual));
    let facts = machine("", &[("hypervisor", "xen,xen-4.20")], SYMBOLS).unwrap();
    let doubt = KexecOutlook::Unknown(KexecDoubt::Hypervisor);
    assert_eq!(facts.outlook(), doubt);
    for (id, expected) in [
        (2, doubt),
        (7, doubt),
        (11, doubt),
        (4, KexecOutlook::Survives),
    ] {
        let log = LOG.replace("ID=0x3", &format!("ID={id:#x}"));
        let facts = machine(&log, &[VIRT], SYMBOLS).unwrap();
        assert_eq!(facts.outlook(), expected, "{id}");
    }
    // an unknown implementation on a machine that only exists emulated
    let log = LOG.replace("ID=0x3", "ID=0x99");
    let facts = machine(&log, &[VIRT], SYMBOLS).unwrap();
    assert_eq!(facts.outlook(), KexecOutlook::Unknown(KexecDoubt::Virtual));
}

#[test]
fn versions_are_printed_as_their_implementation_means_them() {
    for (id, version, expected) in [
        (1, 0x10001, "OpenSBI 1.1"),
        (3, 0x60c75, "KVM of Linux 6.12.117"),
        (4, 0x400, "RustSBI, version 0x400"),
        (0x99, 1, "implementation 0x99, version 0x1"),
    ] {
        assert_eq!(SbiImplementation { id, version }.to_string(), expected);
    }
}

#[test]
fn damaged_sources_are_no_facts() {
    for line in [
        "SBI implementation ID=",
        "SBI implementation ID=0x1",
        "SBI implementation ID=one Version=0x1",
        "SBI implementation ID=0x1 Version=",
        "SBI implementation ID=0x1\n Version=0x1",
    ] {
        assert_eq!(SbiImplementation::parse(line), None, "{line}");
    }
    let root = tempfile::tempdir().unwrap();
    assert_eq!(SbiFacts::read(root.path()), None);
    put(root.path(), "proc/cpuinfo", "isa\t: rv64imafdc\n");
    put(
        root.path(),
        "sys/firmware/fdt",
        [0xd0, 0x0d, 0xfe, 0xed, 0, 0],
    );
    assert_eq!(SbiFacts::read(root.path()), Some(SbiFacts::default()));
    put(
        root.path(),
        "proc/cpuinfo",
        "model name\t: rv64\nisa\t: mips1\n",
    );
    assert_eq!(SbiFacts::read(root.path()), None);
}
