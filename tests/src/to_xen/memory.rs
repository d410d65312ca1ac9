//! Proof that no byte is lost: all RAM at the entry of the handoff, compared with all RAM when dom0
//! runs, and with dom0's dump.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use images::guest::CRASH;
use images::progress::say;

use super::{READY, STILL, ToXenCase};
use crate::attempt;
use crate::crash::CrashedSystem;
use crate::gdb::Gdb;
use crate::outcome::Outcome;
use crate::plan_json::PlanJson;
use crate::qmp::Qmp;
use crate::snapshot::{Change, Snapshot};
use guest_programs::block_digest;

/// Timeout for QEMU's sockets, which exist long before they are needed.
const CONNECT: Duration = Duration::from_secs(20);

/// Linux's NMI is also sent to offline CPUs, and the crash does not wait until they have received
/// it.
const NMI: Duration = Duration::from_secs(1);

/// Page 0: the BIOS data area. The handoff stores two 16-bit words of it for Xen (0x40e, 0x413), and Xen up to 4.17 clears 0xffc.
const PAGE_0: Range<u64> = 0..0x1000;

/// Follows a run, stops the machine when needed, and examines its memory.
pub(super) struct Watch {
    dir: PathBuf,
    lines: Vec<String>,
    plan: Option<PlanJson>,
    gdb: Option<Gdb>,
    qmp: Option<Qmp>,
    before: Option<Snapshot>,
    changes: Option<Vec<Change>>,
}

impl Watch {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            lines: Vec::new(),
            plan: None,
            gdb: None,
            qmp: None,
            before: None,
            changes: None,
        }
    }

    /// Handles the next line of the log.
    pub(super) fn line(&mut self, line: &str) -> Result<()> {
        self.lines.push(line.to_owned());
        if self.plan.is_none() && attempt::ends_file(line, "plan") {
            self.arm()
        } else if line == READY {
            self.crash().context("when the handoff is entered")
        } else if line == format!("{CRASH}{STILL}") {
            self.after().context("when dom0 is up")
        } else {
            Ok(())
        }
    }

    /// The plan is known: sets a breakpoint at the handoff's entry.
    fn arm(&mut self) -> Result<()> {
        let plan = PlanJson::parse(&attempt::file_in(&self.lines, "plan")?)?;
        let mut gdb = Gdb::connect_in(&self.dir, CONNECT)?;
        gdb.break_at(plan.number("/entry")?)?;
        gdb.go()?;
        (self.plan, self.gdb) = (Some(plan), Some(gdb));
        Ok(())
    }

    /// The crash begins: waits for the handoff's first instruction.
    fn crash(&mut self) -> Result<()> {
        let plan = self.plan.as_ref().context("no plan was shown")?;
        let mut gdb = self.gdb.take().context("no breakpoint")?;
        let entry = plan.number("/entry")?;
        ensure!(gdb.stopped()?, "the machine ended before");
        let place = gdb.place()?;
        ensure!(
            place.rip == entry && place.cs & 3 == 0,
            "stopped at {place:x?}, the handoff begins at {entry:#x}"
        );
        gdb.let_others_run(NMI)?;
        let mut qmp = Qmp::connect(&self.dir, CONNECT)?;
        self.before = Some(Snapshot::take(&mut qmp, &self.dir)?);
        gdb.forget(entry)?;
        gdb.detach()?;
        self.qmp = Some(qmp);
        Ok(())
    }

    /// dom0 runs and has read the dump: compares memory.
    fn after(&mut self) -> Result<()> {
        let regions = self.regions()?;
        let before = self.before.as_ref().context("nothing to compare with")?;
        let qmp = self.qmp.as_mut().context("no monitor")?;
        qmp.stop()?;
        self.changes = Some(before.changes(qmp, &regions)?);
        qmp.cont()
    }

    /// Returns the crash regions of the first system.
    fn regions(&self) -> Result<Vec<Range<u64>>> {
        let plan = self.plan.as_ref().context("no plan was shown")?;
        plan.ranges("/crash_regions")
    }

    /// Checks the results after the end of the run.
    pub(super) fn verify(self, case: &ToXenCase, name: &str, outcome: &Outcome) -> Result<()> {
        let plan = self.plan.as_ref().context("no plan was shown")?;
        let base = plan.number("/handoff/base")?;
        let begins = format!(" at {base:#x}, entered by ");
        ensure!(outcome.contains(&begins), "the handoff is not{begins}");
        let before = self.before.as_ref().context("no crash was seen")?;
        let changes = self.changes.as_ref().context("dom0 was not seen")?;

        let excepted = exceptions(plan)?;
        let cause = |change: &Change| {
            let of = |(range, _): &&(Range<u64>, _)| range.contains(&change.page);
            excepted.iter().find(of).map(|(_, cause)| *cause)
        };
        let text: Vec<String> = changes
            .iter()
            .map(|change| {
                format!(
                    "{change} ({})",
                    cause(change).unwrap_or("for no known reason")
                )
            })
            .collect();
        std::fs::write(self.dir.join("changes"), text.join("\n"))?;
        let lost = text.iter().zip(changes);
        let lost = lost.filter(|(_, change)| cause(change).is_none());
        let lost: Vec<&str> = lost.map(|(text, _)| text.as_str()).collect();
        ensure!(
            lost.is_empty(),
            "{} pages have changed, see {}/changes:\n{}",
            lost.len(),
            self.dir.display(),
            lost[..lost.len().min(8)].join("\n")
        );

        let loads = block_digest::read(&outcome.lines)?;
        let mut bytes = 0;
        for load in &loads {
            let blocks = block_digest::blocks(load.start, load.end);
            for ((start, end), digest) in blocks.zip(&load.digests) {
                let was = crc32fast::hash(&before.read(start, end)?);
                ensure!(
                    was == *digest,
                    "the dump is wrong at {start:#x}-{end:#x}: {digest:08x} instead of {was:08x}"
                );
                bytes += end - start;
            }
        }
        let all = match case.host {
            CrashedSystem::Linux(_) => {
                iomem(&attempt::file_in(&outcome.lines, "iomem")?).context("/proc/iomem")?
            }
            CrashedSystem::Xen(_) => plan.ram()?.into_iter().map(|(a, b)| a..b).collect(),
        };
        let mut holes = self.regions()?;
        holes.push(PAGE_0);
        let missing: Vec<_> = loads.iter().map(|load| load.start..load.end).collect();
        holes.extend(missing);
        let missing = outside(all.clone(), &holes);
        ensure!(missing.is_empty(), "not in the dump: {missing:#x?}");
        say(
            name,
            format_args!(
                "{} MiB compared, {} pages have changed; {} MiB of the dump are as they were",
                before.len() >> 20,
                changes.len(),
                bytes >> 20
            ),
        );
        Ok(())
    }
}

