//! Checks of the platform, and of conditions that prevent any load.

use super::machine::LoadAnswer;
use super::{Check, CheckState, CheckedMachine};
use crate::backend::BackendError;
use crate::backend::explain::denials;
use crate::backend::xen::XenError;
use crate::backend::{arm, vcpu};
use crate::host::hypervisor::Hypervisor;
use crate::host::kallsyms;
use crate::host::kernel_config::KernelConfig;
use crate::host::kexec_state::Lockdown;
use crate::probe::defects::{self as probe, Certainty, DefectKind};
use crate::sys::file;

/// The system call's symbol, by architecture.
const KEXEC_LOAD: [&str; 4] = [
    "__x64_sys_kexec_load",
    "__riscv_sys_kexec_load",
    "__arm64_sys_kexec_load",
    "sys_kexec_load",
];

pub(super) fn checks(machine: &CheckedMachine) -> Vec<Check> {
    let mut checks = vec![system(machine)];
    if machine.status.backend.is_none() {
        // nothing can be loaded from this domain: other checks are irrelevant
        return checks;
    }
    checks.push(rights(machine));
    if machine.under_xen() {
        checks.push(xen(machine));
    } else {
        checks.push(kexec(machine));
        checks.push(sysctls(machine));
        checks.extend(trampoline(machine));
        checks.extend(protected(machine));
        checks.extend(defects(machine));
    }
    checks.push(lockdown(machine));
    checks
}

/// Checks the hypervisor.
fn system(machine: &CheckedMachine) -> Check {
    const ID: &str = "system";
    let hypervisor = machine.status.kernel.hypervisor;
    let refused =
        [&machine.ready_crash, &machine.ready]
            .into_iter()
            .find_map(|ready| match ready {
                Err(
                    err @ (BackendError::XenGuest { .. }
                    | BackendError::XenOnArm { .. }
                    | BackendError::Xen(XenError::NotDom0 { .. })),
                ) => Some(err),
                _ => None,
            });
    if let Some(err) = refused {
        let state = match hypervisor {
            Hypervisor::XenUnknown => CheckState::Unknown,
            _ => CheckState::Problem,
        };
        return Check::error(ID, state, err);
    }
    let release = machine
        .release()
        .map_or_else(String::new, |release| format!(", Linux {release}"));
    let firmware = machine.status.firmware_text();
    let through = if machine.under_xen() {
        "Xen's kexec hypercall"
    } else {
        "kexec_load(2)"
    };
    let found = format!(
        "{hypervisor}{release}, {firmware}{}; images are loaded through {through}",
        virtual_machine(machine)
    );
    Check::ok(ID, found)
}

/// Returns the machine's name under other hypervisors than Xen.
fn virtual_machine(machine: &CheckedMachine) -> String {
    let info = machine.file("proc/cpuinfo").unwrap_or_default();
    let flags = info.lines().find(|line| line.starts_with("flags"));
    let flagged = flags.is_some_and(|line| line.split_whitespace().any(|w| w == "hypervisor"));
    if !flagged || machine.status.kernel.hypervisor != Hypervisor::Bare {
        return String::new();
    }
    let names = ["sys_vendor", "product_name"];
    let names = names.map(|name| machine.file(&format!("sys/class/dmi/id/{name}")));
    let names: Vec<String> = names.into_iter().flatten().collect();
    match names.is_empty() {
        true => ", a virtual machine".to_owned(),
        false => format!(", a virtual machine ({})", file::excerpt(&names.join(", "))),
    }
}

/// Checks the privileges of this process.
fn rights(machine: &CheckedMachine) -> Check {
    const ID: &str = "rights";
    let kernel = &machine.status.kernel;
    let missing = match machine.under_xen() {
        true => (kernel.cap_sys_admin == Some(false)).then(|| XenError::NotRoot.into()),
        false => denials(kernel, true)
            .into_iter()
            .find(|err| matches!(err, BackendError::NotRoot)),
    };
    match missing {
        // the machine itself is not at fault
        Some(err) => Check::error(ID, CheckState::Unknown, &err),
        None => Check::ok(ID, "this process may load, and sees what root sees"),
    }
}

