//! Checks of the data for a dump, and of the CPUs that will read it.

use super::{Check, CheckState, CheckedMachine};
use crate::plan;

pub(super) fn checks(machine: &CheckedMachine) -> Vec<Check> {
    if machine.status.backend.is_none() {
        return Vec::new();
    }
    vec![facts(machine), cpus(machine)]
}

/// Crash notes and VMCOREINFO of the running system.
fn facts(machine: &CheckedMachine) -> Check {
    const ID: &str = "dump";
    let Some(host) = machine.host() else {
        return Check::unknown(ID, machine.why_no_host()).fix("run mbtool doctor as root");
    };
    // as for the core header of a crash image
    let facts = host.dump_facts();
    let mut missing = facts.warnings.clone();
    if facts.cpu_notes.is_empty() {
        missing.push(
            "the crash notes of the CPUs are unknown: a dump will have memory only, no registers"
                .to_owned(),
        );
    }
    if facts.vmcoreinfo.is_none() && facts.xen_vmcoreinfo.is_none() {
        missing.push(
            "there is no VMCOREINFO (/sys/kernel/vmcoreinfo): makedumpfile and crash need it"
                .to_owned(),
        );
    }
    let xen = match facts.xen_vmcoreinfo {
        Some(note) => format!(", Xen's at {:#x}", note.start),
        None => String::new(),
    };
    let found = format!(
        "a dump will have the registers of {} CPUs{}",
        facts.cpu_notes.len(),
        match facts.vmcoreinfo {
            Some(note) => format!(", VMCOREINFO at {:#x}{xen}", note.start),
            None => xen,
        }
    );
    if missing.is_empty() {
        return Check::ok(ID, found);
    }
    let found = format!("{found}; {}", missing.join("; "));
    if unprivileged(machine) {
        return Check::unknown(ID, found).fix("run mbtool doctor as root");
    }
    let check = Check::warning(ID, found);
    match machine.under_xen() {
        true => check,
        false => check.fix("boot a kernel with CONFIG_CRASH_DUMP and CONFIG_PROC_KCORE"),
    }
}

fn unprivileged(machine: &CheckedMachine) -> bool {
    let kernel = &machine.status.kernel;
    kernel.cap_sys_boot == Some(false) || kernel.cap_sys_admin == Some(false)
}

/// Checks that a crash Xen can get ACPI tables without the boot CPU, which it must
/// not start.
fn cpus(machine: &CheckedMachine) -> Check {
    const ID: &str = "cpus";
    let Some(host) = machine.host() else {
        return Check::unknown(ID, machine.why_no_host()).fix("run mbtool doctor as root");
    };
    let list = |name: &str| {
        let list = machine.file(&format!("sys/devices/system/cpu/{name}"))?;
        cpu_list(&list)
    };
    let online = match (list("present"), list("online")) {
        (Some(present), Some(online)) if online < present => {
            let offline = present - online;
            match machine.has_device_tree() {
                true => format!("; {offline} of {present} CPUs are offline"),
                false => {
                    format!("; {offline} of {present} CPUs are offline: Xen will start them too")
                }
            }
        }
        (_, Some(online)) => format!("; {online} CPUs are online"),
        _ => String::new(),
    };
    if machine.has_device_tree() {
        // Xen is no crash kernel there
        let online = online.trim_start_matches("; ");
        return match online.is_empty() {
            true => Check::unknown(ID, "the number of CPUs is unknown"),
            false => Check::ok(ID, online),
        };
    }
    match plan::tables_for_xen(host) {
        Ok((_, boot_cpu)) => Check::ok(
            ID,
            format!(
                "{} ACPI tables; the boot CPU (started by firmware) has APIC id {boot_cpu}{online}",
                host.acpi.tables.len()
            ),
        ),
        Err(why) => {
            let found = format!(
                "Xen as crash kernel will use one CPU only, as it cannot be kept from the CPU that \
                 firmware started: {why}{online}"
            );
            let state = match unprivileged(machine) {
                true => CheckState::Unknown,
                false => CheckState::Warning,
            };
            let check = Check::new(ID, state, found);
            match machine.file(ONLINE).is_some_and(|list| lacks_first(&list)) {
                true => check.fix("echo 1 > /sys/devices/system/cpu/cpu0/online"),
                false => check,
            }
        }
    }
}

