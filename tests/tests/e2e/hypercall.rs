//! Hypercalls with real Xens: the table that the fake Xen is tested with, and all queries about the
//! machine.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use handoff::addr::{MIB, PhysRange};
use images::guest::Stage1;
use tests::hypercall::MARKER;
use tests::{Machine, Outcome, hypercall_guest_bin};
use xen_shim::hypercall::testing::load_cases;

tests::cases! {
    xen_4_17_answers_as_the_table_says: restored 5 s;
    xen_4_20_answers_as_the_table_says: restored 5 s;
}

const DEADLINE: Duration = Duration::from_secs(300);

/// crashkernel= of the machine.
const AREA: PhysRange = PhysRange {
    start: 256 * MIB,
    end: 384 * MIB,
};
const DOM0_MIB: u64 = 768;
const MACHINE_MIB: u64 = 1024;

fn run(version: &str) -> Result<Outcome> {
    let script = "hypercall-guest under\n\
                  hypercall-guest\n\
                  umount /proc/xen\n\
                  umount /sys\n\
                  hypercall-guest under\n\
                  rmmod xenfs\n\
                  rmmod xen_privcmd\n\
                  ! hypercall-guest open\n";
    let initrd = Stage1::new(script)?
        .file("bin/hypercall-guest", hypercall_guest_bin()?)?
        .finish()?;
    let xen_args =
        format!("crashkernel=128M@256M dom0_mem={DOM0_MIB}M,max:{DOM0_MIB}M dom0_vcpus_pin");
    Machine::xen(version, &xen_args, "", initrd)?
        .memory_mib(MACHINE_MIB as u32)
        .run(
            &format!("hypercall_{version}"),
            DEADLINE,
            &["MBTOOL-STAGE1 END"],
        )?
        .ended_with("MBTOOL-STAGE1 END")
}

/// Every value of `key`, in order.
fn values<'a>(outcome: &'a Outcome, key: &str) -> Vec<&'a str> {
    let prefix = format!("{MARKER}{key} ");
    let lines = outcome.lines.iter();
    lines
        .filter_map(|line| line.strip_prefix(&prefix))
        .collect()
}

fn value<'a>(outcome: &'a Outcome, key: &str) -> Result<&'a str> {
    let found = values(outcome, key);
    found.first().copied().with_context(|| format!("no {key}"))
}

fn hex(text: &str) -> Result<u64> {
    let digits = text.strip_prefix("0x").context("no 0x")?;
    u64::from_str_radix(digits, 16).with_context(|| text.to_owned())
}

fn range(text: &str) -> Result<PhysRange> {
    let (start, end) = text.split_once('-').with_context(|| text.to_owned())?;
    PhysRange::new(hex(start)?, hex(end)?).with_context(|| text.to_owned())
}

fn check(version: &str) -> Result<()> {
    let outcome = run(version)?;
    table(&outcome).with_context(|| outcome.log.display().to_string())?;
    machine(&outcome, version).with_context(|| outcome.log.display().to_string())
}

