//! `mbtool load`: makes a plan, and applies it with a backend.

use crate::backend::linux::enough_memory;
use crate::backend::xen::XenError;
use crate::backend::{self, Backend, BackendError, Choice, arm, vcpu};
use crate::host::arm::ArmFacts;
use crate::host::sbi::SbiFacts;
use crate::host::{self, Host};
use crate::plan::Plan;
use crate::request::decide::{Decided, decide};
use crate::request::{BootOptions, Files, files};
use crate::sys::output::Messages;
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
pub fn run(options: &BootOptions, dry_run: bool, messages: &mut Messages) -> anyhow::Result<()> {
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
            messages.warn(warning);
        }
        if backend.name() == "linux" {
            let facts = ArmFacts::read(root);
            let outlook = [
                vcpu::check(SbiFacts::read(root).as_ref(), options.force)?,
                arm::check(facts.as_ref(), options.crash, options.force)?,
            ];
            for warning in outlook.into_iter().flatten() {
                messages.warn(warning);
            }
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
        let (host, mut warnings) = host::read(root)?;
        warnings.extend(vcpu::check(host.sbi.as_ref(), true)?);
        warnings.extend(arm::check(host.arm.as_ref(), options.crash, true)?);
        let plan = make(&options, files, &host, warnings, messages)?;
        messages.text(&plan.report);
        messages.say("dry run, nothing loaded");
        return Ok(());
    }
    let freed = FreedMemory {
        backend: &*backend,
        messages,
    };
    if !options.crash
        && let Some(text) = backend.free_memory(files.bytes() + BESIDE)?
    {
        freed.messages.say(text);
    }
    let (host, warnings) = host::read(root)?;
    let plan = make(&options, files, &host, warnings, freed.messages)?;
    backend::complete(&plan)?;
    let done = backend.load(&plan)?;
    drop(freed);
    let image = &plan.report.image;
    let version = image.xen.as_ref().map(|xen| match &xen.version {
        Some(version) => format!(" (Xen {version})"),
        None => " (Xen)".to_owned(),
    });
    messages.say(format_args!(
        "{}: {}{} at {}, {} starts it",
        done,
        image.name,
        version.unwrap_or_default(),
        image.base,
        if plan.crash {
            "a panic"
        } else {
            "`mbtool exec`"
        }
    ));
    Ok(())
}

/// Memory that was freed for a load. Dropped, it is given back if no load has succeeded, also where a panic unwinds.
struct FreedMemory<'a, 'm> {
    backend: &'a dyn Backend,
    messages: &'a mut Messages<'m>,
}

impl Drop for FreedMemory<'_, '_> {
    fn drop(&mut self) {
        if let Some(text) = self.backend.give_back_memory() {
            self.messages.say(text);
        }
    }
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
    messages: &mut Messages,
) -> anyhow::Result<Plan> {
    let Decided { plan, notes, .. } = decide(options, files, host)?;
    for line in notes {
        messages.say(line);
    }
    for warning in warnings {
        messages.warn(warning);
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{LoadSummary, Unload};
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    /// Counts how often memory is given back.
    #[derive(Default)]
    struct Counted(Cell<u32>);

    impl Backend for Counted {
        fn name(&self) -> &str {
            "counted"
        }

        fn give_back_memory(&self) -> Option<String> {
            self.0.set(self.0.get() + 1);
            Some("given back".to_owned())
        }

        fn load(&self, _: &Plan) -> Result<LoadSummary, BackendError> {
            Err(BackendError::Busy)
        }

        fn unload(&self, _: Unload) -> Result<bool, BackendError> {
            Ok(false)
        }
    }

    #[test]
    fn memory_is_given_back_whatever_happens_to_the_load() {
        let backend = Counted::default();
        let mut printed = vec![];
        let mut messages = Messages::new(&mut printed);
        let result = catch_unwind(AssertUnwindSafe(|| {
            let _freed = FreedMemory {
                backend: &backend,
                messages: &mut messages,
            };
            panic!("a defect");
        }));
        assert!(result.is_err());
        assert_eq!(backend.0.get(), 1);
        drop(messages);
        assert_eq!(printed, b"mbtool: given back\n");
    }
}
