//! Checks of crash triggers, and of the behavior of a crash without a crash
//! image.
//!
//! Sysctls: Linux, Documentation/admin-guide/sysctl/kernel.rst; parameters of
//! Xen: docs/misc/xen-command-line.

use super::{Check, CheckedMachine};
use crate::plan::crash::xen::cmdline::no_reboot;
use xen_shim::cmdline::Cmdline;

/// Bit of kernel.sysrq that permits a crash by keyboard (`SysRq c`).
const SYSRQ_DUMP: i64 = 8;

pub(super) fn checks(machine: &CheckedMachine) -> Vec<Check> {
    if machine.status.backend.is_none() {
        return Vec::new();
    }
    let mut checks = vec![
        panic(machine),
        oops(machine),
        hangs(machine),
        sysrq(machine),
        notifiers(machine),
    ];
    if machine.under_xen() {
        checks.push(xen(machine));
    }
    checks
}

/// kernel.panic: action after a panic without a crash image.
fn panic(machine: &CheckedMachine) -> Check {
    const ID: &str = "panic";
    match machine.sysctl("kernel/panic") {
        None => Check::unknown(ID, "kernel.panic cannot be read"),
        // Linux reboots at once in that case, which notifies Xen
        Some(now @ ..=0) if machine.under_xen() => Check::ok(
            ID,
            format!("kernel.panic is {now}: Xen is notified of a panic of dom0 at once"),
        ),
        Some(0) => Check::warning(
            ID,
            "kernel.panic is 0: a panic without a crash image, or one that does not start, hangs \
             the machine",
        )
        .fix("sysctl kernel.panic=10 (and in /etc/sysctl.d, or panic=10 on the command line)"),
        Some(seconds @ 1..) if machine.under_xen() => Check::ok(
            ID,
            format!(
                "kernel.panic is {seconds}: Xen is notified of a panic of dom0 after {seconds} s"
            ),
        ),
        Some(seconds) => Check::ok(
            ID,
            format!("kernel.panic is {seconds}: a panic without a crash image reboots"),
        ),
    }
}

/// kernel.panic_on_oops.
fn oops(machine: &CheckedMachine) -> Check {
    const ID: &str = "oops";
    match machine.sysctl("kernel/panic_on_oops") {
        None => Check::unknown(ID, "kernel.panic_on_oops cannot be read"),
        Some(0) => Check::warning(
            ID,
            "kernel.panic_on_oops is 0: after an oops in process context the kernel continues, \
             and there is no dump of it",
        )
        .fix("sysctl kernel.panic_on_oops=1 (and in /etc/sysctl.d, or oops=panic on the command line)"),
        Some(_) => Check::ok(ID, "kernel.panic_on_oops is 1: an oops is a crash"),
    }
}

/// Detectors of hangs, and whether they crash; a choice, not a fault.
fn hangs(machine: &CheckedMachine) -> Check {
    const NAMES: [&str; 5] = [
        "softlockup_panic",
        "hardlockup_panic",
        "hung_task_panic",
        "unknown_nmi_panic",
        "panic_on_io_nmi",
    ];
    let values = NAMES.map(|name| match machine.sysctl(&format!("kernel/{name}")) {
        Some(value) => format!("{name} {value}"),
        None => format!("no {name}"),
    });
    Check::ok(
        "hangs",
        format!(
            "{} (1: crashes, which makes a dump; set with sysctl kernel.NAME=1)",
            values.join(", ")
        ),
    )
}

/// Commands that crash deliberately.
fn sysrq(machine: &CheckedMachine) -> Check {
    let trigger = "echo c > /proc/sysrq-trigger crashes, for a test";
    let keys = match machine.sysctl("kernel/sysrq") {
        None => "the kernel has no SysRq".to_owned(),
        Some(1) => format!("kernel.sysrq is 1; {trigger}"),
        Some(mask) if mask & SYSRQ_DUMP != 0 => format!("kernel.sysrq is {mask}; {trigger}"),
        Some(mask) => format!(
            "kernel.sysrq is {mask}: the keys SysRq c do nothing on a console of a machine that \
             hangs (sysctl kernel.sysrq=1); {trigger}"
        ),
    };
    Check::ok("sysrq", keys)
}

/// crash_kexec_post_notifiers: other code runs before the crash kernel.
fn notifiers(machine: &CheckedMachine) -> Check {
    const ID: &str = "notifiers";
    match machine.file("sys/module/kernel/parameters/crash_kexec_post_notifiers") {
        None => Check::ok(ID, "no crash_kexec_post_notifiers in this kernel"),
        Some(value) if value == "Y" => Check::warning(
            ID,
            "crash_kexec_post_notifiers is on: the panic notifiers of drivers run before the crash \
             kernel, and can hang in broken code or devices",
        )
        .fix("echo N > /sys/module/kernel/parameters/crash_kexec_post_notifiers"),
        Some(_) => Check::ok(
            ID,
            "crash_kexec_post_notifiers is off: nothing runs before the crash kernel",
        ),
    }
}

