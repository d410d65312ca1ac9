//! `mbtool doctor` in running guests: a machine that is ready, and its findings on machines that are not.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use images::assets::{LINUX_6_1, XEN_4_17};
use images::guest::Stage1;
use serde_json::Value;
use tests::attempt::{self, Attempt, attempts};
use tests::{Firmware, Machine, Outcome, mbtool_bin};

tests::cases! {
    doctor_on_linux_that_is_ready_and_when_loading_is_disabled: booted 10 s;
    doctor_on_linux_that_is_locked_down_without_a_region: booted 10 s;
    doctor_in_dom0: booted 30 s;
}

/// Some ten times what a boot takes on two free cores.
const DEADLINE: Duration = Duration::from_secs(240);
const END: &str = "MBTOOL-STAGE1 END";
const MOUNT: &str = "mount -t securityfs securityfs /sys/kernel/security\n";

fn stage(script: &str) -> Result<Stage1> {
    attempt::install(Stage1::new(script)?)?
        .file("bin/mbtool", mbtool_bin()?)?
        .bytes("etc/passwd", b"nobody:x:65534:65534::/:/bin/sh\n")?
        .file("vmlinuz", LINUX_6_1.path()?)
}

/// Returns the document of an attempt, which ended with `status`.
fn document(outcome: &Outcome, name: &str, status: i32) -> Result<Value> {
    let all = attempts(outcome)?;
    let Attempt {
        status: found,
        stdout,
        stderr,
        ..
    } = all
        .iter()
        .find(|attempt| attempt.name == name)
        .with_context(|| format!("{name} was not tried: {}", outcome.describe()))?;
    ensure!(*found == status, "{name}: {found}: {stderr}\n{stdout}");
    let printed = status == 0 || stderr.contains("mbtool: problems found: ");
    ensure!(printed, "{name}: {stderr}");
    serde_json::from_str(stdout).with_context(|| format!("{name}: {stdout}"))
}

/// Returns the check of this name: state, finding, fix.
fn check<'a>(document: &'a Value, id: &str) -> Result<[&'a str; 3]> {
    let checks = document["checks"].as_array().context("no checks")?;
    let check = checks.iter().find(|check| check["id"] == id);
    let check = check.with_context(|| format!("no check {id}: {document:#}"))?;
    Ok(["state", "found", "fix"].map(|key| check[key].as_str().unwrap_or_default()))
}

/// Compares states, and searches for a part of the finding or the fix.
fn expect(document: &Value, expected: &[(&str, &str, &str)]) -> Result<()> {
    for (id, state, part) in expected {
        let found = check(document, id)?;
        let printed = found[1].contains(part) || found[2].contains(part);
        ensure!(
            found[0] == *state && printed,
            "{id}: {state}, {part:?}: {found:?}"
        );
    }
    Ok(())
}

/// The ids of the checks that are problems.
fn problems(document: &Value) -> Vec<&str> {
    let checks = document["checks"].as_array().into_iter().flatten();
    let problems = checks.filter(|check| check["state"] == "problem");
    problems.filter_map(|check| check["id"].as_str()).collect()
}

fn doctor_on_linux_that_is_ready_and_when_loading_is_disabled() -> Result<()> {
    let script = format!(
        "{MOUNT}\
         attempt good mbtool doctor --json --cmdline nr_cpus=1 /vmlinuz\n\
         attempt text mbtool doctor\n\
         attempt nobody su nobody -s /bin/sh -c 'mbtool doctor --json'\n\
         mbtool load -p --cmdline nr_cpus=1 /vmlinuz\n\
         echo 1 >/proc/sys/kernel/kexec_load_disabled\n\
         attempt hardened mbtool doctor --json\n"
    );
    let outcome = Machine::stage1(Firmware::SeaBios, stage(&script)?.finish()?)?
        .linux(&LINUX_6_1)?
        .append("crashkernel=256M oops=panic")
        .cpus(2)
        .memory_mib(1024)
        .run("doctor_ready", DEADLINE, &[END])?
        .ended_with(END)?;
    let good = document(&outcome, "good", 0)?;
    ensure!(
        problems(&good).is_empty() && good["ready"] == true,
        "{good:#}"
    );
    expect(
        &good,
        &[
            ("system", "ok", "bare Linux, Linux 6.1"),
            ("rights", "ok", ""),
            ("kexec", "ok", "/proc/kallsyms"),
            ("sysctl", "ok", "no limit"),
            ("lockdown", "ok", "none"),
            ("crashkernel", "ok", "crashkernel=256M"),
            ("region", "ok", "(256 MiB)"),
            ("position", "ok", "below 4 GiB"),
            ("image", "ok", "vmlinuz (linux) would be loaded"),
            ("size", "ok", "of the 256 MiB that are reserved"),
            ("dump", "ok", "the registers of 2 CPUs, VMCOREINFO at 0x"),
            ("cpus", "ok", "APIC id 0; 2 CPUs are online"),
            ("crash-image", "warning", "mbtool load -p"),
            ("loaded", "ok", "no image"),
            ("panic", "ok", "kernel.panic is -1"),
            ("oops", "ok", "is 1"),
            ("iommu", "ok", "none in use"),
            ("interrupts", "ok", "not remapped"),
            ("console", "ok", "pio:0x3f8"),
            ("setup", "warning", "mbtool crash install"),
        ],
    )?;

    let all = attempts(&outcome)?;
    let text = all.iter().find(|attempt| attempt.name == "text");
    let text = &text.context("no text")?.stdout;
    for line in [
        "ok       region: 0x",
        "unknown  size: 256 MiB are reserved; whether that is enough depends on the image\n",
        "\n           fix: name the crash image as for load: mbtool doctor IMAGE",
        "\nready: 0 problems, ",
    ] {
        ensure!(text.contains(line), "{line:?} is missing in\n{text}");
    }

    let nobody = document(&outcome, "nobody", 0)?;
    expect(
        &nobody,
        &[
            ("rights", "unknown", "run mbtool as root"),
            (
                "region",
                "unknown",
                "256 MiB are reserved; the address is unknown",
            ),
            ("dump", "unknown", "run mbtool doctor as root"),
        ],
    )?;

    // as configured deliberately: nothing can replace the crash image
    let hardened = document(&outcome, "hardened", 0)?;
    expect(
        &hardened,
        &[
            ("sysctl", "warning", "kernel.kexec_load_disabled is 1"),
            ("crash-image", "ok", "loaded"),
        ],
    )
}

