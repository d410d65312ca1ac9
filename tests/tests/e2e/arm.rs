//! mbtool on 32-bit ARM: from a Linux with a device tree into Linux in each mode, and into a crash kernel.

use anyhow::{Result, ensure};
use images::assets::LINUX_SID_ARMHF_LPAE;
use tests::virt_guest::{VirtLoad, VirtReport};
use tests::{ARMHF, ARMHF_SVC};

tests::cases! {
    linux_starts_linux_in_hyp_mode: booted 15 s, "slow";
    linux_starts_linux_in_supervisor_mode: booted 15 s, "slow";
    newest_linux_with_lpae_starts_itself: booted 20 s on LINUX_SID_ARMHF_LPAE, "slow";
    crash_on_cpu_1_in_hyp_mode: booted 20 s, "slow";
    crash_on_cpu_1_in_supervisor_mode: booted 20 s, "slow";
    crash_newest_linux_with_lpae_on_cpu_1: booted 25 s on LINUX_SID_ARMHF_LPAE, "slow";
}

/// Checks the handoff's line on its entry.
fn entered_in(report: &VirtReport, mode: &str) -> Result<()> {
    let log = &report.outcome;
    let entered = log.contains(&format!(" in mode {mode} with translation off"));
    ensure!(entered, "not entered in {mode}: {}", log.log.display());
    ensure!(!log.contains("caches stay off"), "{}", log.log.display());
    Ok(())
}

fn linux_starts_linux(name: &str, load: &VirtLoad, mode: &str) -> Result<()> {
    let report = load.check(name)?;
    entered_in(&report, mode)?;
    let exit = &report.plan["exit"]["mode"];
    ensure!(exit == "linux-arm", "{exit}");
    Ok(())
}

fn linux_starts_linux_in_hyp_mode() -> Result<()> {
    linux_starts_linux("arm_load", &VirtLoad::new(&ARMHF), "hyp")
}

fn linux_starts_linux_in_supervisor_mode() -> Result<()> {
    linux_starts_linux("arm_svc_load", &VirtLoad::new(&ARMHF_SVC), "svc")
}

fn newest_linux_with_lpae_starts_itself() -> Result<()> {
    let load = VirtLoad {
        linux: &LINUX_SID_ARMHF_LPAE,
        ..VirtLoad::new(&ARMHF)
    };
    linux_starts_linux("arm_lpae_load", &load, "hyp")
}

fn crash_on_cpu_1_in_hyp_mode() -> Result<()> {
    crash_on_cpu_1("arm_crash", VirtLoad::new(&ARMHF), "hyp")
}

fn crash_on_cpu_1_in_supervisor_mode() -> Result<()> {
    crash_on_cpu_1("arm_svc_crash", VirtLoad::new(&ARMHF_SVC), "svc")
}

fn crash_newest_linux_with_lpae_on_cpu_1() -> Result<()> {
    let load = VirtLoad {
        linux: &LINUX_SID_ARMHF_LPAE,
        ..VirtLoad::new(&ARMHF)
    };
    crash_on_cpu_1("arm_lpae_crash", load, "hyp")
}

/// All of memory is in the dump.
fn crash_on_cpu_1(name: &str, load: VirtLoad, mode: &str) -> Result<()> {
    let load = VirtLoad {
        crash_on: Some(1),
        ..load
    };
    let report = load.check(name)?;
    entered_in(&report, mode)?;
    let bytes: u64 = report.get("vmcore")?.parse()?;
    let mib = bytes >> 20;
    ensure!(
        (640 - 192 - 8..640 - 192 + 8).contains(&mib),
        "/proc/vmcore has {mib} MiB of 640 MiB, without the region of 192"
    );
    Ok(())
}