/// Returns memory outside of the region that may change, and the reasons.
fn exceptions(plan: &PlanJson) -> Result<Vec<(Range<u64>, &'static str)>> {
    let trampoline = plan.range("/xen_low_memory/trampoline")?;
    let ebda = plan.number("/xen_low_memory/fix/ebda")?;
    Ok(vec![
        (PAGE_0, "BIOS data area"),
        (trampoline, "Xen's trampoline"),
        (ebda..ebda + 0x1000, "EBDA with the RSDP"),
    ])
}

/// "System RAM" of /proc/iomem.
fn iomem(text: &str) -> Result<Vec<Range<u64>>> {
    let mut found = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with(' ')) {
        if let Some(range) = line.strip_suffix(" : System RAM") {
            let (start, last) = range.split_once('-').context(line.to_owned())?;
            found.push(u64::from_str_radix(start, 16)?..u64::from_str_radix(last, 16)? + 1);
        }
    }
    ensure!(!found.is_empty(), "no System RAM: {text}");
    Ok(found)
}

/// Returns the parts of `runs` outside of `holes`.
fn outside(mut runs: Vec<Range<u64>>, holes: &[Range<u64>]) -> Vec<Range<u64>> {
    for hole in holes {
        let parts = |run: Range<u64>| {
            [
                run.start..run.end.min(hole.start),
                run.start.max(hole.end)..run.end,
            ]
        };
        runs = runs.into_iter().flat_map(parts).collect();
        runs.retain(|run| run.start < run.end);
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_outside_of_holes_remain() {
        let runs = vec![0..10, 20..30, 40..50];
        assert_eq!(
            outside(runs.clone(), &[5..25, 28..29]),
            [0..5, 25..28, 29..30, 40..50]
        );
        assert_eq!(outside(runs.clone(), &[0..20, 20..100]), [0..0; 0]);
        assert_eq!(outside(runs.clone(), &[]), runs);
    }

    #[test]
    fn system_ram_is_read() {
        let text = "00000000-00000fff : Reserved\n00001000-0009fbff : System RAM\n  00002000-00002fff : System RAM\n\
            00100000-7ffdffff : System RAM\n  28000000-57ffffff : Crash kernel\n";
        assert_eq!(
            iomem(text).unwrap(),
            [0x1000..0x9_fc00, 0x10_0000..0x7ffe_0000]
        );
        assert!(iomem("").is_err());
    }
}