fn doctor_on_linux_that_is_locked_down_without_a_region() -> Result<()> {
    let script = format!(
        "attempt hidden mbtool doctor --json\n\
         {MOUNT}\
         echo 1 >/proc/sys/kernel/kexec_load_disabled\n\
         attempt locked mbtool doctor --json --cmdline nr_cpus=1 /vmlinuz\n"
    );
    let outcome = Machine::stage1(Firmware::SeaBios, stage(&script)?.finish()?)?
        .linux(&LINUX_6_1)?
        .append("lockdown=integrity")
        .memory_mib(1024)
        .run("doctor_locked", DEADLINE, &[END])?
        .ended_with(END)?;
    let hidden = document(&outcome, "hidden", 1)?;
    expect(&hidden, &[("lockdown", "unknown", "mount -t securityfs")])?;
    ensure!(problems(&hidden) == ["region"], "{hidden:#}");
    let locked = document(&outcome, "locked", 1)?;
    ensure!(
        problems(&locked) == ["sysctl", "lockdown", "region"],
        "{locked:#}"
    );
    expect(
        &locked,
        &[
            ("sysctl", "problem", "kernel.kexec_load_disabled is 1"),
            (
                "lockdown",
                "problem",
                "([integrity]): kexec_load(2) is refused",
            ),
            (
                "lockdown",
                "problem",
                "remove lockdown= from the kernel command line",
            ),
            (
                "region",
                "problem",
                "to the kernel's command line and reboot",
            ),
            ("image", "unknown", "without a region"),
        ],
    )?;
    // computed for this image of 8 MB, which unpacks to about 60
    let fix = check(&locked, "region")?[2];
    let mib = fix
        .split_once("crashkernel=")
        .and_then(|(_, rest)| rest.split_once('M'))
        .and_then(|(mib, _)| mib.parse::<u64>().ok());
    ensure!(mib.is_some_and(|mib| (128..=224).contains(&mib)), "{fix}");
    Ok(())
}

fn doctor_in_dom0() -> Result<()> {
    let script = "rc=0\n\
         mbtool doctor --json >/tmp/plain || rc=$?\n\
         echo EXIT-PLAIN $rc\n\
         show plain /tmp/plain\n\
         rc=0\n\
         mbtool doctor --json --cmdline noreboot --module '/vmlinuz console=hvc0' /xen.gz >/tmp/image || rc=$?\n\
         echo EXIT-IMAGE $rc\n\
         show image /tmp/image\n";
    let initrd = stage(script)?.file("xen.gz", XEN_4_17.path()?)?.finish()?;
    let xen_args = "crashkernel=128M@256M noreboot";
    let outcome = Machine::xen("4.17", xen_args, "crashkernel=64M", initrd)?
        .run("doctor_in_dom0", DEADLINE, &[END])?
        .ended_with(END)?;
    let document =
        |name| -> Result<Value> { Ok(serde_json::from_str(&attempt::file(&outcome, name)?)?) };
    let plain = document("plain")?;
    ensure!(problems(&plain).is_empty(), "{plain:#}");
    ensure!(
        outcome.value("EXIT-PLAIN ") == Some("0"),
        "{}",
        outcome.describe()
    );
    expect(
        &plain,
        &[
            ("system", "ok", "Xen PV dom0"),
            ("xen", "ok", "Xen 4.17"),
            ("rights", "ok", ""),
            ("crashkernel", "warning", "crashkernel=128M@256M on Xen's"),
            (
                "crashkernel",
                "warning",
                "crashkernel=64M on the command line of dom0",
            ),
            ("region", "ok", "0x10000000-0x18000000 (128 MiB)"),
            ("dump", "ok", "Xen's at 0x"),
            ("cpus", "ok", "APIC id 0"),
            ("crash-image", "warning", "not loaded by mbtool"),
            (
                "xen-panic",
                "warning",
                "take noreboot off Xen's command line",
            ),
            ("iommu", "ok", "machine addresses"),
        ],
    )?;
    let image = document("image")?;
    ensure!(problems(&image) == ["size"], "{image:#}");
    ensure!(
        outcome.value("EXIT-IMAGE ") == Some("1"),
        "{}",
        outcome.describe()
    );
    expect(
        &image,
        &[
            ("size", "problem", "(128 MiB) is too small: loading takes "),
            ("size", "problem", "M,below=4G on Xen's command line"),
        ],
    )
}
