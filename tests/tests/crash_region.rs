//! What `load -p` says where nothing, or too little, is reserved for a crash image.

use std::time::Duration;

use anyhow::{Result, ensure};
use images::assets::LINUX_6_1;
use images::guest::{STAGE1, Stage1};
use tests::{Firmware, Machine, mbtool_bin};

const DEADLINE: Duration = Duration::from_secs(240);

/// The last line that a refused load writes, in a first stage.
const SCRIPT: &str = "rc=0\n\
    mbtool load -p /vmlinuz --cmdline nr_cpus=1 2>/said || rc=$?\n\
    cat /said\n\
    echo REFUSED $rc $(tail -n 1 /said)\n";

fn initrd() -> Result<Vec<u8>> {
    Stage1::new(SCRIPT)?
        .file("bin/mbtool", mbtool_bin()?)?
        .file("vmlinuz", LINUX_6_1.path()?)?
        .finish()
}

/// The last line of what mbtool says on `machine`.
fn refused(machine: Machine, name: &str) -> Result<String> {
    let end = format!("{STAGE1}END");
    let outcome = machine
        .memory_mib(1024)
        .run(name, DEADLINE, &[&end])?
        .ended_with(&end)?;
    let said = outcome.value("REFUSED 1 ").unwrap_or_default().to_owned();
    ensure!(!said.is_empty(), "not refused: {}", outcome.describe());
    Ok(said)
}

#[test]
fn crash_region_missing_in_dom0() -> Result<()> {
    let machine = Machine::xen("4.17", "", "", initrd()?)?;
    let said = refused(machine, "crash_region_missing_in_dom0")?;
    let expected = "no memory is reserved for a crash image: add crashkernel=";
    ensure!(said.contains(expected), "{said}");
    ensure!(said.contains("M,below=4G"), "{said}");
    ensure!(said.contains("Xen's command line"), "{said}");
    Ok(())
}

#[test]
fn crash_region_too_small() -> Result<()> {
    let machine = Machine::new(Firmware::SeaBios, LINUX_6_1.path()?)
        .append("console=ttyS0,115200 quiet panic=-1 no_timer_check crashkernel=48M")
        .initrd(initrd()?);
    let said = refused(machine, "crash_region_too_small")?;
    for part in [
        "the crash region 0x",
        "(48 MiB) is too small: loading takes ",
        "(vmlinuz ",
        "saved low memory 636 KiB",
        "; reserve more with crashkernel=",
        "M on the running kernel's command line, which leaves room to run",
    ] {
        ensure!(said.contains(part), "{part:?} is missing in {said:?}");
    }
    Ok(())
}
