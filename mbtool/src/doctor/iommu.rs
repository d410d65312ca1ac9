//! Checks of DMA and interrupts that are in progress when the system crashes.
//!
//! Devices are not stopped at a crash. Without an IOMMU, or with one in
//! passthrough mode, they continue to write to the buffers of the crashed
//! system, which are outside of the crash region. With translation it depends
//! on the next kernel: Linux reuses the existing tables (VT-d since 4.2, AMD
//! since 4.14), Xen makes new ones.
//!
//! Sources: Linux, Documentation/ABI/testing/sysfs-kernel-iommu_groups and
//! sysfs-class-iommu; Intel VT-d specification, 8.1 (DMAR); Xen,
//! docs/misc/xen-command-line (iommu=) and `x2apic_bsp_setup`.

use super::{Check, CheckedMachine};
use crate::abi::dmar::{DmarFlags, DmarStart};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use x86_64::registers::model_specific::ApicBaseFlags;
use xen_shim::cmdline::{Cmdline, Syntax};
use zerocopy::FromBytes;

/// Maximum number of groups.
const MAX_GROUPS: usize = 65536;
/// Model-specific register: address and state of the local APIC.
const MSR_APIC_BASE: u64 = 0x1b;

pub(super) fn checks(machine: &CheckedMachine) -> Vec<Check> {
    if machine.status.backend.is_none() {
        return Vec::new();
    }
    let mut checks = vec![dma(machine)];
    if !machine.has_device_tree() {
        checks.push(interrupts(machine));
    }
    checks
}

/// Returns the names in a directory, sorted; empty if it does not exist.
fn names(machine: &CheckedMachine, path: &str) -> Vec<String> {
    let entries = fs::read_dir(machine.root.join(path)).into_iter().flatten();
    let mut names: Vec<String> = entries
        .flatten()
        .take(MAX_GROUPS)
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort_unstable();
    names
}

/// Returns the ACPI tables that describe an IOMMU. Xen renames the one that it
/// uses.
fn tables(machine: &CheckedMachine) -> Vec<String> {
    let all = names(machine, "sys/firmware/acpi/tables");
    let known = |name: &String| ["DMAR", "XMAR", "IVRS"].contains(&name.as_str());
    all.into_iter().filter(known).collect()
}

fn dma(machine: &CheckedMachine) -> Check {
    const ID: &str = "iommu";
    let tables = tables(machine);
    let described = match tables.is_empty() {
        true => "firmware describes none".to_owned(),
        false => format!("ACPI table {}", tables.join(", ")),
    };
    if machine.under_xen() {
        return Check::ok(
            ID,
            format!(
                "Xen's, if it uses one ({described}); devices of dom0 use machine addresses, so \
                 that DMA under way keeps its meaning; a device that was passed to a guest may not"
            ),
        );
    }
    let units = names(machine, "sys/class/iommu");
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for group in names(machine, "sys/kernel/iommu_groups") {
        let kind = machine.file(&format!("sys/kernel/iommu_groups/{group}/type"));
        // not reported before Linux 4.16
        *kinds
            .entry(kind.unwrap_or_else(|| "unknown".into()))
            .or_default() += 1;
    }
    if units.is_empty() && kinds.is_empty() {
        return Check::ok(
            ID,
            format!(
                "none in use ({described}): DMA in progress at a crash goes to buffers of the crashed \
                 system, outside of the crash region"
            ),
        );
    }
    let groups: Vec<String> = kinds
        .iter()
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    let found = format!(
        "in use: {} ({described}), groups of devices: {}{}",
        units.join(", "),
        if groups.is_empty() {
            "none".to_owned()
        } else {
            groups.join(", ")
        },
        parameters(machine)
    );
    let translates = kinds
        .keys()
        .any(|kind| !["identity", "blocked"].contains(&kind.as_str()));
    if !translates {
        return Check::ok(
            ID,
            format!("{found}: DMA in progress at a crash goes to buffers of the crashed system"),
        );
    }
    if machine.wanted.as_ref().and_then(super::WantedImage::is_xen) == Some(false) {
        return Check::ok(
            ID,
            format!("{found}: Linux as crash kernel reuses the tables that translate DMA"),
        );
    }
    Check::warning(
        ID,
        format!(
            "{found}: Xen as crash kernel replaces the tables that translate DMA; what devices \
             still write then is blocked, or goes to an address that has another meaning by then, \
             in the crash region perhaps. A risk, not seen so far; Linux as crash kernel takes \
             them over"
        ),
    )
    .fix("iommu.passthrough=1 on this kernel's command line, and reboot")
}