/// CPUs that are online.
const ONLINE: &str = "sys/devices/system/cpu/online";

/// True for a list like `0-3,8` without CPU 0.
fn lacks_first(list: &str) -> bool {
    let first = list.split([',', '-']).next();
    first.is_some_and(|first| first.parse().is_ok_and(|first: u64| first > 0))
}

/// Counts the CPUs of a list such as `0-3,8`; `None` if invalid.
fn cpu_list(text: &str) -> Option<u64> {
    if text.is_empty() {
        return Some(0);
    }
    text.split(',').try_fold(0_u64, |sum, part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        let count = last.checked_sub(first)?.checked_add(1)?;
        sum.checked_add(count)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::testing::Recorded;

    #[test]
    fn lists_of_cpus() {
        let without_first = ["1", "1-3", "2,8"].map(lacks_first);
        assert_eq!(without_first, [true; 3]);
        assert_eq!(["0", "0-3,8", "", "x"].map(lacks_first), [false; 4]);
        for (text, count) in [
            ("0", Some(1)),
            ("0-3", Some(4)),
            ("0-3,8,10-11", Some(7)),
            ("", Some(0)),
            ("3-0", None),
            ("0-18446744073709551615", None),
            ("x", None),
            ("0,,1", None),
        ] {
            assert_eq!(cpu_list(text), count, "{text}");
        }
    }

    #[test]
    fn a_complete_dump() {
        let recorded = Recorded::new();
        let machine = recorded.machine();
        let check = facts(&machine);
        assert_eq!(check.state, CheckState::Ok, "{check:?}");
        let expected = "a dump will have the registers of 2 CPUs, VMCOREINFO at 0x1886000";
        assert_eq!(check.found, expected);
    }

    #[test]
    fn missing_data_of_a_dump_is_reported() {
        let recorded = Recorded::new();
        for cpu in 0..2 {
            recorded.remove(&format!("sys/devices/system/cpu/cpu{cpu}/crash_notes"));
        }
        recorded.remove("sys/kernel/vmcoreinfo");
        let check = facts(&recorded.machine());
        assert_eq!(check.state, CheckState::Warning);
        assert!(check.found.contains("memory only"), "{check:?}");
        assert!(check.found.contains("VMCOREINFO (/sys"), "{check:?}");
        recorded.put("proc/self/status", "CapEff:\t0\n");
        let check = facts(&recorded.machine());
        assert_eq!(check.state, CheckState::Unknown);
        assert_eq!(check.fix.as_deref(), Some("run mbtool doctor as root"));
        recorded.remove("proc/iomem");
        recorded.remove("sys/firmware/memmap");
        assert_eq!(facts(&recorded.machine()).state, CheckState::Unknown);
    }

    #[test]
    fn without_acpi_tables_xen_uses_one_cpu() {
        let recorded = Recorded::new();
        let check = cpus(&recorded.machine());
        assert_eq!(check.state, CheckState::Ok, "{check:?}");
        assert!(check.found.contains("APIC id 4"), "{check:?}");
        assert!(check.found.contains("2 CPUs are online"), "{check:?}");
        recorded.put("sys/devices/system/cpu/online", "0\n");
        let check = cpus(&recorded.machine());
        assert!(check.found.contains("1 of 2 CPUs are offline"), "{check:?}");
        recorded.put("sys/devices/system/cpu/online", "1\n");
        recorded.put("proc/cpuinfo", "processor\t: 1\napicid\t: 5\n\n");
        let check = cpus(&recorded.machine());
        assert_eq!(check.state, CheckState::Warning);
        assert!(check.found.contains("CPU 0 is offline"), "{check:?}");
        assert!(check.fix.unwrap().contains("cpu0/online"));
        recorded.remove("sys/firmware/acpi/tables");
        let check = cpus(&recorded.machine());
        assert_eq!(check.state, CheckState::Warning);
        assert!(check.found.contains("ACPI tables"), "{check:?}");
    }
}
