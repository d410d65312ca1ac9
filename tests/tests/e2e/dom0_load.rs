//! `mbtool` in a dom0: output, refusals, and load, replace, unload, load, exec with real Xens.

use std::time::Duration;

use anyhow::{Context, Result};
use images::guest::Stage1;
use images::payloads::MB2_RELOC_HIGHEST;
use images::report::{PayloadReport, TagBody};
use serde_json::Value;
use tests::Outcome;
use tests::attempt::{self, Attempt};
use tests::{DEBUG_EXIT, Machine, mbtool_bin};

tests::cases! {
    load_and_leave_xen_4_17: restored 14 s;
    load_and_leave_xen_4_20: restored 14 s;
    the_balloon_makes_room_for_a_large_image: booted 60 s;
}

/// Five times what the slowest takes on two free cores.
const DEADLINE: Duration = Duration::from_secs(300);

/// Sets Bus Master Enable of the disk controller, like a driver.
const BUS_MASTER: &str = "ide=$(grep -l 0x0101 /sys/bus/pci/devices/*/class)\n\
                          printf '\\007' | dd of=${ide%class}config bs=1 seek=4 conv=notrunc\n";

fn run(name: &str, version: &str, xen_args: &str, script: &str) -> Result<Outcome> {
    let stage = attempt::install(Stage1::new(script)?)?
        .file("bin/mbtool", mbtool_bin()?)?
        .bytes("payload", MB2_RELOC_HIGHEST)?;
    Machine::xen(version, xen_args, "", stage.finish()?)?
        .args(DEBUG_EXIT)
        .run(name, DEADLINE, &[])
}

fn bodies(report: &PayloadReport) -> impl Iterator<Item = &TagBody> {
    let tags = report.mbi.iter().flat_map(|mbi| &mbi.tags);
    tags.map(|tag| &tag.body)
}

fn named<'a>(attempts: &'a [Attempt], name: &str) -> Result<&'a Attempt> {
    attempts
        .iter()
        .find(|attempt| attempt.name == name)
        .with_context(|| format!("no attempt {name}"))
}

fn load_and_leave(version: &str) -> Result<()> {
    let script = format!(
        "attempt none mbtool exec -f\n\
         attempt nothing mbtool unload\n\
         attempt linux mbtool load --backend linux /payload\n\
         attempt panic mbtool load --backend linux -p /payload\n\
         mbtool status --json >/tmp/before\n\
         show before /tmp/before\n\
         attempt first mbtool load --console com1 /payload\n\
         attempt second mbtool load --console com1 /payload\n\
         mbtool status --json >/tmp/loaded\n\
         show loaded /tmp/loaded\n\
         attempt text mbtool status\n\
         attempt unload mbtool unload\n\
         attempt again mbtool unload\n\
         attempt orderly mbtool exec\n\
         mbtool load --console com1 --cmdline 'alpha=1 omega' /payload\n\
         attempt init mbtool exec\n\
         {BUS_MASTER}\
         mbtool exec -f\n"
    );
    let name = format!("dom0_load_{version}");
    let outcome = run(&name, version, "crashkernel=256M@256M", &script)?;
    let report = outcome.report()?;
    let cmdline =
        |body: &TagBody| matches!(body, TagBody::Cmdline { text, .. } if text == "alpha=1 omega");
    assert!(bodies(&report).any(cmdline), "{report:?}");
    assert!(report.image.sha256_valid);

    let attempts = attempt::attempts(&outcome)?;
    let check = |name: &str, status: i32, part: &str| -> Result<()> {
        let tried = named(&attempts, name)?;
        assert_eq!(tried.status, status, "{name}: {}", tried.stderr);
        let all = format!("{}{}", tried.stdout, tried.stderr);
        assert!(all.contains(part), "{name}: {part:?} is not in {all:?}");
        assert!(!tried.loaded, "{name}: Linux has an image");
        Ok(())
    };
    check("none", 1, "run `mbtool load` first")?;
    check("nothing", 0, "no image was loaded")?;
    check("linux", 1, "loads through Xen")?;
    check("panic", 1, "loads through Xen")?;
    check("first", 0, &format!("image loaded through Xen {version}."))?;
    check("second", 0, "replacing the previous one")?;
    check("text", 0, "loaded: /payload")?;
    check(
        "text",
        0,
        "crash region     0x10000000-0x20000000 (256 MiB)",
    )?;
    check("unload", 0, "image unloaded")?;
    check("again", 0, "no image was loaded")?;
    check("orderly", 1, "run `mbtool load` first")?;
    check("init", 1, "only systemd can be told to")?;
    for line in [
        "mbtool: leaving Xen for /payload",
        "mbtool: no file system on a disk is writable",
        "mbtool: 0 network interfaces down",
        "mbtool: bus mastering off: 1 PCI devices",
        "mbtool: jumping into the loaded image",
    ] {
        assert!(
            outcome.lines.iter().any(|l| l == line),
            "{line}: {}",
            outcome.describe()
        );
    }

    let before: Value = serde_json::from_str(&attempt::file(&outcome, "before")?)?;
    assert_eq!(before["under"], "xen-pv-dom0");
    assert_eq!(before["backend"], "xen");
    assert_eq!(before["loaded"], false);
    let kexec = &before["xen_kexec"];
    assert!(
        kexec["version"]
            .as_str()
            .is_some_and(|v| v.starts_with(version)),
        "{kexec}"
    );
    assert_eq!(kexec["crash_area"]["start"], 0x1000_0000);
    assert_eq!(kexec["crash_area"]["end"], 0x2000_0000);
    assert!(
        kexec["heap_free"]
            .as_u64()
            .is_some_and(|free| free > 16 << 20),
        "{kexec}"
    );
    assert_eq!(kexec["default"]["xen_status"], false);
    let loaded: Value = serde_json::from_str(&attempt::file(&outcome, "loaded")?)?;
    let place = &loaded["xen_kexec"]["default"];
    assert_eq!(loaded["loaded"], true);
    assert_eq!(place["loaded"]["image"], "/payload");
    assert_eq!(place["loaded"]["damaged"], Value::Null);
    // loaded twice: this is Xen's status of a loaded image
    assert_eq!(place["xen_status"], false);
    assert_eq!(place["changed_by_others"], false);
    Ok(())
}

