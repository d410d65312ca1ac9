//! mbtool on arm64: from a Linux with a device tree into Xen with its dom0, into Linux at each exception level, and into a
//! crash kernel.

use anyhow::{Context, Result, ensure};
use images::assets::{LINUX_SID_ARM64, XEN_4_17_ARM64, XEN_4_20_ARM64};
use mbtool::backend::BackendError;
use mbtool::host::arm::{ArmFacts, BootLevel, KvmMode};
use mbtool::host::hypervisor::Hypervisor;
use mbtool::plan::PlanError;
use serde_json::{Value, json};
use tests::virt_guest::{VIRT_DEADLINE, VirtLoad, VirtReport, attempted, document, virt_stage1};
use tests::virt_xen::VirtXen;
use tests::{ARM64, ARM64_EL1, Machine, Outcome, VirtBoard};
use xen_shim::fix::Fix;

tests::cases! {
    linux_starts_xen_and_dom0: booted 25 s;
    linux_starts_xen_4_17_and_dom0: booted 30 s, "slow";
    linux_with_vhe_starts_xen_and_dom0: booted 30 s, "slow";
    newest_linux_starts_xen_on_the_newest_cpu: booted 60 s on LINUX_SID_ARM64, "slow";
    linux_starts_linux_at_el2: booted 25 s, "slow";
    linux_starts_linux_at_el2_with_vhe: booted 25 s, "slow";
    linux_starts_linux_at_el1: booted 25 s, "slow";
    newest_linux_starts_itself_on_the_newest_cpu: booted 45 s on LINUX_SID_ARM64, "slow";
    crash_on_cpu_1_with_vectors_of_kvm: booted 45 s, "slow";
    crash_newest_linux_on_cpu_1: booted 60 s on LINUX_SID_ARM64, "slow";
    machines_that_cannot_start_xen_refuse_it: booted 30 s, "slow";
}

/// QEMU's model with all features that it emulates. Pointer authentication by QEMU's own algorithm: the
/// architected one takes most of the time.
const NEWEST_CPU: &str = "max,pauth-impdef=on";

/// The handoff's name of EL2 with VHE.
const VHE: &str = "el2-e2h";

/// With a look at what dom0 may do.
fn linux_starts_xen_and_dom0() -> Result<()> {
    let load = VirtXen {
        dom0_script: "\
            attempt status mbtool status --json\n\
            attempt refused mbtool load /nothing\n\
            attempt refused-crash mbtool load -p /nothing\n\
            attempt refused-xen mbtool load --backend xen /nothing\n\
            attempt refused-exec mbtool exec -f\n",
        ..VirtXen::default()
    };
    let report = load.check("arm64_xen")?;
    entered_at(&report, "el2")?;
    let status = document(&report.outcome, "status", 0)?;
    ensure!(
        status["under"] == "xen-arm-dom0" && status["backend"] == Value::Null,
        "{status:#}"
    );
    let hypervisor = Hypervisor::XenArmDom0;
    let why = BackendError::XenOnArm { hypervisor }.statement();
    for name in ["refused", "refused-crash", "refused-exec"] {
        let attempt = attempted(&report.outcome, name, 1)?;
        ensure!(attempt.stderr.contains(&why), "{name}: {attempt:?}");
    }
    let attempt = attempted(&report.outcome, "refused-xen", 1)?;
    ensure!(attempt.stderr.contains("no kexec hypercall"), "{attempt:?}");
    Ok(())
}

fn linux_starts_xen_4_17_and_dom0() -> Result<()> {
    let load = VirtXen {
        xen: (&XEN_4_17_ARM64, "4.17."),
        ..VirtXen::default()
    };
    load.check("arm64_xen_4_17").map(drop)
}

fn linux_with_vhe_starts_xen_and_dom0() -> Result<()> {
    let load = VirtXen {
        cpu: "neoverse-n1",
        ..VirtXen::default()
    };
    entered_at(&load.check("arm64_vhe_xen")?, VHE)
}

fn newest_linux_starts_xen_on_the_newest_cpu() -> Result<()> {
    let load = VirtXen {
        cpu: NEWEST_CPU,
        linux: &LINUX_SID_ARM64,
        ..VirtXen::default()
    };
    entered_at(&load.check("arm64_newest_xen")?, VHE)
}

/// Checks the handoff's line on its entry.
fn entered_at(report: &VirtReport, level: &str) -> Result<()> {
    let log = &report.outcome;
    let entered = log.contains(&format!(" in {level} with translation off"));
    ensure!(entered, "not entered at {level}: {}", log.log.display());
    Ok(())
}

fn linux_starts_linux(name: &str, load: &VirtLoad, level: &str) -> Result<()> {
    let report = load.check(name)?;
    entered_at(&report, level)?;
    let exit = &report.plan["exit"]["mode"];
    ensure!(exit == "linux-arm64", "{exit}");
    Ok(())
}

fn linux_starts_linux_at_el2() -> Result<()> {
    linux_starts_linux("arm64_load", &VirtLoad::new(&ARM64), "el2")
}

