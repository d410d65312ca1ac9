//! A running Linux starts another one by its PVH entry: an uncompressed kernel, entered in 32-bit
//! mode with a start info structure.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use images::assets::{self, Asset, BUSYBOX, LINUX_6_1, LINUX_6_12, OVMF, QEMU};
use images::guest::{self, DOM0, Stage1};
use tests::attempt;
use tests::plan_json::{PlanJson, number};
use tests::{FIRST_LINUX, Firmware, Machine, emulated, mbtool_bin, vmlinux};

tests::cases! {
    linux_6_1_on_seabios: booted 14 s;
    linux_6_12_on_ovmf: booted 14 s;
}

/// Five times what it takes on two free cores.
const DEADLINE: Duration = Duration::from_secs(300);
/// PVH's mark on the kernel's command line, which the first kernel does not have.
const CMDLINE: &str = concat!(
    "console=ttyS0,115200 panic=-1 ",
    emulated!(),
    " started-by=pvh"
);

fn boots(test: &str, kernel: &'static Asset, release: &str, firmware: Firmware) -> Result<()> {
    let mut wanted = vec![&BUSYBOX, FIRST_LINUX, kernel, &QEMU];
    if firmware == Firmware::Ovmf {
        wanted.push(&OVMF);
    }
    assets::require(&wanted)?;
    let (initrd, digest) = guest::dom0_initrd()?;
    let script = format!(
        "set -- --type elf --cmdline '{CMDLINE}' --initrd /initrd2 /vmlinux\n\
         mbtool plan --json \"$@\" >/tmp/plan\n\
         show plan /tmp/plan\n\
         mbtool load \"$@\"\n\
         mbtool exec -f\n"
    );
    let stage = attempt::install(Stage1::new(&script)?)?
        .file("bin/mbtool", mbtool_bin()?)?
        .bytes("vmlinux", &vmlinux::extract(kernel.path()?)?)?
        .bytes("initrd2", &initrd)?;
    let end = format!("{DOM0}END");
    let outcome = Machine::stage1(firmware, stage.finish()?)?
        .run(test, DEADLINE, &[&end])?
        .ended_with(&end)?;
    let log = outcome.log.display().to_string();
    let printed = |key: &str| {
        let value = outcome.value(&format!("{DOM0}{key}="));
        value.with_context(|| format!("no {key}, see {log}"))
    };
    ensure!(printed("cmdline")? == CMDLINE, "{}", printed("cmdline")?);
    ensure!(
        printed("linux")?.starts_with(release),
        "{}",
        printed("linux")?
    );
    ensure!(
        printed("digest")? == digest.to_string(),
        "the initrd is damaged"
    );
    ensure!(printed("cpus")? == "2", "{} CPUs", printed("cpus")?);
    let tables: u32 = printed("acpi-tables")?.parse()?;
    ensure!(tables > 3, "{tables} ACPI tables");
    let kib: u64 = printed("mem")?.trim_end_matches("KiB").parse()?;
    ensure!(kib > 1_800_000, "{kib} KiB of memory");

    let plan = PlanJson::parse(&attempt::file(&outcome, "plan")?)?;
    assert_eq!(plan.at("/image/type")?, "pvh");
    assert_eq!(plan.at("/exit/mode")?, "pvh-i386");
    let info = plan.segment("start_info")?;
    assert_eq!(plan.number("/exit/registers/ebx")?, info.start);
    assert_eq!(plan.at("/start_info/cmdline")?, CMDLINE);
    let initrd_at = plan.segment("module 0: initrd2")?.start;
    assert_eq!(number(plan.at("/start_info/modules/0/start")?)?, initrd_at);
    let rsdp = plan.number("/low_memory/rsdp/addr")?;
    assert_eq!(plan.number("/start_info/rsdp")?, rsdp);
    // the kernel itself prints the tables
    let found = format!("ACPI: RSDP {rsdp:#018X}").replace("0X", "0x");
    ensure!(outcome.contains(&found), "no {found:?}, see {log}");
    let jump = "(pvh, 32-bit)";
    ensure!(outcome.contains(jump), "no {jump:?}, see {log}");
    Ok(())
}

fn linux_6_1_on_seabios() -> Result<()> {
    boots("pvh_6_1_seabios", &LINUX_6_1, "6.1.", Firmware::SeaBios)
}

/// Debian 13's kernel, on a machine where no scan finds the ACPI root pointer.
fn linux_6_12_on_ovmf() -> Result<()> {
    boots("pvh_6_12_ovmf", &LINUX_6_12, "6.12.", Firmware::Ovmf)
}
