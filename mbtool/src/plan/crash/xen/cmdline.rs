//! Command lines of a crash Xen, and of its dom0.

use crate::plan::crash::cmdline::{self, CrashCmdline};
use crate::sys::kernel_cmdline;

/// Parameters that keep Xen from starting CPUs other than its own.
const ONE_CPU: [&str; 2] = ["nosmp", "maxcpus=1"];

/// Number of CPUs that dom0 can use while it saves a dump. Each takes memory of
/// the region, of dom0 and of every driver that has a queue for it.
pub const DOM0_CPUS: usize = 4;

/// Returns `given` for Xen on a machine with `cpus` CPUs.
///
/// With `one_cpu`, Xen cannot be kept from starting the boot CPU, which resets
/// the machine if the crash was on another CPU. Xen must then start no CPU at
/// all. With machine checks enabled it would start CPUs even with `nosmp`, to
/// park them.
#[must_use]
pub fn xen_line(given: &str, one_cpu: bool, cpus: usize) -> CrashCmdline {
    let (mut kept, mut messages) = cmdline::without(given, &["crashkernel="], "Xen's");
    // parameters after "--" are not Xen's own
    let own = kept.iter().position(|parameter| parameter == "--");
    let own = own.unwrap_or(kept.len());
    let has = |kept: &[String], of: &[&str]| {
        kept[..own]
            .iter()
            .any(|parameter| of.contains(&parameter.as_str()))
    };
    let asked = has(&kept, &ONE_CPU);
    let limited = kept[..own]
        .iter()
        .any(|parameter| parameter.starts_with("dom0_max_vcpus="));
    if asked || one_cpu {
        let mut added = Vec::new();
        if !asked {
            added.push("nosmp");
        }
        if !has(&kept, &["mce=0", "mce=off", "mce=no", "no-mce"]) {
            added.push("mce=0");
        }
        if !added.is_empty() {
            messages.push(format!(
                "added {} to Xen's command line: it would reset the machine when the crash was not \
                 on the CPU that firmware started",
                added.join(" ")
            ));
        }
        kept.splice(0..0, added.into_iter().map(str::to_owned));
    }
    if cpus > DOM0_CPUS && !limited {
        let parameter = format!("dom0_max_vcpus={DOM0_CPUS}");
        messages.push(format!(
            "added {parameter} to Xen's command line: each of dom0's CPUs uses memory of the crash \
             region"
        ));
        kept.insert(0, parameter);
    }
    CrashCmdline {
        text: kept.join(" "),
        messages,
    }
}

/// True when `line` requests a PVH dom0 (Xen, docs/misc/xen-command-line:
/// `dom0=`); the last such parameter applies.
#[must_use]
pub fn asks_for_pvh(line: &str) -> bool {
    let parameters = kernel_cmdline::split(line);
    let own = parameters
        .into_iter()
        .take_while(|parameter| *parameter != "--");
    let items = own
        .filter_map(|parameter| parameter.strip_prefix("dom0="))
        .flat_map(|list| list.split(','));
    let says = |item: &str| match item {
        "pvh" | "no-pv" => Some(true),
        "pv" | "no-pvh" => Some(false),
        _ => None,
    };
    items.filter_map(says).last().unwrap_or(false)
}

/// Returns `given` for dom0, with the core header at `elfcorehdr`, below 4 GiB.
/// The length does not depend on the address.
#[must_use]
pub fn dom0_line(given: &str, elfcorehdr: u64) -> CrashCmdline {
    cmdline::with_header(given, elfcorehdr, "dom0's")
}

/// Returns the parameter that keeps Xen from rebooting after a failure, if
/// present (Xen, docs/misc/xen-command-line: `noreboot`, `reboot=no`).
#[must_use]
pub fn no_reboot(line: &str) -> Option<&str> {
    let parameters = kernel_cmdline::split(line);
    let last = parameters.into_iter().rfind(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        name == "noreboot" || name == "reboot" && value.starts_with('n')
    })?;
    let off = matches!(
        last.split_once('='),
        Some(("noreboot", "0" | "no" | "off" | "false" | "disable"))
    );
    (!off).then_some(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noreboot_is_found() {
        assert_eq!(no_reboot("console=com1 noreboot"), Some("noreboot"));
        assert_eq!(no_reboot("noreboot=yes"), Some("noreboot=yes"));
        assert_eq!(no_reboot("reboot=no,warm"), Some("reboot=no,warm"));
        assert_eq!(no_reboot("noreboot noreboot=off"), None);
        assert_eq!(no_reboot("reboot=acpi noreboots"), None);
    }

    #[test]
    fn one_cpu_is_used_only_if_needed_or_requested() {
        let line = xen_line("com1=115200 crashkernel=64M console=com1", false, 4);
        assert_eq!(line.text, "com1=115200 console=com1");
        assert_eq!(line.messages.len(), 1);
        assert_eq!(
            line.messages[0],
            "crashkernel=64M is removed from Xen's command line"
        );
        let line = xen_line("console=com1 -- nosmp", true, 1);
        assert_eq!(line.text, "nosmp mce=0 console=com1 -- nosmp");
        assert!(line.messages[0].contains("nosmp mce=0"));
        assert_eq!(xen_line("maxcpus=1", false, 2).text, "mce=0 maxcpus=1");
        let line = xen_line("nosmp mce=0", true, 4);
        assert_eq!(
            (line.text.as_str(), line.messages.len()),
            ("nosmp mce=0", 0)
        );
    }

    #[test]
    fn the_number_of_dom0_cpus_is_limited_unless_given() {
        let line = xen_line("console=com1 -- dom0_max_vcpus=9", false, 64);
        assert_eq!(
            line.text,
            "dom0_max_vcpus=4 console=com1 -- dom0_max_vcpus=9"
        );
        assert!(line.messages[0].contains("dom0_max_vcpus=4"));
        for given in ["dom0_max_vcpus=64", "dom0_max_vcpus=1-8 console=com1"] {
            assert_eq!(xen_line(given, false, 64).text, given);
        }
    }

    #[test]
    fn a_pvh_dom0_is_detected() {
        for line in ["dom0=pvh", "a dom0=verbose,pvh b", "dom0=pv dom0=pvh"] {
            assert!(asks_for_pvh(line), "{line}");
        }
        for line in [
            "",
            "dom0=pv",
            "dom0=pvh dom0=pv",
            "-- dom0=pvh",
            "dom0=shadow",
        ] {
            assert!(!asks_for_pvh(line), "{line}");
        }
    }

    #[test]
    fn dom0_gets_elfcorehdr_and_no_advice_on_cpus() {
        let line = dom0_line("console=hvc0 elfcorehdr=1", 0x8e10_0000);
        assert_eq!(line.text, "elfcorehdr=0x8e100000 console=hvc0");
        assert_eq!(
            line.messages,
            ["elfcorehdr=1 is removed from dom0's command line"]
        );
    }
}
