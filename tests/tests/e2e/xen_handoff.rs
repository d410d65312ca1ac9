//! The handoff, entered by real Xens: an orderly exec, a crash on a CPU other than 0, and pages that Xen lost.

use std::time::Duration;

use anyhow::Result;
use images::guest::Stage1;
use tests::{DEBUG_EXIT, Machine, Outcome, xen_guest_bin};

tests::cases! {
    xen_4_17_enters_it: booted 14 s;
    xen_4_20_enters_it: booted 14 s;
    xen_4_17_crashes_into_it_on_an_application_cpu: restored 14 s;
    xen_4_20_crashes_into_it_on_an_application_cpu: restored 14 s;
    pages_that_xen_4_17_lost_are_counted: restored 14 s;
    pages_that_xen_4_20_lost_are_counted: restored 14 s;
}

const DEADLINE: Duration = Duration::from_secs(360);
/// Line after a fault or a failed verification.
const RESET: &str = "[handoff] resetting the machine";

fn boot(name: &str, version: &str, script: &str, markers: &[&str]) -> Result<Outcome> {
    let initrd = Stage1::new(script)?
        .file("bin/xen-guest", xen_guest_bin()?)?
        .finish()?;
    // dom0 of a fixed size, so that Linux does not use Xen's free memory
    // meanwhile
    let arguments = "crashkernel=128M@256M dom0_mem=768M,max:768M dom0_vcpus_pin";
    Machine::xen(version, arguments, "", initrd)?
        .memory_mib(1024)
        .args(DEBUG_EXIT)
        .failures(&["MBTOOL-STAGE1 FAIL", "EXCEPTION"])
        .run(&format!("xen_handoff_{name}_{version}"), DEADLINE, markers)
}

/// Checks that the payload runs, is intact, and that Xen was detected.
fn arrives(name: &str, version: &str, script: &str, cpu: &str) -> Result<Outcome> {
    let outcome = boot(name, version, script, &[])?;
    let report = outcome.report()?;
    let who = format!(", entered by xen in long mode on {cpu}, ");
    assert!(outcome.contains(&who), "{}", outcome.describe());
    let state = outcome.value("[handoff] entry cr0 ").unwrap_or_default();
    for known in [
        "0x80000033 ",
        " cr4 0x20 efer 0xd01 ",
        " cs 0xe008 ds 0x0 es 0x0 fs 0x0 ",
        " ss 0x0 tr 0xe040 ",
    ] {
        assert!(state.contains(known), "{known}: {}", outcome.describe());
    }
    assert!(report.image.sha256_valid && report.bss.first_dirty.is_none());
    Ok(outcome)
}

/// Moved from the crash area, with its `.bss` cleared.
fn runs(version: &str) -> Result<()> {
    arrives("run", version, "xen-guest run\n", "the boot CPU").map(|_| ())
}

/// dom0 panics on CPU 1, which continues.
fn crashes(version: &str) -> Result<()> {
    let script = "xen-guest crash\ntaskset 2 sh -c 'echo c > /proc/sysrq-trigger'\n";
    let outcome = arrives("crash", version, script, "an application CPU, apic id 1")?;
    let printed = outcome.contains("Executing kexec image on cpu1");
    assert!(printed, "{}", outcome.describe());
    Ok(())
}

/// Data in free memory of Xen's heap: the handoff names the segment and counts lost pages. Segments
/// loaded after it are intact.
fn loses_pages(version: &str) -> Result<()> {
    let outcome = boot("heap", version, "xen-guest heap\n", &[RESET])?.ended_with(RESET)?;
    let lost = outcome.value("[handoff] heap: lost ").unwrap_or_default();
    let (count, rest) = lost.split_once(" page(s), first at 0x").unwrap_or_default();
    let why = ": equal to physical page 0 (Xen kimage_alloc_page)";
    assert!(rest.ends_with(why), "{}", outcome.describe());
    assert!(count.parse::<u32>()? > 0, "{lost}");
    let all = format!("[handoff] lost {count} page(s) in all (Xen kimage_alloc_page)");
    let damaged = "[handoff] 1 segment(s) damaged: not starting it";
    assert!(
        outcome.contains(&all) && outcome.contains(damaged),
        "{}",
        outcome.describe()
    );
    let rest = outcome.value("[handoff] verify rest ").unwrap_or_default();
    assert!(rest.ends_with(" ok"), "{rest}");
    Ok(())
}

fn xen_4_17_enters_it() -> Result<()> {
    runs("4.17")
}

fn xen_4_20_enters_it() -> Result<()> {
    runs("4.20")
}

fn xen_4_17_crashes_into_it_on_an_application_cpu() -> Result<()> {
    crashes("4.17")
}

fn xen_4_20_crashes_into_it_on_an_application_cpu() -> Result<()> {
    crashes("4.20")
}

fn pages_that_xen_4_17_lost_are_counted() -> Result<()> {
    loses_pages("4.17")
}

fn pages_that_xen_4_20_lost_are_counted() -> Result<()> {
    loses_pages("4.20")
}