fn table(outcome: &Outcome) -> Result<()> {
    let printed = values(outcome, "load");
    let cases = load_cases(AREA);
    ensure!(printed.len() == cases.len(), "{printed:#?}");
    let mut wrong = Vec::new();
    for (case, printed) in cases.iter().zip(printed) {
        let expected = case.expected.map_or("ok".to_owned(), |e| e.to_string());
        if printed != format!("{} {expected}", case.name) {
            wrong.push(format!("{printed}, expected {expected}"));
        }
    }
    ensure!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

fn machine(outcome: &Outcome, version: &str) -> Result<()> {
    let is = |key: &str, expected: &str| -> Result<()> {
        let found = value(outcome, key)?;
        ensure!(
            found == expected,
            "{key} is {found:?}, expected {expected:?}"
        );
        Ok(())
    };
    ensure!(value(outcome, "version")?.starts_with(&format!("{version}.")));

    let ram: u64 = values(outcome, "e820")
        .iter()
        .filter_map(|entry| entry.strip_suffix(" 1"))
        .map(|entry| Ok(range(entry)?.len()))
        .sum::<Result<u64>>()?;
    ensure!(
        ram > (MACHINE_MIB - 2) * MIB && ram <= MACHINE_MIB * MIB,
        "{ram:#x} bytes of RAM"
    );

    // memory of dom0, not of Xen
    let owned: Vec<PhysRange> = values(outcome, "owned")
        .into_iter()
        .map(range)
        .collect::<Result<_>>()?;
    let sum: u64 = owned.iter().map(PhysRange::len).sum();
    ensure!(hex(value(outcome, "owned-sum")?)? == sum);
    let apart = sum.abs_diff(DOM0_MIB * MIB);
    ensure!(apart < 4 * MIB, "{sum:#x} bytes are owned");
    let ranges: Vec<_> = values(outcome, "range");
    let xen = ranges
        .iter()
        .find_map(|line| line.strip_prefix("xen "))
        .context("no range of Xen")?;
    let xen = range(xen)?;
    // memory that Xen needed only to boot has become free, and then dom0's
    let freed = owned.iter().filter_map(|run| run.intersect(&xen));
    let freed: u64 = freed.map(|run| run.len()).sum();
    ensure!(freed < MIB, "{freed:#x} bytes of Xen {xen} are owned");
    for run in &owned {
        ensure!(!run.overlaps(&AREA), "{run} is in the crash area");
        ensure!(run.start >= MIB, "{run} is below 1 MiB");
    }
    let heap = hex(value(outcome, "heap")?)?;
    ensure!(
        heap > (MACHINE_MIB - DOM0_MIB - 64) * MIB - AREA.len() && heap + sum + AREA.len() < ram,
        "{heap:#x} bytes are free"
    );

    ensure!(ranges.contains(&&*format!("crash {AREA}")), "{ranges:#?}");
    for (name, least) in [("cpu0", 0x1f4), ("cpu1", 0x194), ("vmcoreinfo", 0x1000)] {
        let found = ranges
            .iter()
            .find_map(|line| line.strip_prefix(&format!("{name} ")[..]))
            .with_context(|| format!("no range {name}"))?;
        let found = range(found)?;
        ensure!(
            found.len() >= least && found.len() <= 0x1000,
            "{name}: {found}"
        );
    }
    let error = ranges.iter().find(|line| line.starts_with("cpu9999 "));
    ensure!(error.is_some_and(|e| e.contains("ERANGE")), "{error:?}");

    is("status", "[false, true, false, true, false]")?;
    let error = value(outcome, "exec-nothing")?;
    ensure!(error.contains("(ENOENT): no image is loaded"), "{error}");
    is("bda-base-kib", "639")?;
    is("bda-ebda", "0x9fc0")?;
    is("rsdt", "RSDT")?;
    is("read-ram", "EBUSY")?;
    is("owned-again", "true")?;
    let ballooned = hex(value(outcome, "ballooned")?)?;
    ensure!(ballooned.abs_diff(32 * MIB) < 2 * MIB, "{ballooned:#x}");
    let locked = values(outcome, "locked");
    ensure!(
        locked == ["default-8-MiB ok", "crash-8-MiB ok"],
        "{locked:?}"
    );
    ensure!(
        outcome
            .lines
            .iter()
            .any(|l| l == "MBTOOL-HYPERCALL replaced")
    );
    let under = values(outcome, "under");
    ensure!(
        under == ["Xen PV dom0", "Xen domain of unknown type"],
        "{under:?}"
    );
    let error = value(outcome, "FAIL")?;
    ensure!(error.contains("modprobe xen-privcmd"), "{error}");
    Ok(())
}

fn xen_4_17_answers_as_the_table_says() -> Result<()> {
    check("4.17")
}

fn xen_4_20_answers_as_the_table_says() -> Result<()> {
    check("4.20")
}
