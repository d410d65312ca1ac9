//! dom0 panics, or Xen itself does; the Linux that mbtool has loaded into Xen's crash area has all
//! of the machine's memory in /proc/vmcore, with the notes of Xen and of dom0's Linux.

use anyhow::{Result, ensure};
use tests::crash::{CrashOutcome, CrashScenario, CrashedSystem, Trigger};

tests::cases! {
    crash_xen_4_17_dom0_panics: booted 40 s, "slow";
    crash_xen_4_20_dom0_panics: booted 27 s;
    crash_xen_4_17_by_its_debug_key: booted 27 s;
    crash_xen_4_20_by_its_debug_key: booted 40 s, "slow";
}

fn check(version: &'static str, trigger: Trigger, name: &str) -> Result<()> {
    let report = CrashScenario::new(CrashedSystem::Xen(version), trigger).check(name)?;
    notes(&report)
}

/// Xen's notes: of itself, of each CPU, and its VMCOREINFO besides Linux's.
fn notes(report: &CrashOutcome) -> Result<()> {
    let count = |wanted: &str| report.notes.iter().filter(|name| *name == wanted).count();
    ensure!(count("VMCOREINFO_XEN") == 1, "{:?}", report.notes);
    // one for each CPU, and one for all
    ensure!(count("Xen") == count("CORE") + 1, "{:?}", report.notes);
    Ok(())
}

fn crash_xen_4_17_dom0_panics() -> Result<()> {
    check("4.17", Trigger::Panic(1), "crash_xen_4_17_dom0_panics")
}

fn crash_xen_4_20_dom0_panics() -> Result<()> {
    check("4.20", Trigger::Panic(1), "crash_xen_4_20_dom0_panics")
}

fn crash_xen_4_17_by_its_debug_key() -> Result<()> {
    check("4.17", Trigger::XenKey, "crash_xen_4_17_by_its_debug_key")
}

fn crash_xen_4_20_by_its_debug_key() -> Result<()> {
    check("4.20", Trigger::XenKey, "crash_xen_4_20_by_its_debug_key")
}
