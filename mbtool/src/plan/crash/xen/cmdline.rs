//! Command lines of a crash Xen, and of its dom0.

use crate::plan::cmdline_change::{CmdlineChange, LineOwner};
use crate::plan::crash::cmdline::{self, CrashCmdline};
use xen_shim::cmdline::{Cmdline, name, value};

/// Parameters that keep Xen from starting CPUs other than its own.
const ONE_CPU: [&str; 2] = ["nosmp", "maxcpus=1"];

/// Why.
const ONE_CPU_WHY: &str =
    "Xen would reset the machine when the crash was not on the CPU that firmware started";

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
    let mut line = Cmdline::xen(given);
    let mut changes = cmdline::without(&mut line, &["crashkernel"], LineOwner::Xen);
    let has = |line: &Cmdline, any: &[&str]| line.own().any(|parameter| any.contains(&parameter));
    let asked = has(&line, &ONE_CPU);
    let limited = line.value("dom0_max_vcpus").is_some();
    let add = |line: &mut Cmdline, parameters: Vec<&str>, why| -> Vec<CmdlineChange> {
        let parameters: Vec<String> = parameters.into_iter().map(str::to_owned).collect();
        let added =
            |parameter: &String| CmdlineChange::added(LineOwner::Xen, parameter.clone(), why);
        let changes = parameters.iter().map(added).collect();
        line.prepend(parameters);
        changes
    };
    if asked || one_cpu {
        let no_mce = ["mce=0", "mce=off", "mce=no", "no-mce"];
        let mce = !has(&line, &no_mce);
        // the last one would count
        let contrary = |parameter: &str| {
            let one = ONE_CPU.contains(&parameter) || no_mce.contains(&parameter);
            let about = ["nosmp", "maxcpus", "mce"].contains(&name(parameter));
            about && !one
        };
        for parameter in line.remove(contrary) {
            let removed = CmdlineChange::removed(LineOwner::Xen, parameter, ONE_CPU_WHY);
            changes.push(removed);
        }
        let missing = [(!asked).then_some("nosmp"), mce.then_some("mce=0")];
        changes.extend(add(
            &mut line,
            missing.into_iter().flatten().collect(),
            ONE_CPU_WHY,
        ));
    }
    if cpus > DOM0_CPUS && !limited {
        changes.extend(add(
            &mut line,
            vec![&format!("dom0_max_vcpus={DOM0_CPUS}")],
            "each of dom0's CPUs uses memory of the crash region",
        ));
    }
    CrashCmdline {
        text: line.to_string(),
        changes,
        advice: Vec::new(),
    }
}

/// True when `line` requests a PVH dom0 (Xen, docs/misc/xen-command-line:
/// `dom0=`); the last such parameter applies.
#[must_use]
pub fn asks_for_pvh(line: &str) -> bool {
    let line = Cmdline::xen(line);
    let says = |item: &str| match item {
        "pvh" | "no-pv" => Some(true),
        "pv" | "no-pvh" => Some(false),
        _ => None,
    };
    let items = line.values("dom0").flat_map(|list| list.split(','));
    items.filter_map(says).next_back().unwrap_or(false)
}

/// Returns `given` for dom0, with the core header at `elfcorehdr`, below 4 GiB.
/// The length does not depend on the address.
#[must_use]
pub fn dom0_line(given: &str, elfcorehdr: u64) -> CrashCmdline {
    cmdline::with_header(given, elfcorehdr, LineOwner::Dom0)
}

/// Returns the parameter that keeps Xen from rebooting after a failure, if
/// present (Xen, docs/misc/xen-command-line: `noreboot`, `reboot=no`).
#[must_use]
pub fn no_reboot(line: &str) -> Option<String> {
    let line = Cmdline::xen(line);
    let last = line.own().rfind(|parameter| {
        let no = value(parameter).is_some_and(|value| value.starts_with('n'));
        name(parameter) == "noreboot" || name(parameter) == "reboot" && no
    })?;
    let off = ["0", "no", "off", "false", "disable"].contains(&value(last).unwrap_or_default());
    (!(off && name(last) == "noreboot")).then(|| last.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::cmdline_change::CmdlineEdit;

    #[test]
    fn noreboot_is_found() {
        let no_reboot = |line| no_reboot(line).unwrap_or_default();
        assert_eq!(no_reboot("console=com1 noreboot"), "noreboot");
        assert_eq!(no_reboot("noreboot=yes"), "noreboot=yes");
        assert_eq!(no_reboot("reboot=no,warm"), "reboot=no,warm");
        assert_eq!(no_reboot("noreboot noreboot=off"), "");
        assert_eq!(no_reboot("reboot=acpi noreboots"), "");
    }

    #[test]
    fn one_cpu_is_used_only_if_needed_or_requested() {
        let line = xen_line("com1=115200 crashkernel=64M console=com1", false, 4);
        assert_eq!(line.text, "com1=115200 console=com1");
        let edits = |line: &CrashCmdline| -> Vec<String> {
            let parameter = |change: &CmdlineChange| match &change.edit {
                CmdlineEdit::Removed { parameter, .. } => format!("-{parameter}"),
                CmdlineEdit::Added { parameter, .. } => format!("+{parameter}"),
                other => panic!("{other:?}"),
            };
            line.changes.iter().map(parameter).collect()
        };
        assert_eq!(edits(&line), ["-crashkernel=64M"]);
        let line = xen_line("console=com1 -- nosmp", true, 1);
        assert_eq!(line.text, "nosmp mce=0 console=com1 -- nosmp");
        assert_eq!(edits(&line), ["+nosmp", "+mce=0"]);
        assert_eq!(xen_line("maxcpus=1", false, 2).text, "mce=0 maxcpus=1");
        let line = xen_line("mce=1 nosmp=no maxcpus=4 com1=9600", true, 2);
        assert_eq!(line.text, "nosmp mce=0 com1=9600");
        assert_eq!(
            edits(&line),
            ["-mce=1", "-nosmp=no", "-maxcpus=4", "+nosmp", "+mce=0"]
        );
        let line = xen_line("nosmp mce=0", true, 4);
        assert_eq!((line.text.as_str(), line.changes.len()), ("nosmp mce=0", 0));
    }

    #[test]
    fn the_number_of_dom0_cpus_is_limited_unless_given() {
        let line = xen_line("console=com1 -- dom0_max_vcpus=9", false, 64);
        assert_eq!(
            line.text,
            "dom0_max_vcpus=4 console=com1 -- dom0_max_vcpus=9"
        );
        assert_eq!(line.changes.len(), 1);
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
        assert_eq!(line.changes.len(), 1);
        assert_eq!(line.advice, [""; 0]);
    }
}