fn load_and_leave_xen_4_17() -> Result<()> {
    load_and_leave("4.17")
}

fn load_and_leave_xen_4_20() -> Result<()> {
    load_and_leave("4.20")
}

/// dom0 has all memory except Xen's; the image needs more than that.
fn the_balloon_makes_room_for_a_large_image() -> Result<()> {
    let target = "/sys/devices/system/xen_memory/xen_memory0/target_kb";
    let script = format!(
        "show at-first {target}\n\
         mbtool status --json >/tmp/before\n\
         show before /tmp/before\n\
         truncate -s 256M /tmp/big\n\
         attempt load mbtool load --console com1 --module-raw /tmp/big /payload\n\
         show smaller {target}\n\
         attempt unload mbtool unload\n\
         show back {target}\n\
         truncate -s 1300M /tmp/big\n\
         attempt huge mbtool load --console com1 --module-raw /tmp/big /payload\n\
         show kept {target}\n\
         truncate -s 256M /tmp/big\n\
         mbtool load --console com1 --module-raw /tmp/big /payload\n\
         mbtool exec -f\n"
    );
    let outcome = run("dom0_balloon", "4.20", "", &script)?;
    let number = |name: &str| -> Result<u64> { Ok(attempt::file(&outcome, name)?.trim().parse()?) };
    let before: Value = serde_json::from_str(&attempt::file(&outcome, "before")?)?;
    let free = before["xen_kexec"]["heap_free"]
        .as_u64()
        .context("no heap")?;
    let (first, smaller) = (number("at-first")?, number("smaller")?);
    let given = (first - smaller) << 10;
    assert!(
        free < 256 << 20,
        "no need for a balloon: {free} bytes are free"
    );
    assert!(
        free + given > 258 << 20 && free + given < 300 << 20,
        "{free} + {given}"
    );
    assert_eq!(number("back")?, first);
    assert_eq!(number("kept")?, first);
    let attempts = attempt::attempts(&outcome)?;
    let load = named(&attempts, "load")?;
    assert!(
        load.status == 0 && load.stderr.contains("dom0's balloon freed"),
        "{}",
        load.stderr
    );
    let huge = named(&attempts, "huge")?;
    assert!(
        huge.status == 1 && huge.stderr.contains("dom0_mem=SIZE"),
        "{}",
        huge.stderr
    );
    let report = outcome.report()?;
    let module = |body: &TagBody| matches!(body, TagBody::Module { start, end, .. } if end - start == 256 << 20);
    assert_eq!(
        bodies(&report).filter(|body| module(body)).count(),
        1,
        "{report:?}"
    );
    Ok(())
}
