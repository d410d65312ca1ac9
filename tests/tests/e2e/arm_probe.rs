//! `mbtool probe` on ARM: what it says of a machine, and what then happens.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tests::machine::{ARM64, ARM64_EL1, Machine, VirtBoard};
use tests::outcome::Outcome;
use tests::virt_guest::{VIRT_DEADLINE, attempted, document, virt_stage1};

tests::cases! {
    the_probe_image_is_entered_at_el2_after_nvhe: booted 25 s, "slow";
    the_probe_image_is_entered_at_el2_with_vhe: booted 25 s, "slow";
    the_probe_image_is_entered_at_el1: booted 25 s, "slow";
    linux_6_12_oopses_in_kexec_load_with_lpa2: booted 25 s, "slow";
}

/// Asks the machine, then loads and enters the probe image.
const SCRIPT: &str = "\
    attempt probe mbtool probe --json\n\
    attempt doctor mbtool doctor --json\n\
    mbtool probe --payload /probe\n\
    mbtool load /probe\n\
    mbtool exec -f\n";
/// What the image prints last.
const DONE: &str = "[probe] done";

/// Runs a script on a CPU, up to the first of `ends`.
fn run(
    name: &str,
    board: &'static VirtBoard,
    cpu: &'static str,
    script: &str,
    end: &str,
) -> Result<Outcome> {
    let stage = virt_stage1(board, script)?;
    Machine::virt(board, stage.finish()?)?
        .cpu(cpu)
        .cpus(2)
        .run(name, VIRT_DEADLINE, &[end])?
        .ended_with(end)
}

/// Checks fields of the probe's document.
fn expect(report: &Value, fields: &[(&str, Value)]) -> Result<()> {
    for (pointer, expected) in fields {
        let found = report.pointer(pointer);
        ensure!(found == Some(expected), "{pointer}: {report:#}");
    }
    Ok(())
}

/// The image is entered where the report says.
fn enters(
    name: &str,
    board: &'static VirtBoard,
    cpu: &'static str,
    fields: &[(&str, Value)],
    lines: &[&str],
) -> Result<()> {
    let outcome = run(name, board, cpu, SCRIPT, DONE)?;
    let report = document(&outcome, "probe", 0)?;
    expect(&report, fields)?;
    expect(
        &report,
        &[
            ("/arch", json!("arm64")),
            ("/hypervisor", json!("bare")),
            ("/arm/stub", json!(true)),
            ("/arm/lpa2", json!(false)),
            ("/defects", json!([])),
        ],
    )?;
    for line in lines {
        ensure!(
            outcome.contains(line),
            "no {line:?}: {}",
            outcome.describe()
        );
    }
    Ok(())
}

fn the_probe_image_is_entered_at_el2_after_nvhe() -> Result<()> {
    enters(
        "arm64_probe_nvhe",
        &ARM64,
        "cortex-a57",
        &[
            ("/arm/level", json!("el2")),
            ("/arm/kvm", json!("nvhe")),
            ("/arm/vhe", json!(false)),
            ("/entry/normal", json!("el2")),
            ("/entry/crash", json!("el2")),
        ],
        &[
            "[probe] mbtool ",
            "started at EL2",
            "[probe] E2H 0",
            "[probe] occupant stub",
            "[probe] restart: arrived at EL2",
            "[probe] registers passed",
        ],
    )
}

fn the_probe_image_is_entered_at_el2_with_vhe() -> Result<()> {
    enters(
        "arm64_probe_vhe",
        &ARM64,
        "neoverse-n1",
        &[
            ("/arm/level", json!("el2")),
            ("/arm/kvm", json!("vhe")),
            ("/arm/vhe", json!(true)),
            ("/entry/normal", json!("el2-vhe")),
        ],
        &[
            "started at EL2",
            "[probe] E2H 1",
            "[probe] occupant stub",
            "[probe] restart: arrived at EL2",
        ],
    )
}

fn the_probe_image_is_entered_at_el1() -> Result<()> {
    enters(
        "arm64_probe_el1",
        &ARM64_EL1,
        "cortex-a57",
        &[
            ("/arm/level", json!("el1")),
            ("/arm/kvm", json!(null)),
            ("/arm/psci", json!("hvc")),
            ("/entry/normal", json!("el1")),
        ],
        &[
            "started at EL1",
            "[probe] occupant conduit",
            "[probe] restart: not-supported",
        ],
    )
}

/// The defect that the report has happens.
fn linux_6_12_oopses_in_kexec_load_with_lpa2() -> Result<()> {
    let script = "\
        attempt probe mbtool probe --json\n\
        attempt doctor mbtool doctor --json\n\
        mbtool probe --payload /probe\n\
        echo REPORTED\n\
        mbtool load /probe\n";
    // the script fails with the load that is killed
    let outcome = run(
        "arm64_probe_lpa2",
        &ARM64,
        "max",
        script,
        "MBTOOL-STAGE1 FAIL",
    )?;
    let report = document(&outcome, "probe", 0)?;
    expect(
        &report,
        &[
            ("/arm/lpa2", json!(true)),
            ("/arm/kvm", json!("vhe")),
            ("/defects/0/kind", json!("lpa2")),
            ("/defects/0/certainty", json!("known")),
            ("/defects/0/stage", json!("load")),
        ],
    )?;
    let doctor = attempted(&outcome, "doctor", 1)?;
    let doctor: Value = serde_json::from_str(&doctor.stdout)?;
    let checks = doctor["checks"].as_array().into_iter().flatten();
    let mut lines = checks.filter(|check| check["id"] == "lpa2");
    ensure!(
        lines
            .next()
            .is_some_and(|check| check["state"] == "problem"),
        "{doctor:#}"
    );
    for text in ["Internal error: Oops", "trans_pgd_create_copy"] {
        ensure!(
            outcome.contains(text),
            "no {text:?}: {}",
            outcome.describe()
        );
    }
    Ok(())
}