/// Checks for the system call.
fn kexec(machine: &CheckedMachine) -> Check {
    const ID: &str = "kexec";
    let kernel = &machine.status.kernel;
    if !kernel.kexec {
        return Check::error(ID, CheckState::Problem, &BackendError::NoKexec);
    }
    match system_call(machine) {
        Some((true, source)) => Check::ok(ID, format!("kexec_load(2) is there ({source})")),
        Some((false, source)) => {
            let check = Check::error(ID, CheckState::Problem, &BackendError::NoSyscall);
            Check {
                found: format!("{} ({source})", check.found),
                ..check
            }
        }
        None => Check::unknown(
            ID,
            "the kernel has kexec; neither its configuration (/proc/config.gz, /boot/config-*) nor \
             /proc/kallsyms shows whether that includes kexec_load(2)",
        ),
    }
}

/// Returns whether the kernel has kexec_load(2), and the source. It is not
/// called, as a call counts against kernel.kexec_load_limit_*.
fn system_call(machine: &CheckedMachine) -> Option<(bool, String)> {
    let release = machine.release().unwrap_or_default();
    if let Some(config) = KernelConfig::read(&machine.root, &release) {
        let has = config.has("CONFIG_KEXEC");
        let said = if has { "=y" } else { " is not set" };
        return Some((has, format!("CONFIG_KEXEC{said} in {}", config.path)));
    }
    // a kernel without it has a weak symbol instead
    let has = kallsyms::find(&machine.root, |kind, name| {
        let known = KEXEC_LOAD.iter().any(|known| known.as_bytes() == name);
        known.then_some(matches!(kind, b'T' | b't'))
    })?;
    Some((has, "/proc/kallsyms".to_owned()))
}

/// Checks whether the VCPU survives a kexec; only on riscv64.
fn trampoline(machine: &CheckedMachine) -> Option<Check> {
    const ID: &str = "trampoline";
    let sbi = machine.host()?.sbi?;
    Some(match vcpu::check(Some(&sbi), false) {
        Err(error) => Check::error(ID, CheckState::Problem, &error),
        Ok(Some(doubt)) => Check::unknown(ID, doubt),
        Ok(None) if sbi.trampoline == Some(true) => Check::ok(
            ID,
            "the kernel leaves a virtual machine by its kexec trampoline",
        ),
        Ok(None) => Check::ok(ID, "no hypervisor is known to be below: none is needed"),
    })
}

/// Lists what else is known to stop a kexec, a line for each.
fn defects(machine: &CheckedMachine) -> Vec<Check> {
    let Some(host) = machine.host() else {
        return Vec::new();
    };
    let listed = probe::defects(host).into_iter();
    // others have lines of their own
    let listed = listed.filter(|defect| {
        !matches!(
            defect.kind,
            DefectKind::ProtectedKvm | DefectKind::XenOnArm | DefectKind::EndsVcpu
        )
    });
    let checks = listed.map(|defect| {
        let state = match defect.certainty {
            Certainty::Known => CheckState::Problem,
            Certainty::Possible => CheckState::Warning,
        };
        Check {
            id: defect.kind.id(),
            state,
            found: defect.to_string(),
            fix: (!defect.remedy.is_empty()).then(|| defect.remedy.to_owned()),
        }
    });
    checks.collect()
}

/// Checks whether KVM keeps EL2; only on ARM.
fn protected(machine: &CheckedMachine) -> Option<Check> {
    const ID: &str = "exception-level";
    let facts = machine.host()?.arm?;
    let level = match facts.level {
        Some(level) => format!("the kernel was started at {level}"),
        None => "the kernel's log does not show at which level it was started".to_owned(),
    };
    Some(match arm::check(Some(&facts), false, false) {
        Err(error) => Check::error(ID, CheckState::Problem, &error),
        Ok(_) if facts.level.is_none() => Check::unknown(ID, level),
        Ok(_) => Check::ok(ID, level),
    })
}

