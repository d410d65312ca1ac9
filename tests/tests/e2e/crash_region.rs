//! If nothing, too little, or unreachable memory is reserved for a crash image, `load -p` prints a
//! sufficient size; `crash size` prints the same, and with exactly that size the load succeeds. `crash load` does the
//! same where standard error is closed, full, or has no reader.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use images::assets;
use images::guest::{self, STAGE1, Stage1, Stage1Initrd};
use tests::{FIRST_LINUX, Firmware, Machine, Outcome, known_pages_bin, mbtool_bin};

tests::cases! {
    crash_region_missing: booted 30 s;
    crash_region_missing_in_dom0: booted 14 s, "slow";
    crash_region_too_small: booted 22 s;
    crash_region_above_4_gib: booted 14 s;
}

const DEADLINE: Duration = Duration::from_secs(300);

/// Images with their options, and functions that use them.
const IMAGES: &str = "linux='/vmlinuz --initrd /crash-initrd --cmdline nr_cpus=1'\n\
    xen='/xen.gz --module /vmlinuz --initrd /crash-initrd --cmdline console=com1'\n\
    refused() {\n\
    \trc=0\n\
    \tmbtool load -p $2 2>/printed || rc=$?\n\
    \tcat /printed\n\
    \techo REFUSED $1 $rc $(tail -n 1 /printed)\n\
    \tmbtool crash size $2 >/size\n\
    \techo SIZE $1 $(head -n 1 /size) $(tail -n 1 /size)\n\
    }\n\
    loaded() {\n\
    \tmbtool load -p $2\n\
    \techo LOADED $1 $(mbtool crash size $2 | tail -n 1)\n\
    \tmbtool unload -p\n\
    }\n";

/// `crash load` with a standard error that works, is closed, full, open for reading only, and a pipe without a reader (as
/// of a journal that has ended): prints the exit code, and whether an image is loaded.
const STREAMS: &str = "set +x\n\
    printf '[load]\\nimage=\"/vmlinuz\"\\ncmdline=\"nr_cpus=1\"\\ninitrd=[\"/crash-initrd\"]\\n' >/crash.toml\n\
    crash_load() { mbtool crash load --config /crash.toml; }\n\
    result() {\n\
    \techo STREAM $1 $2 $(cat /sys/kernel/kexec_crash_loaded)\n\
    \tmbtool unload -p\n\
    }\n\
    rc=0; crash_load || rc=$?; result works $rc\n\
    rc=0; crash_load 2>&- || rc=$?; result closed $rc\n\
    rc=0; crash_load 2>/dev/full || rc=$?; result full $rc\n\
    rc=0; crash_load 2</dev/null || rc=$?; result read-only $rc\n\
    { sleep 0.2; rc=0; crash_load || rc=$?; echo $rc >/rc; } 2>&1 | true\n\
    result pipe $(cat /rc)\n\
    set -x\n";

/// Checks the results of [`STREAMS`]: exit code, and whether an image is loaded.
fn streams(outcome: &Outcome, expected: &str) -> Result<()> {
    for stream in ["works", "closed", "full", "read-only", "pipe"] {
        let found = outcome.value(&format!("STREAM {stream} "));
        ensure!(
            found == Some(expected),
            "standard error {stream}: {found:?}, not {expected}: {}",
            outcome.describe()
        );
    }
    Ok(())
}

fn initrd(xen: &str, script: &str) -> Result<Stage1Initrd> {
    let (crash_initrd, _) = guest::crash_initrd(known_pages_bin()?, "")?;
    Stage1::new(&format!("{IMAGES}{script}"))?
        .file("bin/mbtool", mbtool_bin()?)?
        .file("vmlinuz", FIRST_LINUX.path()?)?
        .file("xen.gz", assets::xen(xen)?.path()?)?
        .bytes("crash-initrd", &crash_initrd)?
        .finish()
}

fn linux(parameters: &str, script: &str) -> Result<Machine> {
    Ok(Machine::stage1(Firmware::SeaBios, initrd("4.20", script)?)?.append(parameters))
}

fn run(machine: Machine, memory_mib: u32, name: &str) -> Result<Outcome> {
    let end = format!("{STAGE1}END");
    machine
        .memory_mib(memory_mib)
        .run(name, DEADLINE, &[&end])?
        .ended_with(&end)
}

