//! What runs below, and what the kernel refuses whatever the image.

use super::machine::Ready;
use super::{Check, Machine, State};
use crate::backend::BackendError;
use crate::backend::explain::denials;
use crate::backend::xen::XenError;
use crate::decompress::decompress;
use crate::host::hypervisor::Hypervisor;
use crate::host::kexec_state::Lockdown;
use crate::sys::file;
use crate::sys::text;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};

/// Most bytes of /proc/kallsyms that are looked through; some 20 MB are usual.
const SYMBOLS: u64 = 128 << 20;

pub(super) fn checks(machine: &Machine) -> Vec<Check> {
    let mut checks = vec![system(machine)];
    if machine.status.backend.is_none() {
        // a domain from which nothing is loaded: the rest is beside the point
        return checks;
    }
    checks.push(rights(machine));
    if machine.under_xen() {
        checks.push(xen(machine));
    } else {
        checks.push(kexec(machine));
        checks.push(sysctls(machine));
    }
    checks.push(lockdown(machine));
    checks
}

/// Who we run under.
fn system(machine: &Machine) -> Check {
    const ID: &str = "system";
    let hypervisor = machine.status.kernel.hypervisor;
    let refused =
        [&machine.ready_crash, &machine.ready]
            .into_iter()
            .find_map(|ready| match ready {
                Err(
                    err @ (BackendError::XenGuest { .. }
                    | BackendError::Xen(XenError::NotDom0 { .. })),
                ) => Some(err),
                _ => None,
            });
    if let Some(err) = refused {
        let state = match hypervisor {
            Hypervisor::XenUnknown => State::Unknown,
            _ => State::Problem,
        };
        return Check::of(ID, state, err);
    }
    let release = machine
        .release()
        .map_or_else(String::new, |release| format!(", Linux {release}"));
    let firmware = match machine.status.firmware {
        "efi" => "UEFI",
        _ => "BIOS",
    };
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

/// The machine's name, where a hypervisor that is not Xen shows.
fn virtual_machine(machine: &Machine) -> String {
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
        false => format!(", a virtual machine ({})", text::cut(&names.join(", "))),
    }
}

/// Whether this process sees all, and may load.
fn rights(machine: &Machine) -> Check {
    const ID: &str = "rights";
    let kernel = &machine.status.kernel;
    let missing = match machine.under_xen() {
        true => (kernel.cap_sys_admin == Some(false)).then(|| XenError::NotRoot.to_string()),
        false => denials(kernel, true)
            .iter()
            .find(|err| matches!(err, BackendError::NotRoot))
            .map(ToString::to_string),
    };
    match missing {
        // nothing is wrong with the machine
        Some(text) => Check::of(ID, State::Unknown, &text),
        None => Check::ok(ID, "this process may load, and sees what root sees"),
    }
}

/// The system call.
fn kexec(machine: &Machine) -> Check {
    const ID: &str = "kexec";
    let kernel = &machine.status.kernel;
    if !kernel.kexec {
        return Check::of(ID, State::Problem, &BackendError::NoKexec);
    }
    match system_call(machine) {
        Some((true, source)) => Check::ok(ID, format!("kexec_load(2) is there ({source})")),
        Some((false, source)) => {
            let check = Check::of(ID, State::Problem, &BackendError::NoSyscall);
            Check {
                found: format!("{} ({source})", check.found),
                ..check
            }
        }
        None => Check::unknown(
            ID,
            "the kernel has kexec; neither its configuration (/proc/config.gz, /boot/config-*) nor \
             /proc/kallsyms tells whether that includes kexec_load(2)",
        ),
    }
}

