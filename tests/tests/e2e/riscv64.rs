//! mbtool on riscv64: a Linux that OpenSBI started, with a device tree.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tests::RISCV64;
use tests::virt_guest::{attempted, document, run_virt};

tests::cases! {
    the_machine_is_described_6_12: booted 15 s;
}

/// Facts of QEMU's machine `virt` with 2 harts and 640 MiB.
fn the_machine_is_described_6_12() -> Result<()> {
    let script = "\
        attempt status mbtool status --json\n\
        attempt text mbtool status\n\
        attempt doctor mbtool doctor --json\n\
        attempt dtb mbtool dtb\n\
        attempt plan mbtool plan --json /bin/busybox\n";
    let outcome = run_virt("riscv64_status", &RISCV64, 2, script)?;
    let start = outcome.value("MBTOOL-STAGE1 START ").context("no start")?;
    ensure!(
        start.starts_with("linux=6.12.") && start.contains(" cpus=2 efi=no"),
        "{start}"
    );
    let status = document(&outcome, "status", 0)?;
    ensure!(status["under"] == "bare", "{status:#}");
    ensure!(status["loaded"] == json!(false), "{status:#}");
    let dtb = attempted(&outcome, "dtb", 0)?.stdout;
    for part in [
        "compatible = \"riscv-virtio\"",
        "bootargs = \"console=ttyS0",
    ] {
        ensure!(dtb.contains(part), "{part}: {dtb}");
    }
    Ok(())
}
