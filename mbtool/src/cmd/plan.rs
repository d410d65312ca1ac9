//! `mbtool plan`: the same as `load` up to the backend, and never a system call
//! that changes anything.

use super::load;
use crate::cli::files::Files;
use crate::cli::raw::PlanArgs;
use crate::cli::request::ModuleArg;
use crate::host::{CrashRegion, read, replay};
use crate::{input, plan};
use anyhow::Context;
use handoff::addr::PhysRange;
use std::path::Path;

/// Largest recorded memory map, in bytes.
const MAP_LIMIT: u64 = 16 << 20;

/// Runs the verb.
///
/// # Errors
///
/// What stops the plan.
pub fn run(args: &PlanArgs, modules: &[ModuleArg]) -> anyhow::Result<()> {
    let (mut host, warnings) = match &args.memory_map {
        Some(path) => {
            let host = replay::from_json(&input::read(path, MAP_LIMIT)?)
                .with_context(|| path.display().to_string())?;
            (host, Vec::new())
        }
        None => read(Path::new("/"))?,
    };
    let mut common = args.common.clone();
    if let Some(PhysRange { start, end }) = args.crash_region {
        host.crash_regions = vec![CrashRegion { start, end }];
        common.panic = true;
    }
    let files = Files::read(&common, modules)?;
    let plan = load::make(&common, files, &host, warnings)?;
    if let Some(path) = &args.svg {
        std::fs::write(path, plan::report::svg::draw(&plan))
            .with_context(|| format!("cannot write {}", path.display()))?;
    } else if args.json {
        println!("{}", serde_json::to_string_pretty(&plan.report)?);
    } else {
        print!("{}", plan.report);
    }
    Ok(())
}
