//! Plans a load from options.

use super::prepare::{Prepared, prepare};
use super::{BootOptions, Files};
use crate::host::Host;
use crate::plan::crash::region::{self, RegionError};
use crate::plan::{self, Plan, Request};
use handoff::addr::{FOUR_GIB, MIB, PhysRange};

/// Placeholder region of a crash image for which only the options are checked.
pub const ANYWHERE: PhysRange = PhysRange {
    start: MIB,
    end: FOUR_GIB,
};

/// A plan and its request.
#[derive(Debug)]
pub struct Decided {
    /// The plan.
    pub plan: Plan,
    /// The request that was planned.
    pub request: Request,
    /// Notes for stderr.
    pub notes: Vec<String>,
}

/// Plans `files` on `host`.
///
/// # Errors
///
/// When options, files or plan are invalid.
pub fn decide(options: &BootOptions, files: Files, host: &Host) -> anyhow::Result<Decided> {
    let region = crash_region(options, host);
    let Prepared {
        request,
        mut notes,
        corrupt,
    } = prepare(options, files, host, region.unwrap_or(Some(ANYWHERE)))?;
    if let Err(error) = region {
        return Err(advised(error, &request, host).into());
    }
    let mut plan = plan::plan(&request, host)?;
    notes.extend(plan.report.warnings.iter().cloned());
    if let Some(name) = corrupt {
        plan.corrupt(&name)?;
    }
    Ok(Decided {
        plan,
        request,
        notes,
    })
}

/// Returns the region for a crash image, if one is to be loaded.
fn crash_region(options: &BootOptions, host: &Host) -> Result<Option<PhysRange>, RegionError> {
    let choose = || region::choose(host);
    options.crash.then(choose).transpose()
}

/// Adds the advised reservation for this image to `error`, if known.
fn advised(error: RegionError, request: &Request, host: &Host) -> RegionError {
    match plan::advice(request, host) {
        Ok(advice) => error.advising(advice.reserve),
        Err(_) => error,
    }
}