/// Xen's parameters about a crash.
fn xen(machine: &CheckedMachine) -> Check {
    const ID: &str = "xen-panic";
    let line = machine.status.xen_kexec.as_ref();
    let Some(line) = line.and_then(|xen| xen.command_line.as_deref()) else {
        return Check::unknown(ID, "Xen's command line is unknown");
    };
    let parameters = Cmdline::xen(line);
    let watchdog = match parameters.named("watchdog").next() {
        Some(parameter) => format!("{parameter}: a CPU of Xen that hangs is a crash"),
        None => {
            "no watchdog on Xen's command line: a Xen that hangs makes no dump (parameter watchdog \
             makes it crash)"
                .to_owned()
        }
    };
    match no_reboot(line) {
        Some(parameter) => Check::warning(
            ID,
            format!(
                "{parameter} on Xen's command line: a crash without a crash image, or one that does not \
                 start, hangs the machine; {watchdog}"
            ),
        )
        .fix(format!("take {parameter} off Xen's command line")),
        None => Check::ok(
            ID,
            format!("a crash of Xen without a crash image reboots; {watchdog}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::xen::status::XenKexec;
    use crate::doctor::CheckState;
    use crate::doctor::testing::Recorded;
    use crate::host::hypervisor::Hypervisor;

    #[test]
    fn a_panic_must_not_hang() {
        let recorded = Recorded::new();
        for (value, state, part) in [
            ("0\n", CheckState::Warning, "hangs the machine"),
            ("10\n", CheckState::Ok, "is 10"),
            ("-1\n", CheckState::Ok, "is -1"),
            ("x\n", CheckState::Unknown, "cannot be read"),
        ] {
            recorded.put("proc/sys/kernel/panic", value);
            let check = panic(&recorded.machine());
            assert_eq!(check.state, state, "{value}");
            assert!(check.found.contains(part), "{check:?}");
        }
        recorded.put("proc/sys/kernel/panic", "0\n");
        let mut machine = recorded.machine();
        machine.status.kernel.hypervisor = Hypervisor::XenPvDom0;
        assert_eq!(panic(&machine).state, CheckState::Ok);
    }

    #[test]
    fn an_oops_that_continues_is_a_warning() {
        let recorded = Recorded::new();
        recorded.put("proc/sys/kernel/panic_on_oops", "0\n");
        let check = oops(&recorded.machine());
        assert_eq!(check.state, CheckState::Warning);
        assert!(check.fix.unwrap().contains("panic_on_oops=1"));
        recorded.put("proc/sys/kernel/panic_on_oops", "1\n");
        assert_eq!(oops(&recorded.machine()).state, CheckState::Ok);
        recorded.remove("proc/sys/kernel/panic_on_oops");
        assert_eq!(oops(&recorded.machine()).state, CheckState::Unknown);
    }

    #[test]
    fn hang_detectors_and_sysrq_are_reported() {
        let recorded = Recorded::new();
        recorded.put("proc/sys/kernel/softlockup_panic", "1\n");
        let check = hangs(&recorded.machine());
        assert_eq!(check.state, CheckState::Ok);
        assert!(
            check
                .found
                .starts_with("softlockup_panic 1, no hardlockup_panic")
        );
        for (value, part) in [("1\n", "is 1;"), ("438\n", "do nothing"), ("8", "is 8;")] {
            recorded.put("proc/sys/kernel/sysrq", value);
            let check = sysrq(&recorded.machine());
            assert!(check.found.contains(part), "{check:?}");
        }
    }

    #[test]
    fn notifiers_before_the_crash_kernel_are_a_risk() {
        let recorded = Recorded::new();
        let path = "sys/module/kernel/parameters/crash_kexec_post_notifiers";
        recorded.put(path, "N\n");
        assert_eq!(notifiers(&recorded.machine()).state, CheckState::Ok);
        recorded.put(path, "Y\n");
        let check = notifiers(&recorded.machine());
        assert_eq!(check.state, CheckState::Warning);
        assert!(check.fix.unwrap().contains(path));
    }

    #[test]
    fn parameters_of_xen() {
        let recorded = Recorded::new();
        let mut machine = recorded.machine();
        assert_eq!(xen(&machine).state, CheckState::Unknown);
        for (line, state, part) in [
            ("console=com1 noreboot", CheckState::Warning, "noreboot"),
            ("reboot=n,cold", CheckState::Warning, "reboot=n,cold"),
            ("noreboot=0 reboot=a", CheckState::Ok, "no watchdog"),
            ("watchdog=force", CheckState::Ok, "watchdog=force: a CPU"),
            ("watchdog_timeout=5", CheckState::Ok, "no watchdog"),
        ] {
            machine.status.xen_kexec = Some(XenKexec {
                command_line: Some(line.to_owned()),
                ..XenKexec::default()
            });
            let check = xen(&machine);
            assert_eq!(check.state, state, "{line}");
            assert!(check.found.contains(part), "{check:?}");
        }
    }
}
