//! Linux panics; the Linux that mbtool has loaded as crash kernel has all of its memory in
//! /proc/vmcore, and makedumpfile can read it.

use anyhow::{Result, ensure};
use images::assets::{Asset, LINUX_6_1, LINUX_6_12, LINUX_7};
use tests::crash::{CrashOutcome, CrashScenario, CrashedSystem, Trigger, makedumpfile_counts};
use tests::{Board, Firmware};

tests::cases! {
    crash_linux_6_1_seabios_on_cpu_2: booted 30 s;
    crash_linux_6_1_ovmf_on_cpu_2: booted 30 s;
    crash_linux_6_12_on_cpu_0: booted 30 s;
    crash_linux_7_q35_ovmf_6_gib_on_cpu_3: booted 30 s on LINUX_7;
    a_reused_command_line_reserves_no_memory: booted 30 s;
}

fn on(kernel: &'static Asset, cpu: u32) -> CrashScenario {
    CrashScenario::new(CrashedSystem::Linux(kernel), Trigger::Panic(cpu))
}

/// Runs it as `name`. makedumpfile filters the dump, and finds the panic in the kernel's log.
fn filtered(name: &str, scenario: &CrashScenario) -> Result<()> {
    let report = scenario.check(name)?;
    if makedumpfile_counts(name, scenario.linux(), &report.outcome) {
        read_by_makedumpfile(&report)?;
    }
    Ok(())
}

fn read_by_makedumpfile(report: &CrashOutcome) -> Result<()> {
    for what in ["dmesg", "dump"] {
        ensure!(
            report.get(what)? == "ok",
            "makedumpfile: {}",
            report.outcome.describe()
        );
    }
    let panic = report.get("panic")?;
    ensure!(panic.contains("sysrq triggered crash"), "panic={panic}");
    let size: u64 = report.get("dump-size")?.parse()?;
    ensure!(size > 1 << 20, "a filtered dump of {size} bytes");
    Ok(())
}

fn crash_linux_6_1_seabios_on_cpu_2() -> Result<()> {
    filtered("crash_linux_6_1_seabios_on_cpu_2", &on(&LINUX_6_1, 2))
}

fn crash_linux_6_1_ovmf_on_cpu_2() -> Result<()> {
    let scenario = CrashScenario {
        firmware: Firmware::Ovmf,
        ..on(&LINUX_6_1, 2)
    };
    filtered("crash_linux_6_1_ovmf_on_cpu_2", &scenario)
}

fn crash_linux_6_12_on_cpu_0() -> Result<()> {
    filtered("crash_linux_6_12_on_cpu_0", &on(&LINUX_6_12, 0))
}

/// Memory on both sides of 4 GiB.
fn crash_linux_7_q35_ovmf_6_gib_on_cpu_3() -> Result<()> {
    let scenario = CrashScenario {
        firmware: Firmware::Ovmf,
        board: Board::Q35,
        memory_mib: 6144,
        ..on(&LINUX_7, 3)
    };
    filtered("crash_linux_7_q35_ovmf_6_gib_on_cpu_3", &scenario)
}

/// With its 80 huge pages the crash kernel would run out of memory.
fn a_reused_command_line_reserves_no_memory() -> Result<()> {
    let scenario = CrashScenario {
        memory_mib: 1536,
        running_args: "hugepages=80 hugepagesz=2M hugepages=2",
        reuse_cmdline: true,
        ..on(&LINUX_6_1, 0)
    };
    let name = "crash_linux_reused_command_line";
    filtered(name, &scenario)
}
