//! `mbtool plan`: like `load` without the backend, and without any system call
//! that changes state.

use super::load;
use crate::backend::{arm, vcpu};
use crate::host::{self, Host, RawRange, replay};
use crate::input;
use crate::plan::report::svg;
use crate::request::{BootOptions, Files};
use crate::sys::output::{DataOutput, Messages};
use anyhow::Context;
use handoff::addr::PhysRange;
use std::path::{Path, PathBuf};

/// Maximum size of a recorded memory map, in bytes.
const MAP_LIMIT: u64 = 16 << 20;

/// Options of the command line.
#[derive(Clone, Debug)]
pub struct PlanOptions {
    /// The image with its boot options.
    pub boot: BootOptions,
    /// Plan for another machine.
    pub memory_map: Option<PathBuf>,
    /// Plan for this crash region.
    pub crash_region: Option<PhysRange>,
    /// Print JSON.
    pub json: bool,
    /// Draw a picture.
    pub svg: Option<PathBuf>,
}

/// The recorded machine, or this one, and warnings; with `crash_region` as its only one, if there is one.
///
/// # Errors
///
/// When it cannot be read.
pub fn machine(
    memory_map: Option<&Path>,
    crash_region: Option<PhysRange>,
    boot: &mut BootOptions,
) -> anyhow::Result<(Host, Vec<String>)> {
    let (mut host, mut warnings) = match memory_map {
        Some(path) => (recorded(path)?, Vec::new()),
        None => host::read(Path::new("/"))?,
    };
    if let Some(PhysRange { start, end }) = crash_region {
        host.crash_regions = vec![RawRange { start, end }];
        boot.crash = true;
    }
    warnings.extend(vcpu::check(host.sbi.as_ref(), true)?);
    warnings.extend(arm::check(host.arm.as_ref(), boot.crash, true)?);
    Ok((host, warnings))
}

/// Reads a recorded machine.
///
/// # Errors
///
/// When it cannot be read.
pub fn recorded(path: &Path) -> anyhow::Result<Host> {
    replay::from_json(&input::read(path, MAP_LIMIT)?).with_context(|| path.display().to_string())
}

/// Runs the verb.
///
/// # Errors
///
/// Reason of the failure.
pub fn run(
    mut options: PlanOptions,
    out: &mut DataOutput,
    messages: &mut Messages,
) -> anyhow::Result<()> {
    let (host, warnings) = machine(
        options.memory_map.as_deref(),
        options.crash_region,
        &mut options.boot,
    )?;
    let files = Files::read(&options.boot)?;
    let plan = load::make(&options.boot, files, &host, warnings, messages)?;
    if let Some(path) = &options.svg {
        std::fs::write(path, svg::draw(&plan))
            .with_context(|| format!("cannot write {}", path.display()))?;
    } else if options.json {
        out.json(&plan.report);
    } else {
        out.text(&plan.report);
    }
    Ok(())
}