fn linux_starts_linux_at_el2_with_vhe() -> Result<()> {
    let load = VirtLoad {
        cpu: "neoverse-n1",
        ..VirtLoad::new(&ARM64)
    };
    linux_starts_linux("arm64_vhe_load", &load, VHE)
}

fn linux_starts_linux_at_el1() -> Result<()> {
    linux_starts_linux("arm64_el1_load", &VirtLoad::new(&ARM64_EL1), "el1")
}

fn newest_linux_starts_itself_on_the_newest_cpu() -> Result<()> {
    let load = VirtLoad {
        cpu: NEWEST_CPU,
        linux: &LINUX_SID_ARM64,
        ..VirtLoad::new(&ARM64)
    };
    linux_starts_linux("arm64_newest_load", &load, VHE)
}

/// KVM has replaced the vectors of the hyp-stub at EL2. All of memory is in the dump.
fn crash_on_cpu_1_with_vectors_of_kvm() -> Result<()> {
    crash_on_cpu_1("arm64_crash", VirtLoad::new(&ARM64))
}

fn crash_newest_linux_on_cpu_1() -> Result<()> {
    let load = VirtLoad {
        linux: &LINUX_SID_ARM64,
        ..VirtLoad::new(&ARM64)
    };
    crash_on_cpu_1("arm64_newest_crash", load)
}

fn crash_on_cpu_1(name: &str, load: VirtLoad) -> Result<()> {
    let load = VirtLoad {
        crash_on: Some(1),
        ..load
    };
    let report = load.check(name)?;
    entered_at(&report, "el2")?;
    let bytes: u64 = report.get("vmcore")?.parse()?;
    // the kernel is in it twice: by its addresses too
    let kernel = report.plan["image"]["size"].as_u64().context("no size")?;
    let mib = (bytes - kernel) >> 20;
    ensure!(
        (640 - 192 - 8..640 - 192 + 8).contains(&mib),
        "/proc/vmcore has {mib} MiB and the kernel's of 640 MiB, without the region of 192"
    );
    Ok(())
}

/// Under protected KVM nothing is loaded but crash images; a machine that starts Linux at EL1 loads Linux. Neither loads Xen.
fn machines_that_cannot_start_xen_refuse_it() -> Result<()> {
    let script = "\
        attempt status mbtool status --json\n\
        attempt doctor mbtool doctor --json\n\
        attempt load mbtool load /image\n\
        attempt plan mbtool plan /image\n\
        attempt xen mbtool plan /xen --module /image\n";
    let run = |name: &str, board: &'static VirtBoard, parameters: &str| -> Result<Outcome> {
        let stage = virt_stage1(board, script)?
            .file("image", board.linux.path()?)?
            .file("xen", XEN_4_20_ARM64.path()?)?;
        let end = "MBTOOL-STAGE1 END";
        Machine::virt(board, stage.finish()?)?
            .append(parameters)
            .run(name, VIRT_DEADLINE, &[end])?
            .ended_with(end)
    };
    let refused = |outcome: &Outcome, facts: ArmFacts| -> Result<()> {
        let attempt = attempted(outcome, "xen", 1)?;
        let why = PlanError::XenNeedsEl2 { facts }.statement();
        ensure!(attempt.stderr.contains(&why), "{attempt:?}");
        Ok(())
    };

    let outcome = run("arm64_pkvm", &ARM64, "kvm-arm.mode=protected")?;
    let facts = json!({ "level": "el2", "kvm": "protected", "psci": "smc" });
    let status = document(&outcome, "status", 0)?;
    ensure!(status["arm"] == facts, "{:#}", status["arm"]);
    let why = BackendError::ProtectedKvm.statement();
    let attempt = attempted(&outcome, "load", 1)?;
    ensure!(
        attempt.stderr.contains(&why) && !attempt.loaded,
        "{attempt:?}"
    );
    let attempt = attempted(&outcome, "plan", 0)?;
    ensure!(attempt.stderr.contains(&why), "{attempt:?}");
    ensure!(
        state(&outcome, "exception-level")? == "problem",
        "doctor does not see protected KVM"
    );
    refused(
        &outcome,
        ArmFacts {
            kvm: Some(KvmMode::Protected),
            ..ArmFacts::default()
        },
    )?;

    let outcome = run("arm64_el1_status", &ARM64_EL1, "")?;
    let facts = json!({ "level": "el1", "kvm": null, "psci": "hvc" });
    let status = document(&outcome, "status", 0)?;
    ensure!(status["arm"] == facts, "{:#}", status["arm"]);
    ensure!(attempted(&outcome, "load", 0)?.loaded, "not loaded at EL1");
    ensure!(state(&outcome, "exception-level")? == "ok", "not ok at EL1");
    refused(
        &outcome,
        ArmFacts {
            level: Some(BootLevel::El1),
            ..ArmFacts::default()
        },
    )
}

/// The state of a check of `doctor`.
fn state(outcome: &Outcome, id: &str) -> Result<String> {
    let report = document(outcome, "doctor", 1)?;
    let checks = report["checks"].as_array().into_iter().flatten();
    let mut found = checks.filter(|check| check["id"] == id);
    let state = found.next().and_then(|check| check["state"].as_str());
    state
        .map(str::to_owned)
        .with_context(|| format!("{report:#}"))
}
