use super::*;
use crate::arch::Architecture;
use crate::backend::status::FirmwareKind;
use crate::backend::xen::status::XenKexec;
use crate::doctor::testing::Recorded;
use crate::host::sbi::{SbiFacts, SbiImplementation, SbiSign};
use std::io::Write;
use xen_shim::hypercall::HypercallError;

fn find(machine: &CheckedMachine, id: &str) -> Check {
    let checks = checks(machine);
    let found = checks.iter().find(|check| check.id == id);
    found
        .unwrap_or_else(|| panic!("no {id}: {checks:?}"))
        .clone()
}

/// A PV dom0 with a fake Xen.
fn dom0() -> (Recorded, CheckedMachine) {
    let recorded = Recorded::new();
    recorded.put("proc/xen/capabilities", "control_d\n");
    let mut machine = recorded.machine();
    machine.status.xen_kexec = Some(XenKexec {
        version: Some("4.20.4".to_owned()),
        heap_free: Some(100 << 20),
        ..XenKexec::default()
    });
    (machine.ready, machine.ready_crash) = (Ok(vec![]), Ok(vec![]));
    (recorded, machine)
}

#[test]
fn a_machine_without_problems() {
    let recorded = Recorded::new();
    let machine = recorded.machine();
    for check in checks(&machine) {
        assert_eq!(check.state, CheckState::Ok, "{check:?}");
    }
    let system = find(&machine, "system").found;
    let expected = "bare Linux, Linux 6.1.0-50-amd64, BIOS; images are loaded through \
                        kexec_load(2)";
    assert_eq!(system, expected);
    recorded.put(
        "proc/cpuinfo",
        "processor\t: 0\nflags\t\t: fpu hypervisor\n",
    );
    recorded.put("sys/class/dmi/id/sys_vendor", "QEMU\n");
    let system = find(&recorded.machine(), "system").found;
    assert!(system.contains("a virtual machine (QEMU)"), "{system}");
}

#[test]
fn a_guest_of_xen_loads_nothing() {
    let recorded = Recorded::new();
    recorded.put("sys/hypervisor/type", "xen\n");
    for (kind, capabilities, part) in [
        ("PV\n", "\n", "run mbtool in dom0"),
        ("PVH\n", "control_d\n", "boot Xen without dom0=pvh"),
    ] {
        recorded.put("sys/hypervisor/guest_type", kind);
        recorded.put("proc/xen/capabilities", capabilities);
        let machine = recorded.machine();
        let all = checks(&machine);
        assert_eq!(all.len(), 1, "{all:?}");
        assert_eq!((all[0].id, all[0].state), ("system", CheckState::Problem));
        assert!(all[0].fix.as_ref().unwrap().contains(part), "{all:?}");
        // no other checks
        assert_eq!(crate::doctor::examine(&machine).checks.len(), 1);
    }
    recorded.put("sys/hypervisor/guest_type", "HVM\n");
    recorded.put("proc/xen/capabilities", "\n");
    assert_eq!(find(&recorded.machine(), "system").state, CheckState::Ok);
}

#[test]
fn without_privileges_results_are_unknown() {
    let recorded = Recorded::new();
    recorded.put("proc/self/status", "CapEff:\t0\n");
    let check = find(&recorded.machine(), "rights");
    assert_eq!(check.state, CheckState::Unknown);
    assert_eq!(check.fix.as_deref(), Some("run mbtool as root"));
    let (_, mut machine) = dom0();
    machine.status.kernel.cap_sys_admin = Some(false);
    assert_eq!(find(&machine, "rights").state, CheckState::Unknown);
}

#[test]
fn the_system_call_is_detected_without_a_call() {
    let recorded = Recorded::new();
    let kexec = || find(&recorded.machine(), "kexec");
    assert_eq!(kexec().found, "kexec_load(2) is there (/proc/kallsyms)");
    recorded.put("proc/kallsyms", "0 W __x64_sys_kexec_load\n");
    let check = kexec();
    assert_eq!(check.state, CheckState::Problem);
    assert!(check.found.contains("kexec_file_load(2)"), "{check:?}");
    assert_eq!(
        check.fix.as_deref(),
        Some("boot a kernel with CONFIG_KEXEC")
    );
    recorded.put("proc/kallsyms", [0xff; 100]);
    assert_eq!(kexec().state, CheckState::Unknown);
    recorded.put("boot/config-6.1.0-50-amd64", "CONFIG_KEXEC_FILE=y\n");
    let check = kexec();
    assert_eq!(check.state, CheckState::Problem);
    assert!(check.found.contains("in /boot/config-6.1.0-50-amd64"));
    // the running kernel's own configuration has priority
    let mut gz = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    gz.write_all(b"# x\nCONFIG_KEXEC=y\n").unwrap();
    recorded.put("proc/config.gz", gz.finish().unwrap());
    let expected = "kexec_load(2) is there (CONFIG_KEXEC=y in /proc/config.gz)";
    assert_eq!(kexec().found, expected);
    recorded.remove("sys/kernel/kexec_loaded");
    assert_eq!(
        kexec().fix.as_deref(),
        Some("boot a kernel with CONFIG_KEXEC")
    );
}