/// Checks the output about `image`, which contains `parts`, and the parameter that both
/// verbs print.
fn refused(outcome: &Outcome, image: &str, parts: &[&str]) -> Result<String> {
    let printed = outcome.value(&format!("REFUSED {image} 1 "));
    let printed =
        printed.with_context(|| format!("{image} is not refused: {}", outcome.describe()))?;
    for part in parts {
        ensure!(printed.contains(part), "{part:?} is missing in {printed:?}");
    }
    let size = outcome.value(&format!("SIZE {image} "));
    let size = size.with_context(|| format!("no size: {}", outcome.describe()))?;
    let (parameter, _) = size.split_once(' ').context(size.to_owned())?;
    ensure!(parameter.starts_with("crashkernel="), "{size}");
    ensure!(
        printed.contains(&format!(" {parameter} ")),
        "not {parameter}, but {printed:?}"
    );
    Ok(parameter.to_owned())
}

/// Loads with exactly the advised size.
fn loaded(outcome: &Outcome, image: &str) -> Result<()> {
    let printed = outcome.value(&format!("LOADED {image} "));
    let printed =
        printed.with_context(|| format!("{image} is not loaded: {}", outcome.describe()))?;
    ensure!(printed.ends_with(", which is enough."), "{printed}");
    Ok(())
}

fn crash_region_missing() -> Result<()> {
    let script = format!("refused linux \"$linux\"\nrefused xen \"$xen\"\n{STREAMS}");
    let machine = linux("", &script)?;
    let outcome = run(machine, 1024, "crash_region_missing")?;
    let parts = [
        "no memory is reserved for a crash image; add crashkernel=",
        "M (or more) to the kernel's command line and reboot",
    ];
    refused(&outcome, "linux", &parts)?;
    streams(&outcome, "1 0")?;
    let advised = refused(&outcome, "xen", &parts)?;
    let script = format!("loaded xen \"$xen\"\nloaded linux \"$linux\"\n{STREAMS}");
    let machine = linux(&advised, &script)?;
    let outcome = run(machine, 1536, "crash_region_as_advised")?;
    loaded(&outcome, "linux")?;
    loaded(&outcome, "xen")?;
    streams(&outcome, "0 1")
}

fn crash_region_missing_in_dom0() -> Result<()> {
    let machine =
        |parameters: &str, script| Machine::xen("4.17", parameters, "", initrd("4.17", script)?);
    let outcome = run(
        machine("", "refused xen \"$xen\"\n")?,
        1024,
        "crash_region_missing_in_dom0",
    )?;
    let parts = [
        "no memory is reserved for a crash image; add crashkernel=",
        "M,below=4G (or more) to Xen's command line (not dom0's) and reboot",
    ];
    let advised = refused(&outcome, "xen", &parts)?;
    let machine = machine(&advised, "loaded xen \"$xen\"\n")?;
    let outcome = run(machine, 1536, "crash_region_as_advised_in_dom0")?;
    loaded(&outcome, "xen")
}

fn crash_region_too_small() -> Result<()> {
    let script = "refused linux \"$linux\"\nrefused xen \"$xen\"\n";
    let outcome = run(
        linux("crashkernel=48M", script)?,
        1024,
        "crash_region_too_small",
    )?;
    let parts = [
        "the crash region 0x",
        "(48 MiB) is too small: loading takes ",
        "; reserve more with crashkernel=",
        "M on the running kernel's command line, which includes memory for the crash kernel to run \
         in",
    ];
    let advised = refused(&outcome, "linux", &parts)?;
    refused(
        &outcome,
        "linux",
        &["(vmlinuz ", "saved low memory 636 KiB"],
    )?;
    let more = refused(&outcome, "xen", &parts)?;
    refused(&outcome, "xen", &["copy of dom0's range "])?;
    ensure!(advised != more, "{advised}");
    Ok(())
}

/// `,high` reserves 512 MiB above 4 GiB, and a small region below for devices.
fn crash_region_above_4_gib() -> Result<()> {
    let machine = linux("crashkernel=512M,high", "refused xen \"$xen\"\n")?;
    let outcome = run(machine, 6144, "crash_region_above_4_gib")?;
    let parts = [
        "the crash region 0x1",
        "ends above 4 GiB",
        "replace it by crashkernel=",
        "M (or more) on the kernel's command line and reboot",
    ];
    refused(&outcome, "xen", &parts)?;
    Ok(())
}
