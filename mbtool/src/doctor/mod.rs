//! Checks whether this machine is ready: conditions that prevent a load or a
//! crash dump, with a fix for each.
//!
//! Everything is read once ([`CheckedMachine`]), then checked. Checks of a load use the
//! same functions as the load; nothing is loaded, and nothing on the machine is
//! changed.
//!
//! - [`system`]: hypervisor, privileges, kexec, sysctls, lockdown, Xen;
//! - [`region`]: the memory for a crash image, and whether an image fits;
//! - [`dump`]: data for a dump, and the CPUs that will read it;
//! - [`loaded`]: loaded images;
//! - [`crash`]: crash triggers, and behavior at a crash;
//! - [`iommu`]: DMA and interrupts in progress when the system crashes;
//! - [`console`]: consoles of the handoff;
//! - [`setup`]: loading a crash image at boot;
//! - [`saving`]: target of its dump.

pub mod console;
pub mod crash;
pub mod dump;
pub mod iommu;
pub mod loaded;
pub mod machine;
pub mod region;
pub mod saving;
pub mod setup;
mod show;
pub mod system;
#[cfg(test)]
pub(crate) mod testing;

pub use machine::{CheckedMachine, WantedImage};

use serde::Serialize;
use std::borrow::Cow;
use std::fmt;
use xen_shim::fix::Fix;

/// Version of the document.
const FORMAT: u32 = 1;

/// Result of a check, in order of severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckState {
    /// Nothing to do.
    Ok,
    /// The result could not be determined.
    Unknown,
    /// A risk, or less than there could be.
    Warning,
    /// A load will be refused, or there will be no dump.
    Problem,
}

impl CheckState {
    /// All states with their names.
    const ALL: [(Self, &str); 4] = [
        (Self::Ok, "ok"),
        (Self::Unknown, "unknown"),
        (Self::Warning, "warning"),
        (Self::Problem, "problem"),
    ];
}

impl fmt::Display for CheckState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(state, _)| state == self);
        f.pad(name.map_or("", |(_, name)| name))
    }
}

/// A check with its result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Stable name.
    pub id: &'static str,
    /// Result.
    pub state: CheckState,
    /// Finding: values, paths.
    pub found: String,
    /// Fix: a command, or a kernel parameter. `None` if there is nothing to do, or
    /// no fix is known.
    pub fix: Option<String>,
}

impl Check {
    fn new(id: &'static str, state: CheckState, found: impl Into<String>) -> Self {
        Self {
            id,
            state,
            found: found.into(),
            fix: None,
        }
    }

    pub(crate) fn ok(id: &'static str, found: impl Into<String>) -> Self {
        Self::new(id, CheckState::Ok, found)
    }

    pub(crate) fn unknown(id: &'static str, found: impl Into<String>) -> Self {
        Self::new(id, CheckState::Unknown, found)
    }

    pub(crate) fn warning(id: &'static str, found: impl Into<String>) -> Self {
        Self::new(id, CheckState::Warning, found)
    }

    pub(crate) fn problem(id: &'static str, found: impl Into<String>) -> Self {
        Self::new(id, CheckState::Problem, found)
    }

    /// A failed check with the error's statement and remedy.
    pub(crate) fn error(id: &'static str, state: CheckState, error: &dyn Fix) -> Self {
        let fix = error.fix().map(Cow::into_owned);
        Self {
            fix,
            ..Self::new(id, state, error.statement())
        }
    }

    /// The same, with what to do.
    #[must_use]
    pub(crate) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

/// Number of checks by result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// [`CheckState::Ok`].
    pub ok: usize,
    /// [`CheckState::Unknown`].
    pub unknown: usize,
    /// [`CheckState::Warning`].
    pub warning: usize,
    /// [`CheckState::Problem`].
    pub problem: usize,
}

/// Document of `--json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DoctorReport {
    /// Version of the document.
    pub format: u32,
    /// True when there is no problem.
    pub ready: bool,
    /// Number of checks by result.
    pub summary: Summary,
    /// All checks.
    pub checks: Vec<Check>,
}

impl DoctorReport {
    /// Sums up.
    #[must_use]
    pub fn new(checks: Vec<Check>) -> Self {
        let count = |state| checks.iter().filter(|check| check.state == state).count();
        let summary = Summary {
            ok: count(CheckState::Ok),
            unknown: count(CheckState::Unknown),
            warning: count(CheckState::Warning),
            problem: count(CheckState::Problem),
        };
        Self {
            format: FORMAT,
            ready: summary.problem == 0,
            summary,
            checks,
        }
    }

    /// The check of that name.
    #[must_use]
    pub fn check(&self, id: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.id == id)
    }
}

/// Runs all checks.
#[must_use]
pub fn examine(machine: &CheckedMachine) -> DoctorReport {
    let groups = [
        system::checks(machine),
        region::checks(machine),
        dump::checks(machine),
        loaded::checks(machine),
        crash::checks(machine),
        iommu::checks(machine),
        console::checks(machine),
        setup::checks(machine),
    ];
    DoctorReport::new(groups.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_ready_without_problems() {
        let checks = vec![Check::ok("a", ""), Check::warning("b", "").fix("c")];
        let report = DoctorReport::new(checks.clone());
        assert!(report.ready);
        assert_eq!((report.summary.ok, report.summary.warning), (1, 1));
        assert_eq!(report.check("b").unwrap().fix.as_deref(), Some("c"));
        let more = [checks, vec![Check::problem("d", "")]].concat();
        assert!(!DoctorReport::new(more).ready);
    }
}
