//! `mbtool plan`: the same as `load` up to the backend, and never a system call
//! that changes anything.

use super::load;
use crate::host::{self, CrashRegion, replay};
use crate::input;
use crate::plan::report::svg;
use crate::request::{BootOptions, Files};
use anyhow::Context;
use handoff::addr::PhysRange;
use std::path::{Path, PathBuf};

/// Largest recorded memory map, in bytes.
const MAP_LIMIT: u64 = 16 << 20;

/// Options.
#[derive(Clone, Debug)]
pub struct Options {
    /// The image, and how it is to be loaded.
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

/// Runs the verb.
///
/// # Errors
///
/// What stops the plan.
pub fn run(mut options: Options) -> anyhow::Result<()> {
    let (mut host, warnings) = match &options.memory_map {
        Some(path) => {
            let host = replay::from_json(&input::read(path, MAP_LIMIT)?)
                .with_context(|| path.display().to_string())?;
            (host, Vec::new())
        }
        None => host::read(Path::new("/"))?,
    };
    if let Some(PhysRange { start, end }) = options.crash_region {
        host.crash_regions = vec![CrashRegion { start, end }];
        options.boot.crash = true;
    }
    let files = Files::read(&options.boot)?;
    let plan = load::make(&options.boot, files, &host, warnings)?;
    if let Some(path) = &options.svg {
        std::fs::write(path, svg::draw(&plan))
            .with_context(|| format!("cannot write {}", path.display()))?;
    } else if options.json {
        println!("{}", serde_json::to_string_pretty(&plan.report)?);
    } else {
        print!("{}", plan.report);
    }
    Ok(())
}
