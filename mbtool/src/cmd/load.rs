//! `mbtool load`: makes a plan, and applies it with a backend.

use crate::backend::linux::enough_memory;
use crate::backend::xen::XenError;
use crate::backend::{self, BackendError, Choice};
use crate::host::{self, Host};
use crate::plan::Plan;
use crate::request::decide::{Decided, decide};
use crate::request::{BootOptions, Files, files};
use std::path::Path;

/// Maximum size that a plan adds to the files, in bytes: handoff, boot
/// information, and the rest of last pages.
const BESIDE: u64 = 4 << 20;

/// Runs the verb on this machine.
///
/// # Errors
///
/// Reason of the failure. An image that was loaded before is still loaded,
/// except where the message states otherwise.
pub fn run(options: &BootOptions, dry_run: bool) -> anyhow::Result<()> {
    let root = Path::new("/");
    let backend = backend::select(&options.backend, root);
    if !dry_run {
        // before any file is read: known failures are reported at once
        let ready = match backend.ready(options.crash) {
            // reported below, with the size to reserve
            Err(BackendError::NoCrashRegion | BackendError::Xen(XenError::NoCrashArea)) => vec![],
            ready => ready?,
        };
        for warning in ready {
            eprintln!("mbtool: warning: {warning}");
        }
    }
    let mut options = options.clone();
    // a plan that is loaded twice would use the same "random" bytes twice
    options.seed = !dry_run && !matches!(options.backend, Choice::Dir(_));
    if !dry_run && !matches!(options.backend, Choice::Dir(_)) {
        enough_memory(root, files::sizes(&options))?;
    }
    let files = Files::read(&options)?;
    if dry_run {
        let (host, warnings) = host::read(root)?;
        let plan = make(&options, files, &host, warnings)?;
        eprint!("{}", plan.report);
        eprintln!("mbtool: dry run, nothing loaded");
        return Ok(());
    }
    if !options.crash
        && let Some(text) = backend.free_memory(files.bytes() + BESIDE)?
    {
        eprintln!("mbtool: {text}");
    }
    let loaded = host::read(root)
        .map_err(anyhow::Error::from)
        .and_then(|(host, warnings)| make(&options, files, &host, warnings))
        .and_then(|plan| Ok((backend.load(&plan)?, plan)));
    let (done, plan) = loaded.inspect_err(|_| {
        if let Some(text) = backend.give_back_memory() {
            eprintln!("mbtool: {text}");
        }
    })?;
    let image = &plan.report.image;
    let version = image.xen.as_ref().map(|xen| match &xen.version {
        Some(version) => format!(" (Xen {version})"),
        None => " (Xen)".to_owned(),
    });
    eprintln!(
        "mbtool: {}: {}{} at {}, {} starts it",
        done,
        image.name,
        version.unwrap_or_default(),
        image.base,
        if plan.crash {
            "a panic"
        } else {
            "`mbtool exec`"
        }
    );
    Ok(())
}

/// Code common to `load` and `plan`: everything except files and backend.
///
/// # Errors
///
/// When options, files or plan are invalid.
pub fn make(
    options: &BootOptions,
    files: Files,
    host: &Host,
    warnings: Vec<String>,
) -> anyhow::Result<Plan> {
    let Decided { plan, notes, .. } = decide(options, files, host)?;
    for line in notes {
        eprintln!("mbtool: {line}");
    }
    for warning in warnings {
        eprintln!("mbtool: warning: {warning}");
    }
    Ok(plan)
}
