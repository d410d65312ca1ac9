//! mbtool on riscv64: a Linux that OpenSBI started, with a device tree, and the Linux that it starts.

use anyhow::{Context, Result, ensure};
use images::assets::LINUX_SID_RISCV64;
use mbtool::backend::BackendError;
use serde_json::{Value, json};
use tests::RISCV64;
use tests::virt_guest::{VirtLoad, attempted, document, run_virt, virt_stage1};
use xen_shim::fix::Fix;

tests::cases! {
    the_machine_is_described_and_a_guest_of_kvm_refused: booted 25 s;
    linux_6_12_starts_linux_6_12: booted 25 s;
    crash_linux_6_12_on_hart_1: booted 45 s, "slow";
    crash_newest_linux_on_hart_1: booted 50 s on LINUX_SID_RISCV64, "slow";
    newest_linux_starts_itself: booted 40 s on LINUX_SID_RISCV64, "slow";
    the_handoff_prints_through_firmware: booted 25 s, "slow";
}

/// Facts of QEMU's machine `virt` with 2 harts and 640 MiB. With another line in the kernel's log it
/// is a guest of KVM, in which kexec would end the VCPU: the kernel's symbols have no trampoline.
fn the_machine_is_described_and_a_guest_of_kvm_refused() -> Result<()> {
    let script = "\
        attempt status mbtool status --json\n\
        attempt text mbtool status\n\
        attempt doctor mbtool doctor --json\n\
        attempt dtb mbtool dtb\n\
        mv /dev/kmsg /tmp/kmsg\n\
        echo '6,0,0,-;SBI implementation ID=0x3 Version=0x60c75' >/dev/kmsg\n\
        attempt guest mbtool status --json\n\
        attempt guest-doctor mbtool doctor --json\n\
        attempt refused mbtool load /image\n\
        attempt refused-crash mbtool load -p /image\n\
        attempt forced mbtool load --force /image\n";
    let stage = virt_stage1(&RISCV64, script)?.file("image", RISCV64.linux.path()?)?;
    let outcome = run_virt("riscv64_status", &RISCV64, 2, stage)?;
    let start = outcome.value("MBTOOL-STAGE1 START ").context("no start")?;
    ensure!(
        start.starts_with("linux=6.12.") && start.contains(" cpus=2 efi=no"),
        "{start}"
    );
    let status = document(&outcome, "status", 0)?;
    for (key, expected) in [
        ("arch", json!("riscv64")),
        ("under", json!("bare")),
        ("backend", json!("linux")),
        ("firmware", json!("sbi")),
        ("loaded", json!(false)),
        ("crash_loaded", json!(false)),
        ("warnings", json!([])),
    ] {
        ensure!(status[key] == expected, "{key}: {status:#}");
    }
    let sbi = &status["sbi"];
    // OpenSBI 1.6 of Debian 13; without a hypervisor the trampoline is not searched for
    ensure!(
        sbi["implementation"]["id"] == 1
            && sbi["implementation"]["version"].as_u64() >= Some(0x10006)
            && sbi["sign"] == "machine-mode"
            && sbi["trampoline"] == Value::Null,
        "{sbi:#}"
    );
    let text = attempted(&outcome, "text", 0)?.stdout;
    let firmware = text.lines().find_map(|line| line.strip_prefix("firmware"));
    let firmware = firmware.context("no firmware")?.trim_start();
    ensure!(
        firmware.starts_with("SBI (OpenSBI 1.") && !text.contains("EBDA"),
        "{text}"
    );
    let report = document(&outcome, "doctor", 1)?;
    for (id, expected) in [
        ("system", "ok"),
        ("kexec", "ok"),
        ("trampoline", "ok"),
        ("loaded", "ok"),
        // booted without crashkernel=
        ("region", "problem"),
    ] {
        ensure!(state(&report, id) == expected, "{id}: {report:#}");
    }
    let dtb = attempted(&outcome, "dtb", 0)?.stdout;
    for part in [
        "compatible = \"riscv-virtio\"",
        "bootargs = \"console=ttyS0",
        "mmode_resv",
    ] {
        ensure!(dtb.contains(part), "{part}: {dtb}");
    }

    let guest = document(&outcome, "guest", 0)?;
    let expected = json!({ "id": 3, "version": 0x60c75 });
    ensure!(
        guest["sbi"]["implementation"] == expected && guest["sbi"]["trampoline"] == false,
        "{guest:#}"
    );
    let report = document(&outcome, "guest-doctor", 1)?;
    ensure!(state(&report, "trampoline") == "problem", "{report:#}");
    let why = BackendError::VcpuEnds.statement();
    for (name, status, loaded) in [
        ("refused", 1, false),
        ("refused-crash", 1, false),
        ("forced", 0, true),
    ] {
        let attempt = attempted(&outcome, name, status)?;
        ensure!(
            attempt.loaded == loaded && attempt.stderr.contains(&why),
            "{name}: {attempt:?}"
        );
    }
    Ok(())
}

/// The state of a check in a document of `doctor`.
fn state<'a>(report: &'a Value, id: &str) -> &'a str {
    let checks = report["checks"].as_array().into_iter().flatten();
    let mut found = checks.filter(|check| check["id"] == id);
    let check = found.next().and_then(|check| check["state"].as_str());
    check.unwrap_or("missing")
}

fn linux_6_12_starts_linux_6_12() -> Result<()> {
    VirtLoad::new(&RISCV64).check("riscv64_load").map(drop)
}

/// All of memory except the firmware's is in the dump.
fn crash_linux_6_12_on_hart_1() -> Result<()> {
    crash_on_hart_1("riscv64_crash", VirtLoad::new(&RISCV64))
}

/// The same with the kernel of Debian's development branch.
fn crash_newest_linux_on_hart_1() -> Result<()> {
    let load = VirtLoad {
        linux: &LINUX_SID_RISCV64,
        ..VirtLoad::new(&RISCV64)
    };
    crash_on_hart_1("riscv64_newest_crash", load)
}

fn crash_on_hart_1(name: &str, load: VirtLoad) -> Result<()> {
    let load = VirtLoad {
        crash_on: Some(1),
        ..load
    };
    let report = load.check(name)?;
    let bytes: u64 = report.get("vmcore")?.parse()?;
    // the kernel is in it twice: by its addresses too
    let kernel = report.plan["image"]["size"].as_u64().context("no size")?;
    let mib = (bytes - kernel) >> 20;
    ensure!(
        (640 - 192 - 8..640 - 192).contains(&mib),
        "/proc/vmcore has {mib} MiB and the kernel's of 640 MiB, without the region of 192"
    );
    Ok(())
}

/// The kernel of Debian's development branch.
fn newest_linux_starts_itself() -> Result<()> {
    let load = VirtLoad {
        linux: &LINUX_SID_RISCV64,
        ..VirtLoad::new(&RISCV64)
    };
    load.check("riscv64_newest").map(drop)
}

/// By the debug console of OpenSBI 1.6, as the kernels' first messages; Debian's kernels have no
/// driver that would give it to user space.
fn the_handoff_prints_through_firmware() -> Result<()> {
    let load = VirtLoad {
        console: format!("earlycon=sbi {}", RISCV64.serial_cmdline()),
        options: "--console sbi",
        ..VirtLoad::new(&RISCV64)
    };
    let report = load.check("riscv64_sbi_console")?;
    let console = &report.plan["handoff"]["console"];
    ensure!(console == "sbi", "{console}");
    Ok(())
}