/// Checks the sysctls. An image that was loaded before kexec was disabled stays
/// loaded.
fn sysctls(machine: &CheckedMachine) -> Check {
    const ID: &str = "sysctl";
    let kernel = &machine.status.kernel;
    let mut denied = denials(kernel, true);
    denied.extend(denials(kernel, false));
    let switched = |err: &&BackendError| {
        matches!(
            err,
            BackendError::LoadDisabled | BackendError::LimitUsedUp { .. }
        )
    };
    let Some(err) = denied.iter().find(switched) else {
        let left = |limit: Option<i64>| match limit {
            None | Some(..=-1) => "no limit".to_owned(),
            Some(left) => format!("{left} left"),
        };
        return Check::ok(
            ID,
            format!(
                "kernel.kexec_load_disabled is 0; loads of images: {}, of crash images: {}",
                left(kernel.kexec_load_limit_reboot),
                left(kernel.kexec_load_limit_panic)
            ),
        );
    };
    if kernel.crash_loaded == Some(true) {
        let check = Check::error(ID, CheckState::Warning, err);
        let found = format!("{}; the crash image that is loaded stays", check.found);
        return Check { found, ..check };
    }
    Check::error(ID, CheckState::Problem, err)
}

fn lockdown(machine: &CheckedMachine) -> Check {
    const ID: &str = "lockdown";
    let kernel = &machine.status.kernel;
    let secure = kernel.secure_boot.or_else(|| {
        let told = machine.host()?.boot_facts.secure_boot;
        (told > 1).then_some(told == 3)
    });
    let secure = match secure {
        Some(true) => "; Secure Boot is on",
        Some(false) => "; Secure Boot is off",
        None => "",
    };
    if kernel.lockdown_hidden {
        return Check::unknown(
            ID,
            format!("/sys/kernel/security is not mounted, or not to be read{secure}"),
        )
        .fix("mount -t securityfs securityfs /sys/kernel/security");
    }
    if machine.under_xen() && kernel.lockdown != Lockdown::None {
        return Check::warning(
            ID,
            format!(
                "dom0's kernel is locked down ([{}]){secure}; Xen, which loads, is not asked by \
                 that, but not all that is read here may be readable",
                kernel.lockdown
            ),
        );
    }
    let denied = denials(kernel, true);
    match denied
        .iter()
        .find(|err| matches!(err, BackendError::Lockdown { .. }))
    {
        Some(err) => Check::error(ID, CheckState::Problem, err),
        None => Check::ok(ID, format!("none{secure}")),
    }
}

/// Checks Xen's kexec.
fn xen(machine: &CheckedMachine) -> Check {
    const ID: &str = "xen";
    fn unasked(ready: &LoadAnswer) -> Option<&BackendError> {
        match ready {
            // what other checks tell
            Err(BackendError::Xen(
                XenError::NotDom0 { .. }
                | XenError::NotRoot
                | XenError::NoCrashArea
                | XenError::NotToFree { .. },
            ))
            | Ok(_) => None,
            Err(err) => Some(err),
        }
    }
    let refused = [&machine.ready_crash, &machine.ready]
        .into_iter()
        .find_map(unasked);
    let kexec = machine.status.xen_kexec.as_ref();
    let version = kexec.and_then(|xen| xen.version.as_deref());
    let mounted = machine.root.join("proc/xen/capabilities").exists();
    let xenfs = if mounted {
        ""
    } else {
        "; xenfs is not mounted, which only other tools need"
    };
    match (refused, version) {
        (Some(err), _) => Check::error(ID, CheckState::Problem, err),
        (None, None) => Check::unknown(ID, "Xen was not queried: that needs root")
            .fix("run mbtool doctor as root"),
        (None, Some(version)) => {
            let heap = kexec.and_then(|xen| xen.heap_free);
            let heap = heap.map_or_else(String::new, |heap| {
                format!(", {} MiB of its heap are free", heap >> 20)
            });
            Check::ok(
                ID,
                format!("Xen {version} answers, and has kexec{heap}{xenfs}"),
            )
        }
    }
}

#[cfg(test)]
#[path = "system_tests.rs"]
mod tests;