/// Whether the kernel has kexec_load(2), and who says so. It is not called: a
/// call counts against kernel.kexec_load_limit_*.
fn system_call(machine: &Machine) -> Option<(bool, String)> {
    let release = machine.release().unwrap_or_default();
    let paths = [
        "proc/config.gz".to_owned(),
        format!("boot/config-{release}"),
        format!("lib/modules/{release}/config"),
        format!("usr/lib/modules/{release}/config"),
    ];
    for path in paths {
        let bytes = file::read_bytes(&machine.root.join(&path), file::LISTING);
        let Some(plain) = bytes.ok().and_then(|bytes| decompress(bytes, &path).ok()) else {
            continue;
        };
        let lines = String::from_utf8_lossy(&plain.bytes);
        let has = lines.lines().any(|line| line == "CONFIG_KEXEC=y");
        let said = if has { "=y" } else { " is not set" };
        return Some((has, format!("CONFIG_KEXEC{said} in /{path}")));
    }
    // a kernel without it has a weak symbol in its place
    let file = File::open(machine.root.join("proc/kallsyms")).ok()?;
    let lines = BufReader::new(file.take(SYMBOLS)).split(b'\n');
    for line in lines.map_while(Result::ok) {
        let Some(rest) = line.strip_suffix(b" __x64_sys_kexec_load") else {
            continue;
        };
        let kind = rest.last();
        let has = kind.is_some_and(|kind| matches!(kind, b'T' | b't'));
        return Some((has, "/proc/kallsyms".to_owned()));
    }
    None
}

/// What the administrator switched off. Switched off after a crash image was
/// loaded, that one stays.
fn sysctls(machine: &Machine) -> Check {
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
        let check = Check::of(ID, State::Warning, err);
        let found = format!("{}; the crash image that is loaded stays", check.found);
        return Check { found, ..check };
    }
    Check::of(ID, State::Problem, err)
}

fn lockdown(machine: &Machine) -> Check {
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
        Some(err) => Check::of(ID, State::Problem, err),
        None => Check::ok(ID, format!("none{secure}")),
    }
}