/// Returns the kernel's parameters about IOMMUs.
fn parameters(machine: &CheckedMachine) -> String {
    const NAMES: [&str; 6] = [
        "intel_iommu",
        "amd_iommu",
        "iommu",
        "iommu.passthrough",
        "iommu.strict",
        "intremap",
    ];
    let line = Cmdline::linux(&machine.cmdline());
    let about = |parameter: &&str| NAMES.iter().any(|name| Syntax::Linux.is(parameter, name));
    let parameters: Vec<&str> = line.own().filter(about).collect();
    match parameters.is_empty() {
        true => String::new(),
        false => format!(", {}", parameters.join(" ")),
    }
}

/// x2APIC: Xen keeps it enabled, unless firmware forbids that.
fn interrupts(machine: &CheckedMachine) -> Check {
    const ID: &str = "interrupts";
    if machine.under_xen() {
        return Check::ok(
            ID,
            "Xen's; at a crash it restores the local APICs to firmware's mode",
        );
    }
    let info = machine.file("proc/cpuinfo").unwrap_or_default();
    let flags = info.lines().find(|line| line.starts_with("flags"));
    let able = flags.is_some_and(|line| line.split_whitespace().any(|w| w == "x2apic"));
    let on = if able {
        x2apic_on(machine)
    } else {
        Some(false)
    };
    let remapped = match machine.file("proc/interrupts") {
        Some(text) if text.contains("IR-") => "interrupts are remapped by the IOMMU",
        Some(_) => "interrupts are not remapped",
        None => "whether interrupts are remapped is unknown",
    };
    let mode = match on {
        Some(true) => "x2APIC is on",
        Some(false) if able => "x2APIC is off",
        Some(false) => "the CPUs have no x2APIC",
        None => "the CPUs have x2APIC; whether it is enabled is unknown (/dev/cpu/0/msr)",
    };
    let found = format!("{mode}, {remapped}");
    let forbids = machine.host().is_some_and(|host| {
        let dmar = host.acpi.tables.iter().find(|table| table.name == "DMAR");
        let start = dmar.and_then(|table| DmarStart::ref_from_prefix(&table.bytes).ok());
        start.is_some_and(|(start, _)| {
            DmarFlags::from_bits_retain(start.flags).contains(DmarFlags::X2APIC_OPT_OUT)
        })
    });
    const FIX: &str =
        "nox2apic on this kernel's command line, or iommu=no-intremap on the crash Xen's";
    let panics =
        "the ACPI table DMAR forbids x2APIC, and a Xen that finds it on panics at its start";
    let xen = machine.wanted.as_ref().and_then(super::WantedImage::is_xen);
    match (forbids, on) {
        (true, Some(true)) if xen == Some(true) => {
            Check::problem(ID, format!("{found}; {panics}")).fix(FIX)
        }
        (true, Some(true)) if xen.is_none() => {
            Check::warning(ID, format!("{found}; {panics}")).fix(FIX)
        }
        (true, None) if xen != Some(false) => {
            Check::unknown(ID, format!("{found}; {panics}")).fix("modprobe msr, and run it again")
        }
        (_, Some(true)) => Check::ok(ID, format!("{found}; Xen as crash kernel leaves it on")),
        _ => Check::ok(ID, found),
    }
}

