//! mbtool in a riscv64 guest of KVM, where the switch to the next kernel needs a trampoline that the
//! guest's kernel does not have.

use anyhow::{Context, Result, ensure};
use mbtool::backend::BackendError;
use mbtool::cmd::decode::{DecodeOptions, run_on};
use serde_json::Value;
use tests::RISCV64;
use tests::kvm_guest::{KvmRun, Monitor, run_kvm};
use tests::virt_guest::{attempted, document};
use xen_shim::fix::Fix;

tests::cases! {
    a_guest_that_is_forced_to_load_ends_with_cause_0x14: booted 100 s, "slow";
    a_monitor_that_goes_to_stvec_keeps_the_guest: booted 100 s, "slow";
}

/// Debian 6.12 in the guest, in Debian 6.12.
fn run(name: &str, monitor: Monitor) -> Result<KvmRun> {
    let script = "\
        attempt status mbtool status --json\n\
        attempt refused mbtool load LOAD\n\
        attempt forced mbtool load --force LOAD\n\
        sleep 2\n\
        mbtool exec -f\n";
    let run = run_kvm(name, &RISCV64, monitor, script)?;
    let outcome = &run.outcome;
    let status = document(outcome, "status", 0)?;
    let sbi = &status["sbi"];
    ensure!(
        sbi["implementation"]["id"] == 3 && sbi["trampoline"] == false,
        "{sbi:#}"
    );
    let why = BackendError::VcpuEnds.statement();
    for (name, status, loaded) in [("refused", 1, false), ("forced", 0, true)] {
        let attempt = attempted(outcome, name, status)?;
        ensure!(
            attempt.loaded == loaded && attempt.stderr.contains(&why),
            "{name}: {attempt:?}"
        );
    }
    Ok(run)
}

/// The host prints cause 0x14, the guest-page fault of an instruction fetch, and decode explains it.
fn a_guest_that_is_forced_to_load_ends_with_cause_0x14() -> Result<()> {
    let run = run("riscv64_kvm_ends", Monitor::Ends)?;
    ensure!(run.monitor("end=not-supported ", "satp")? == "0x0");
    let outcome = &run.outcome;
    ensure!(outcome.contains("SCAUSE=0x14"), "{}", outcome.describe());
    ensure!(!outcome.contains("[handoff] jump"), "the handoff ran");

    let mut decoded = Vec::new();
    let options = DecodeOptions {
        json: true,
        ..DecodeOptions::default()
    };
    let log = outcome.lines.join("\n");
    run_on(&options, log.as_bytes(), "serial.log", &mut decoded)?;
    let document: Value = serde_json::from_slice(&decoded)?;
    let dump = &document["dumps"][0];
    ensure!(
        dump["source"] == "kvm-host"
            && dump["cause"]["value"] == "0x14"
            && dump["explanations"][0]["rule"] == "satp-switch",
        "{document:#}"
    );
    Ok(())
}

/// The handoff runs, leaves its own translation in two passes in VS mode, and the second kernel comes
/// up with its files.
fn a_monitor_that_goes_to_stvec_keeps_the_guest() -> Result<()> {
    let run = run("riscv64_kvm_to_stvec", Monitor::ToStvec)?;
    ensure!(run.monitor("redirected ", "satp")? == "0x0");
    let (pc, stvec) = (
        run.monitor("redirected ", "pc")?,
        run.monitor("redirected ", "stvec")?,
    );
    ensure!(pc != stvec, "{pc}");
    ensure!(run.outcome.contains(" implementation 3 "), "firmware");
    ensure!(run.outcome.contains("[handoff] jump to "), "no jump");
    ensure!(run.second("digest")? == run.digest.to_string());
    ensure!(run.second("cmdline")? == run.cmdline);
    // the guest switched itself off
    let kind = run.monitor("end=system-event ", "kind")?;
    ensure!(kind.parse::<u32>().context("kind")? == 1, "{kind}");
    Ok(())
}
