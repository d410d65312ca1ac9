//! `cargo demo`: boots Linux in QEMU, which loads Xen with mbtool and jumps; prints the serial
//! console, and ends.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use images::assets::LINUX_6_1;
use images::progress::say;
use tests::xen::{Dom0Outcome, XenScenario};
use tests::{Board, Firmware, mbtool_bin};

/// Linux -> mbtool -> Xen -> dom0 in QEMU, after fetching and caching all files.
#[derive(Parser)]
#[command(name = "cargo demo", bin_name = "cargo demo")]
#[command(after_help = "Example: cargo demo --bios --xen 4.17")]
struct Options {
    /// Start on BIOS (SeaBIOS) instead of UEFI (OVMF)
    #[arg(long)]
    bios: bool,
    /// Xen release
    #[arg(long, default_value = "4.20", value_parser = ["4.17", "4.20"])]
    xen: String,
    /// Number of CPUs
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=16))]
    cpus: u32,
    /// Memory in MiB
    #[arg(long, default_value_t = 2048, value_parser = clap::value_parser!(u32).range(1024..=65536))]
    memory: u32,
    /// The machine type q35 instead of pc
    #[arg(long)]
    q35: bool,
}

fn main() -> ExitCode {
    match demo(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn demo(options: &Options) -> Result<()> {
    let scenario = XenScenario {
        linux: &LINUX_6_1,
        xen: if options.xen == "4.17" {
            "4.17"
        } else {
            "4.20"
        },
        firmware: if options.bios {
            Firmware::SeaBios
        } else {
            Firmware::Ovmf
        },
        board: if options.q35 { Board::Q35 } else { Board::Pc },
        cpus: options.cpus,
        memory_mib: options.memory,
        xen_args: "",
        dom0_args: "",
        unified: false,
    };
    say(
        "demo",
        "setting up QEMU, firmware, Linux 6.1, Xen and mbtool",
    );
    scenario.prepare()?;
    mbtool_bin()?;
    say(
        "demo",
        format_args!(
            "a machine with {}, {} CPUs and {} MiB starts Linux, which runs:",
            if options.bios { "BIOS" } else { "UEFI" },
            scenario.cpus,
            scenario.memory_mib
        ),
    );
    for command in scenario.script().lines() {
        say("demo", format_args!("  {command}"));
    }

    let mut stdout = std::io::stdout().lock();
    let report = scenario.run("demo", &mut |_, line| {
        // the result is printed also when stdout is closed
        let _ = writeln!(stdout, "{line}");
        let _ = stdout.flush();
    })?;
    report.verify(&scenario)?;
    summary(&report);
    Ok(())
}

fn summary(report: &Dom0Outcome) {
    let dom0 = |key: &str| report.dom0.get(key).map_or("", String::as_str);
    let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f32());
    say(
        "demo",
        format_args!("Linux was up after {}", seconds(report.linux_up)),
    );
    say(
        "demo",
        format_args!(
            "dom0 on Xen {} was up after {}",
            dom0("xen"),
            seconds(report.dom0_up)
        ),
    );
    say(
        "demo",
        format_args!(
            "dom0 has {} CPUs, {} MiB of memory, {} ACPI tables; its initial RAM disk arrived intact",
            dom0("cpus"),
            dom0("mem")
                .trim_end_matches("KiB")
                .parse::<u64>()
                .unwrap_or(0)
                / 1024,
            dom0("acpi-tables")
        ),
    );
    say(
        "demo",
        format_args!("serial log: {}", report.outcome.log.display()),
    );
}