/// True when CPU 0 is in x2APIC mode.
fn x2apic_on(machine: &CheckedMachine) -> Option<bool> {
    let file = File::open(machine.root.join("dev/cpu/0/msr")).ok()?;
    let mut value = [0; 8];
    file.read_exact_at(&mut value, MSR_APIC_BASE).ok()?;
    Some(u64::from_le_bytes(value) & ApicBaseFlags::X2APIC_ENABLE.bits() != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::CheckState;
    use crate::doctor::testing::{Recorded, table};

    fn groups(recorded: &Recorded, kinds: &[&str]) {
        recorded.put("sys/class/iommu/dmar0/x", "");
        for (number, kind) in kinds.iter().enumerate() {
            let path = format!("sys/kernel/iommu_groups/{number}/type");
            recorded.put(&path, format!("{kind}\n"));
        }
    }

    #[test]
    fn no_iommu_is_no_risk() {
        let recorded = Recorded::new();
        let check = dma(&recorded.machine());
        assert_eq!(check.state, CheckState::Ok);
        assert!(check.found.contains("firmware describes none"), "{check:?}");
        recorded.put("sys/firmware/acpi/tables/DMAR", table(b"DMAR", &[0; 12]));
        let check = dma(&recorded.machine());
        assert_eq!(check.state, CheckState::Ok);
        assert!(check.found.starts_with("none in use (ACPI table DMAR)"));
    }

    #[test]
    fn translation_is_a_risk_for_xen_only() {
        let recorded = Recorded::new();
        groups(&recorded, &["DMA-FQ", "DMA-FQ", "identity"]);
        recorded.put("proc/cmdline", "console=ttyS0 intel_iommu=on quiet\n");
        let check = dma(&recorded.machine());
        assert_eq!(check.state, CheckState::Warning);
        for part in ["dmar0", "2 DMA-FQ, 1 identity", "intel_iommu=on"] {
            assert!(check.found.contains(part), "{check:?}");
        }
        assert!(check.fix.unwrap().contains("iommu.passthrough=1"));
        let linux = recorded.with_linux();
        assert_eq!(dma(&linux).state, CheckState::Ok);
        groups(&recorded, &["identity", "identity", "blocked"]);
        assert_eq!(dma(&recorded.machine()).state, CheckState::Ok);
    }

    #[test]
    fn under_xen_devices_use_machine_addresses() {
        let recorded = Recorded::new();
        let mut machine = recorded.machine();
        machine.status.backend = Some("xen");
        recorded.put("sys/firmware/acpi/tables/XMAR", table(b"XMAR", &[0; 12]));
        let check = dma(&machine);
        assert_eq!(check.state, CheckState::Ok);
        assert!(check.found.contains("XMAR"), "{check:?}");
        assert_eq!(interrupts(&machine).state, CheckState::Ok);
    }

    #[test]
    fn x2apic_forbidden_by_firmware_stops_xen() {
        let recorded = Recorded::new();
        let state = || interrupts(&recorded.machine()).state;
        assert_eq!(state(), CheckState::Ok);
        let cpus = "processor\t: 0\napicid\t\t: 4\nflags\t\t: fpu x2apic\n\n";
        recorded.put("proc/cpuinfo", cpus);
        assert_eq!(state(), CheckState::Ok);
        let mut body = vec![0; 12];
        body[1] = 3;
        recorded.put("sys/firmware/acpi/tables/DMAR", table(b"DMAR", &body));
        assert_eq!(state(), CheckState::Unknown);
        let msr = |value: u64| {
            let bytes = [&[0; 0x1b][..], &value.to_le_bytes()].concat();
            recorded.put("dev/cpu/0/msr", bytes);
        };
        msr(0xfee0_0900);
        assert_eq!(state(), CheckState::Ok);
        msr(0xfee0_0d00);
        let check = interrupts(&recorded.machine());
        assert_eq!(check.state, CheckState::Warning);
        assert!(check.fix.unwrap().contains("nox2apic"));
        assert_eq!(interrupts(&recorded.with_linux()).state, CheckState::Ok);
        body[1] = 1;
        recorded.put("sys/firmware/acpi/tables/DMAR", table(b"DMAR", &body));
        assert_eq!(state(), CheckState::Ok);
    }
}