#[test]
fn disabled_by_sysctl() {
    let recorded = Recorded::new();
    let sysctl = || find(&recorded.machine(), "sysctl");
    recorded.put("proc/sys/kernel/kexec_load_limit_panic", "3\n");
    assert!(
        sysctl()
            .found
            .ends_with("no limit, of crash images: 3 left")
    );
    recorded.put("proc/sys/kernel/kexec_load_limit_panic", "0\n");
    let check = sysctl();
    assert_eq!(check.state, CheckState::Problem);
    assert!(check.found.contains("kexec_load_limit_panic is 0"));
    recorded.put("proc/sys/kernel/kexec_load_limit_panic", "-1\n");
    recorded.put("proc/sys/kernel/kexec_load_disabled", "1\n");
    let check = sysctl();
    assert_eq!(check.state, CheckState::Problem);
    let fix = "remove it from /etc/sysctl.d and reboot";
    assert_eq!(check.fix.as_deref(), Some(fix));
    // a hardened machine
    recorded.put("sys/kernel/kexec_crash_loaded", "1\n");
    assert_eq!(sysctl().state, CheckState::Warning);
    // other reasons belong to other checks
    recorded.put("proc/sys/kernel/kexec_load_disabled", "0\n");
    recorded.put("proc/self/status", "CapEff:\t0\n");
    assert_eq!(sysctl().state, CheckState::Ok);
}

#[test]
fn lockdown_and_secure_boot() {
    let recorded = Recorded::new();
    let lockdown = || find(&recorded.machine(), "lockdown");
    let path = "sys/kernel/security/lockdown";
    recorded.put(path, "none [integrity] confidentiality\n");
    let check = lockdown();
    assert_eq!(check.state, CheckState::Problem);
    assert!(
        check
            .found
            .contains("([integrity]): kexec_load(2) is refused")
    );
    assert!(check.fix.unwrap().starts_with("remove lockdown="));
    let name = "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
    let name = format!("sys/firmware/efi/efivars/{name}");
    recorded.put(&name, [6, 0, 0, 0, 1]);
    let check = lockdown();
    assert!(check.found.contains("with Secure Boot"), "{check:?}");
    assert!(check.fix.unwrap().contains("mokutil"));
    recorded.put(path, "[none] integrity confidentiality\n");
    let check = lockdown();
    assert_eq!(check.found, "none; Secure Boot is on");
    recorded.remove(path);
    let check = lockdown();
    assert_eq!(check.state, CheckState::Unknown);
    assert!(check.fix.unwrap().starts_with("mount -t securityfs"));
    let (_, mut machine) = dom0();
    assert_eq!(find(&machine, "lockdown").state, CheckState::Ok);
    machine.status.kernel.lockdown = Lockdown::Integrity;
    assert_eq!(find(&machine, "lockdown").state, CheckState::Warning);
}

#[test]
fn xen_is_queried() {
    let (recorded, mut machine) = dom0();
    let check = find(&machine, "xen");
    let expected = "Xen 4.20.4 answers, and has kexec, 100 MiB of its heap are free";
    assert_eq!(
        (check.state, check.found.as_str()),
        (CheckState::Ok, expected)
    );
    // checks of Linux's own kexec are skipped in dom0
    assert!(!checks(&machine).iter().any(|check| check.id == "kexec"));
    machine.ready_crash = Err(XenError::NoCrashArea.into());
    assert_eq!(find(&machine, "xen").state, CheckState::Ok);
    machine.ready_crash = Err(XenError::from(HypercallError::NoDevice).into());
    let check = find(&machine, "xen");
    assert_eq!(check.state, CheckState::Problem);
    let fix = "load the kernel module (`modprobe xen-privcmd`)";
    assert_eq!(check.fix.as_deref(), Some(fix));
    machine.ready_crash = Err(XenError::NotRoot.into());
    machine.ready = Err(XenError::NotRoot.into());
    machine.status.xen_kexec = Some(XenKexec::default());
    assert_eq!(find(&machine, "xen").state, CheckState::Unknown);
    drop(recorded);
}

