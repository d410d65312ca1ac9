//! `mbtool load`: plan, then hand the plan to a backend.

use crate::backend::state::KernelState;
use crate::backend::{self, Backend, explain};
use crate::cli::raw::{BackendArg, CommonArgs, LoadArgs};
use crate::cli::request::{self, ModuleArg, Prepared};
use crate::crash::region;
use crate::memory::{Host, host};
use crate::plan::{self, Plan};
use handoff::addr::PhysRange;
use std::path::Path;

/// Runs the verb on this machine.
///
/// # Errors
///
/// Whatever stops the load; nothing loaded before is lost by then, except where
/// the message says so.
pub fn run(args: &LoadArgs, modules: &[ModuleArg]) -> anyhow::Result<()> {
    let root = Path::new("/");
    let backend = select(&args.common, root)?;
    if backend.name() == "linux" && !args.dry_run {
        // before any file is read: what is going to fail fails at once
        explain::preflight(&KernelState::read(root), args.common.panic)?;
    }
    let (host, warnings) = host::read(root)?;
    let mut common = args.common.clone();
    // a file that is loaded twice would give the same "random" bytes twice
    common.seed = !args.dry_run && !matches!(common.backend, BackendArg::Dir(_));
    let plan = make(&common, modules, &host, warnings)?;
    if args.dry_run {
        eprint!("{}", plan.report);
        eprintln!("mbtool: dry run, nothing loaded");
        return Ok(());
    }
    let done = backend.load(&plan)?;
    let image = &plan.report.image;
    let version = image.xen.as_ref().map(|xen| match &xen.version {
        Some(version) => format!(" (Xen {version})"),
        None => " (Xen)".to_owned(),
    });
    eprintln!(
        "mbtool: {}: {}{} at {}, `mbtool exec` starts it",
        done.summary,
        image.name,
        version.unwrap_or_default(),
        image.base
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
fn crash_region(args: &CommonArgs, host: &Host) -> anyhow::Result<Option<PhysRange>> {
    if !args.panic {
        return Ok(None);
    }
    Ok(Some(region::choose(
        &host.crash_regions,
        host.xen.is_some(),
    )?))
}

/// The part that `load` and `plan` share: all of it but the backend.
///
/// # Errors
///
/// What is wrong with the options, the files or the plan.
pub fn make(
    args: &CommonArgs,
    modules: &[ModuleArg],
    host: &Host,
    warnings: Vec<String>,
) -> anyhow::Result<Plan> {
    let Prepared {
        request,
        notes,
        corrupt,
    } = request::prepare(args, modules, host, crash_region(args, host)?)?;
    let mut plan = plan::plan(&request, host)?;
    for line in notes.iter().chain(&plan.report.warnings) {
        eprintln!("mbtool: {line}");
    }
    for warning in warnings {
        eprintln!("mbtool: warning: {warning}");
    }
    if let Some(name) = corrupt {
        plan.corrupt(&name)?;
    }
    Ok(plan)
}
