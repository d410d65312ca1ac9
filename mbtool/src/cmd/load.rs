//! `mbtool load`: plan, then hand the plan to a backend.

use crate::backend::xen::XenError;
use crate::backend::{self, Backend, BackendError};
use crate::cli::files::Files;
use crate::cli::raw::{BackendArg, CommonArgs, LoadArgs};
use crate::cli::request::{self, ModuleArg, Prepared};
use crate::host::{Host, read};
use crate::plan::crash::region::{self, RegionError};
use crate::plan::{self, Plan, Request};
use handoff::addr::{FOUR_GIB, MIB, PhysRange};
use std::path::Path;

/// Bytes that a plan adds to the files, at most: handoff, boot information, and
/// what is left of their last pages.
const BESIDE: u64 = 4 << 20;

/// Where a crash image would go that is not placed: options are checked only.
pub(super) const ANYWHERE: PhysRange = PhysRange {
    start: MIB,
    end: FOUR_GIB,
};

/// Runs the verb on this machine.
///
/// # Errors
///
/// Whatever stops the load; nothing loaded before is lost by then, except where
/// the message says so.
pub fn run(args: &LoadArgs, modules: &[ModuleArg]) -> anyhow::Result<()> {
    let root = Path::new("/");
    let backend = select(&args.common, root)?;
    if !args.dry_run {
        // before any file is read: what is going to fail fails at once
        let ready = match backend.ready(args.common.panic) {
            // said below, with what to reserve
            Err(BackendError::NoCrashRegion | BackendError::Xen(XenError::NoCrashArea)) => vec![],
            ready => ready?,
        };
        for warning in ready {
            eprintln!("mbtool: warning: {warning}");
        }
    }
    let mut common = args.common.clone();
    // a file that is loaded twice would give the same "random" bytes twice
    common.seed = !args.dry_run && !matches!(common.backend, BackendArg::Dir(_));
    let files = Files::read(&common, modules)?;
    if args.dry_run {
        let (host, warnings) = read(root)?;
        let plan = make(&common, files, &host, warnings)?;
        eprint!("{}", plan.report);
        eprintln!("mbtool: dry run, nothing loaded");
        return Ok(());
    }
    if !args.common.panic
        && let Some(text) = backend.make_room(files.bytes() + BESIDE)?
    {
        eprintln!("mbtool: {text}");
    }
    let loaded = read(root)
        .map_err(anyhow::Error::from)
        .and_then(|(host, warnings)| make(&common, files, &host, warnings))
        .and_then(|plan| Ok((backend.load(&plan)?, plan)));
    let (done, plan) = loaded.inspect_err(|_| {
        if let Some(text) = backend.give_back_room() {
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
        done.summary,
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

fn select(args: &CommonArgs, root: &Path) -> anyhow::Result<Box<dyn Backend>> {
    let name = match &args.backend {
        BackendArg::Auto => "auto".to_owned(),
        BackendArg::Linux => "linux".to_owned(),
        BackendArg::Xen => "xen".to_owned(),
        BackendArg::Dir(path) => format!("dir:{}", path.display()),
    };
    Ok(backend::select(&name, root)?)
}

/// Where a crash image goes, if one is asked for.
fn crash_region(args: &CommonArgs, host: &Host) -> Result<Option<PhysRange>, RegionError> {
    let choose = || region::choose(&host.crash_regions, host.xen.is_some());
    args.panic.then(choose).transpose()
}

/// `error`, with what to reserve for this very image where that can be known.
fn advised(error: RegionError, request: &Request, host: &Host) -> RegionError {
    match plan::advice(request, host) {
        Ok(advice) => error.advising(advice.reserve),
        Err(_) => error,
    }
}

/// The part that `load` and `plan` share: all of it but files and backend.
///
/// # Errors
///
/// What is wrong with the options, the files or the plan.
pub fn make(
    args: &CommonArgs,
    files: Files,
    host: &Host,
    warnings: Vec<String>,
) -> anyhow::Result<Plan> {
    let Decided { plan, notes, .. } = decide(args, files, host)?;
    for line in notes {
        eprintln!("mbtool: {line}");
    }
    for warning in warnings {
        eprintln!("mbtool: warning: {warning}");
    }
    Ok(plan)
}

/// What [`decide`] gives.
#[derive(Debug)]
pub struct Decided {
    /// The plan.
    pub plan: Plan,
    /// What it was made of.
    pub request: Request,
    /// Sentences for stderr.
    pub notes: Vec<String>,
}

/// [`make`] without a word; gives what there is to say.
///
/// # Errors
///
/// As [`make`].
pub fn decide(args: &CommonArgs, files: Files, host: &Host) -> anyhow::Result<Decided> {
    let region = crash_region(args, host);
    let Prepared {
        request,
        mut notes,
        corrupt,
    } = request::prepare(args, files, host, region.unwrap_or(Some(ANYWHERE)))?;
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
