//! `mbtool crash save` in a crash kernel, on a real disk: the dump is saved, the machine reboots,
//! and tools for dumps find the panic in the saved file; a save that hangs ends too.

use anyhow::{Context, Result, ensure};
use images::guest::CRASH;
use tests::save::{SaveScenario, Saver};
use tests::{EndReason, Outcome};

tests::cases! {
    crash_save_in_dom0: booted 30 s;
    crash_save_in_linux: booted 60 s, "slow";
    crash_save_after_a_collector_that_hangs: booted 60 s, "slow";
    crash_save_that_stops_is_reset_by_the_machines_watchdog: booted 60 s, "slow";
    crash_save_that_stops_is_reset_by_xen: booted 60 s, "slow";
}

const SAVE: SaveScenario = SaveScenario {
    saver: Saver::Linux,
    config: "",
    start: "mbtool crash save",
    watchdog: false,
    looks: true,
};

/// Stops the saver to simulate a hang: the watchdog is not kicked any more.
const STOPPED: &str = "mbtool crash save &\nsleep 8\nkill -STOP $!\nsay stopped=$!\nsleep 300";

fn see(outcome: &Outcome, checked: Result<()>) -> Result<()> {
    checked.with_context(|| format!("see {}", outcome.log.display()))
}

fn printed(outcome: &Outcome, texts: &[&str]) -> Result<()> {
    for text in texts {
        ensure!(outcome.contains(text), "{text:?} is not printed");
    }
    Ok(())
}

/// The machine has rebooted, and the dump exists; each of `tools` finds the panic in it.
fn read_by(outcome: &Outcome, tools: &[&str]) -> Result<()> {
    let value = |key: &str| {
        let found = outcome.value(&format!("{CRASH}{key}="));
        found.with_context(|| format!("{key} was not looked at"))
    };
    let sum = value("sum")?;
    ensure!(sum == "vmcore: OK", "sha256sum -c prints {sum:?}");
    let files = value("files")?.trim();
    ensure!(
        files == "crash.json dmesg.txt vmcore vmcore.sha256",
        "{files}"
    );
    for tool in tools {
        let found = value(tool)?;
        ensure!(found.contains("sysrq triggered crash"), "{tool}: {found:?}");
    }
    // it finds VMCOREINFO, but up to 8.0.2 it cannot find the log of Linux 5.10 and later with that
    // only, without vmlinux
    let crash = value("crash")?;
    ensure!(
        crash.contains("VMCOREINFO: no log buffer data") || crash.contains("sysrq triggered crash"),
        "crash --log: {crash:?}"
    );
    Ok(())
}

/// makedumpfile in the dom0 of a Xen.
fn crash_save_in_dom0() -> Result<()> {
    let scenario = SaveScenario {
        saver: Saver::Xen("4.20"),
        ..SAVE
    };
    let outcome = scenario.run("crash_save_in_dom0")?;
    let checked = read_by(&outcome, &["dmesg", "makedumpfile"]).and_then(|()| {
        let watchdog = "mbtool: watchdog: Xen's watchdog of dom0, 60 s";
        let method = "\"method\": \"makedumpfile -l -d 31\"";
        printed(&outcome, &[watchdog, method, "\"xen\": true"])
    });
    see(&outcome, checked)
}

fn crash_save_in_linux() -> Result<()> {
    let scenario = SaveScenario {
        watchdog: true,
        ..SAVE
    };
    let outcome = scenario.run("crash_save_in_linux")?;
    let checked = read_by(&outcome, &["dmesg", "makedumpfile"]).and_then(|()| {
        let watchdog = "mbtool: watchdog: /dev/watchdog (i6300ESB timer), 60 s";
        let method = "\"method\": \"makedumpfile -l -d 31\"";
        printed(&outcome, &[watchdog, method, "\"xen\": false"])
    });
    see(&outcome, checked)
}

/// A collector that sleeps forever is killed, and the dump is copied unchanged: an ELF file.
fn crash_save_after_a_collector_that_hangs() -> Result<()> {
    let scenario = SaveScenario {
        config: "collector = \"hangs for ever\"\nwatchdog = 30",
        ..SAVE
    };
    let outcome = scenario.run("crash_save_after_a_collector_that_hangs")?;
    let tools = ["dmesg", "makedumpfile", "vmcore-dmesg"];
    let checked = read_by(&outcome, &tools).and_then(|()| {
        let killed = "hangs made no progress for 15 s, and was killed: hanging";
        printed(
            &outcome,
            &[killed, "\"method\": \"copy\"", "\"verified\": true"],
        )
    });
    see(&outcome, checked)
}

/// The saver is stopped, and the machine is reset.
fn is_reset(name: &str, scenario: SaveScenario, by: &[&str]) -> Result<()> {
    let scenario = SaveScenario {
        config: "collector = \"hangs\"\nwatchdog = 30",
        start: STOPPED,
        looks: false,
        ..scenario
    };
    let outcome = scenario.run(name)?;
    let checked = printed(&outcome, by).and_then(|()| {
        let stopped = format!("{CRASH}stopped=");
        let lines = outcome.lines.iter();
        let after: Vec<_> = lines.skip_while(|line| !line.contains(&stopped)).collect();
        ensure!(!after.is_empty(), "it was not stopped");
        ensure!(
            !after.iter().any(|line| line.contains("made no progress")),
            "it went on: {after:?}"
        );
        ensure!(
            matches!(outcome.reason, EndReason::Exited(_)),
            "no reset: {}",
            outcome.describe()
        );
        Ok(())
    });
    see(&outcome, checked)
}

fn crash_save_that_stops_is_reset_by_the_machines_watchdog() -> Result<()> {
    let scenario = SaveScenario {
        watchdog: true,
        ..SAVE
    };
    let by = ["mbtool: watchdog: /dev/watchdog (i6300ESB timer), 30 s"];
    is_reset("crash_save_reset_by_the_machine", scenario, &by)
}

fn crash_save_that_stops_is_reset_by_xen() -> Result<()> {
    let scenario = SaveScenario {
        saver: Saver::Xen("4.20"),
        ..SAVE
    };
    let by = [
        "mbtool: watchdog: Xen's watchdog of dom0, 30 s",
        "fired for d",
    ];
    is_reset("crash_save_reset_by_xen", scenario, &by)
}