/// The way to Xen, and its kexec.
fn xen(machine: &Machine) -> Check {
    const ID: &str = "xen";
    let unasked = |ready: &Ready| match ready {
        // what other checks tell
        Err(BackendError::Xen(
            XenError::NotDom0 { .. }
            | XenError::NotRoot
            | XenError::NoCrashArea
            | XenError::NotToFree { .. },
        ))
        | Ok(_) => None,
        Err(err) => Some(err.to_string()),
    };
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
        (Some(text), _) => Check::of(ID, State::Problem, &text),
        (None, None) => Check::unknown(ID, "Xen was not asked: that takes root")
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
mod tests {
    use super::*;
    use crate::backend::xen::status::XenKexec;
    use crate::doctor::testing::Recorded;
    use std::io::Write;
    use xen_shim::hypercall::HypercallError;

    fn find(machine: &Machine, id: &str) -> Check {
        let checks = checks(machine);
        let found = checks.iter().find(|check| check.id == id);
        found
            .unwrap_or_else(|| panic!("no {id}: {checks:?}"))
            .clone()
    }

    /// A PV dom0 whose Xen answers.
    fn dom0() -> (Recorded, Machine) {
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
    fn a_machine_on_which_nothing_is_wrong() {
        let recorded = Recorded::new();
        let machine = recorded.machine();
        for check in checks(&machine) {
            assert_eq!(check.state, State::Ok, "{check:?}");
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
            assert_eq!((all[0].id, all[0].state), ("system", State::Problem));
            assert!(all[0].fix.as_ref().unwrap().contains(part), "{all:?}");
            // nothing else is looked at
            assert_eq!(crate::doctor::examine(&machine).checks.len(), 1);
        }
        recorded.put("sys/hypervisor/guest_type", "HVM\n");
        recorded.put("proc/xen/capabilities", "\n");
        assert_eq!(find(&recorded.machine(), "system").state, State::Ok);
    }

    #[test]
    fn without_rights_little_is_known() {
        let recorded = Recorded::new();
        recorded.put("proc/self/status", "CapEff:\t0\n");
        let check = find(&recorded.machine(), "rights");
        assert_eq!(check.state, State::Unknown);
        assert_eq!(check.fix.as_deref(), Some("run mbtool as root"));
        let (_, mut machine) = dom0();
        machine.status.kernel.cap_sys_admin = Some(false);
        assert_eq!(find(&machine, "rights").state, State::Unknown);
    }

    #[test]
    fn the_system_call_is_looked_for_and_not_called() {
        let recorded = Recorded::new();
        let kexec = || find(&recorded.machine(), "kexec");
        assert_eq!(kexec().found, "kexec_load(2) is there (/proc/kallsyms)");
        recorded.put("proc/kallsyms", "0 W __x64_sys_kexec_load\n");
        let check = kexec();
        assert_eq!(check.state, State::Problem);
        assert!(check.found.contains("kexec_file_load(2)"), "{check:?}");
        assert_eq!(
            check.fix.as_deref(),
            Some("boot a kernel with CONFIG_KEXEC")
        );
        recorded.put("proc/kallsyms", [0xff; 100]);
        assert_eq!(kexec().state, State::Unknown);
        recorded.put("boot/config-6.1.0-50-amd64", "CONFIG_KEXEC_FILE=y\n");
        let check = kexec();
        assert_eq!(check.state, State::Problem);
        assert!(check.found.contains("in /boot/config-6.1.0-50-amd64"));
        // the running kernel's own comes first
        let mut gz = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
        gz.write_all(b"# x\nCONFIG_KEXEC=y\n").unwrap();
        recorded.put("proc/config.gz", gz.finish().unwrap());
        let expected = "kexec_load(2) is there (CONFIG_KEXEC=y in /proc/config.gz)";
        assert_eq!(kexec().found, expected);
        recorded.remove("sys/kernel/kexec_loaded");
        assert_eq!(kexec().fix.as_deref(), Some("boot one that has it"));
    }

    #[test]
    fn what_the_administrator_switched_off() {
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
        assert_eq!(check.state, State::Problem);
        assert!(check.found.contains("kexec_load_limit_panic is 0"));
        recorded.put("proc/sys/kernel/kexec_load_limit_panic", "-1\n");
        recorded.put("proc/sys/kernel/kexec_load_disabled", "1\n");
        let check = sysctl();
        assert_eq!(check.state, State::Problem);
        let fix = "remove it from /etc/sysctl.d and reboot";
        assert_eq!(check.fix.as_deref(), Some(fix));
        // a hardened machine
        recorded.put("sys/kernel/kexec_crash_loaded", "1\n");
        assert_eq!(sysctl().state, State::Warning);
        // other reasons are for other checks
        recorded.put("proc/sys/kernel/kexec_load_disabled", "0\n");
        recorded.put("proc/self/status", "CapEff:\t0\n");
        assert_eq!(sysctl().state, State::Ok);
    }

    #[test]
    fn lockdown_and_secure_boot() {
        let recorded = Recorded::new();
        let lockdown = || find(&recorded.machine(), "lockdown");
        let path = "sys/kernel/security/lockdown";
        recorded.put(path, "none [integrity] confidentiality\n");
        let check = lockdown();
        assert_eq!(check.state, State::Problem);
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
        assert_eq!(check.state, State::Unknown);
        assert!(check.fix.unwrap().starts_with("mount -t securityfs"));
        let (_, mut machine) = dom0();
        assert_eq!(find(&machine, "lockdown").state, State::Ok);
        machine.status.kernel.lockdown = Lockdown::Integrity;
        assert_eq!(find(&machine, "lockdown").state, State::Warning);
    }

    #[test]
    fn xen_is_asked() {
        let (recorded, mut machine) = dom0();
        let check = find(&machine, "xen");
        let expected = "Xen 4.20.4 answers, and has kexec, 100 MiB of its heap are free";
        assert_eq!((check.state, check.found.as_str()), (State::Ok, expected));
        // linux's own are not asked in dom0
        assert!(!checks(&machine).iter().any(|check| check.id == "kexec"));
        machine.ready_crash = Err(XenError::NoCrashArea.into());
        assert_eq!(find(&machine, "xen").state, State::Ok);
        machine.ready_crash = Err(XenError::from(HypercallError::NoDevice).into());
        let check = find(&machine, "xen");
        assert_eq!(check.state, State::Problem);
        let fix = "load the kernel module (`modprobe xen-privcmd`)";
        assert_eq!(check.fix.as_deref(), Some(fix));
        machine.ready_crash = Err(XenError::NotRoot.into());
        machine.ready = Err(XenError::NotRoot.into());
        machine.status.xen_kexec = Some(XenKexec::default());
        assert_eq!(find(&machine, "xen").state, State::Unknown);
        drop(recorded);
    }
}
