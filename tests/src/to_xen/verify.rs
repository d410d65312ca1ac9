//! Checks of the log of a run.

use anyhow::{Context, Result, ensure};
use images::guest::CRASH;

use super::{CPUS, ToXenCase, same};
use crate::crash::{CrashedSystem, makedumpfile_counts};
use crate::outcome::Outcome;
use guest_programs::known_pages::MARKER;

impl ToXenCase {
    pub(super) fn verify(&self, name: &str, outcome: &Outcome, digest: &str) -> Result<()> {
        let value = |key: &str| {
            let found = outcome.value(&format!("{CRASH}{key}="));
            found.with_context(|| format!("dom0 did not report {key}"))
        };
        let is = |key: &str, expected: &str| same(key, value(key)?, expected);
        is("digest", digest)?;
        let cpus = self.expected_cpus(outcome)?;
        is("cpus", &cpus.to_string())?;
        if cpus > 1 {
            let brought_up = format!("(XEN) Brought up {cpus} CPUs");
            ensure!(outcome.contains(&brought_up), "{brought_up}");
        }
        ensure!(value("acpi-tables")? != "0", "dom0 has no ACPI tables");
        self.pages(outcome)?;
        // all except the region, the firmware's memory and page 0
        let bytes: u64 = value("vmcore")?.parse()?;
        let region = self.crashkernel.split('M').next().unwrap_or_default();
        let region: u64 = region.parse()?;
        let expected = u64::from(self.memory_mib) - region;
        ensure!(
            bytes >> 20 >= expected - 16 && bytes >> 20 < expected + 64,
            "/proc/vmcore has {bytes} bytes, expected {expected} MiB"
        );
        self.notes(outcome)?;
        // makedumpfile needs an option for a dump of Xen
        if let CrashedSystem::Linux(kernel) = self.host
            && makedumpfile_counts(name, kernel, outcome)
        {
            is("dmesg", "ok")?;
            let panic = value("panic")?;
            ensure!(panic.contains("sysrq triggered crash"), "panic={panic}");
        }
        Ok(())
    }

    /// Returns the number of CPUs that Xen must have started, by the CPU of the
    /// handoff.
    fn expected_cpus(&self, outcome: &Outcome) -> Result<u32> {
        match self.host {
            CrashedSystem::Linux(_) => {
                let id = self.apic_id.unwrap_or(self.cpu);
                let who = if self.cpu == 0 {
                    format!("in long mode on the boot CPU, apic id {id}, ")
                } else {
                    format!("in long mode on an application CPU, apic id {id}, ")
                };
                ensure!(outcome.contains(&who), "{who}");
                Ok(self.cpus)
            }
            // Xen chooses the physical CPU of dom0's panicking CPU
            CrashedSystem::Xen(_) => {
                ensure!(outcome.contains("entered by xen"), "not by Xen");
                let application = outcome.contains("in long mode on an application CPU");
                Ok(CPUS - u32::from(application))
            }
        }
    }

    /// Checks that all known pages were found.
    fn pages(&self, outcome: &Outcome) -> Result<()> {
        let found = outcome.value(&format!("{MARKER}found="));
        let found = found.context("dom0 did not look for the pages")?;
        let pages = self.pages + self.low_pages();
        ensure!(
            found.starts_with(&format!("{pages} of={pages} ")) && found.contains(" unreadable=0"),
            "of {pages} known pages and all memory: found={found}"
        );
        let number = |key: &str| -> Result<u32> {
            let mut words = found.split(' ');
            let number = words.find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
            Ok(number.context(key.to_owned())?.parse()?)
        };
        let base = number("base")?;
        ensure!(
            base == self.low_pages(),
            "{base} known pages below 1 MiB, expected {}",
            self.low_pages()
        );
        // most of memory is known pages, so many are at addresses where dom0 has its
        // own memory
        if self.pages > super::CASE.pages {
            let low = number("low")?;
            ensure!(low > 1000, "{low} known pages below 128 MiB");
        }
        Ok(())
    }

    /// Checks that each CPU has saved its registers.
    fn notes(&self, outcome: &Outcome) -> Result<()> {
        let key = format!("{MARKER}note=");
        let notes = outcome.lines.iter();
        let notes: Vec<&str> = notes
            .filter_map(|line| line.split_once(&key).map(|(_, note)| note))
            .collect();
        let count = |name: &str| notes.iter().filter(|note| note.starts_with(name)).count();
        ensure!(
            count("CORE ") == self.online as usize,
            "{} CPUs left their registers, expected {}: {notes:?}",
            count("CORE "),
            self.online
        );
        ensure!(count("VMCOREINFO ") == 1, "VMCOREINFO: {notes:?}");
        let xen = usize::from(matches!(self.host, CrashedSystem::Xen(_)));
        ensure!(count("VMCOREINFO_XEN ") == xen, "of Xen: {notes:?}");
        Ok(())
    }
}