/// The JSON of `doctor` has the statement and the remedy of an error in fields of their own.
#[test]
fn found_and_fix_of_each_refusal() {
    let recorded = Recorded::new();
    let both = |id: &str| {
        let check = find(&recorded.machine(), id);
        (check.found, check.fix.unwrap_or_default())
    };
    let pair = |found: &str, fix: &str| (found.to_owned(), fix.to_owned());
    recorded.put("proc/self/status", "CapEff:\t0\n");
    assert_eq!(
        both("rights"),
        pair(
            "kexec needs the capability CAP_SYS_BOOT, which this process does not have",
            "run mbtool as root"
        )
    );
    recorded.put("proc/kallsyms", "0 W __x64_sys_kexec_load\n");
    assert_eq!(
        both("kexec"),
        pair(
            "this kernel lacks the system call kexec_load(2): it was built without CONFIG_KEXEC (it \
             may have kexec_file_load(2), which takes Linux images only), or a seccomp filter hides \
             it (/proc/kallsyms)",
            "boot a kernel with CONFIG_KEXEC"
        )
    );
    recorded.put("proc/sys/kernel/kexec_load_limit_panic", "0\n");
    assert_eq!(
        both("sysctl"),
        pair(
            "the sysctl kernel.kexec_load_limit_panic is 0: no load is left of the permitted \
             number, and only a reboot resets the sysctl",
            "remove it from /etc/sysctl.d and reboot"
        )
    );
    let path = "sys/kernel/security/lockdown";
    recorded.put(path, "none [integrity] confidentiality\n");
    assert_eq!(
        both("lockdown"),
        pair(
            "kernel lockdown is on ([integrity]): kexec_load(2) is refused, because it does not \
             verify signatures",
            "remove lockdown= from the kernel command line (or CONFIG_LOCK_DOWN_KERNEL_FORCE_*) and \
             reboot"
        )
    );
    recorded.remove("sys/kernel/kexec_loaded");
    assert_eq!(
        both("kexec"),
        pair(
            "this kernel has no kexec (there is neither /sys/kernel/kexec/loaded nor \
             /sys/kernel/kexec_loaded): it was built without CONFIG_KEXEC",
            "boot a kernel with CONFIG_KEXEC"
        )
    );
    recorded.put("sys/hypervisor/type", "xen\n");
    recorded.put("sys/hypervisor/guest_type", "PV\n");
    recorded.put("proc/xen/capabilities", "\n");
    assert_eq!(
        both("system"),
        pair(
            "this Linux runs as Xen PV guest: kexec_load(2) would work on the guest's own \
             pseudo-physical memory, not on the machine's, and never replaces Xen",
            "run mbtool in dom0, or boot Linux without Xen to load from here"
        )
    );
    let (_recorded, mut machine) = dom0();
    machine.ready_crash = Err(XenError::from(HypercallError::NoDevice).into());
    let check = find(&machine, "xen");
    assert_eq!(
        (check.found, check.fix.unwrap_or_default()),
        pair(
            "no access to Xen: neither /dev/xen/privcmd nor /proc/xen/privcmd exists",
            "load the kernel module (`modprobe xen-privcmd`)"
        )
    );
    machine.status.kernel.cap_sys_admin = Some(false);
    let check = find(&machine, "rights");
    assert_eq!(
        (check.found, check.fix.unwrap_or_default()),
        pair(
            "loading through Xen needs root: this process lacks the capability CAP_SYS_ADMIN",
            "run mbtool as root in dom0"
        )
    );
}

#[test]
fn a_guest_on_riscv64_is_checked_for_a_trampoline() {
    let recorded = Recorded::new();
    let mut machine = recorded.machine();
    let checks = |machine: &CheckedMachine| {
        let report = crate::doctor::examine(machine);
        let state = |id: &str| report.check(id).map(|check| check.state);
        ["trampoline", "interrupts", "position"].map(state)
    };
    assert_eq!(checks(&machine)[0], None);
    machine.status.firmware = FirmwareKind::Sbi;
    for (id, trampoline, state, firmware) in [
        (1, None, CheckState::Ok, "SBI (OpenSBI 0.3)"),
        (3, Some(true), CheckState::Ok, "SBI (KVM of Linux 0.0.3)"),
        (
            3,
            Some(false),
            CheckState::Problem,
            "SBI (KVM of Linux 0.0.3)",
        ),
        (3, None, CheckState::Unknown, "SBI (KVM of Linux 0.0.3)"),
    ] {
        let host = machine.status.host.as_mut().unwrap();
        host.arch = Architecture::Riscv64;
        host.sbi = Some(SbiFacts {
            implementation: Some(SbiImplementation { id, version: 3 }),
            sign: Some(SbiSign::Virtual),
            trampoline,
        });
        assert_eq!(checks(&machine), [Some(state), None, None], "{id}");
        let system = system(&machine);
        assert!(system.found.contains(firmware), "{system:?}");
    }
}
