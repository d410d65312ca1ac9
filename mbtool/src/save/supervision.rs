//! Watchdog and deadline of a save.

use super::context::SaveContext;
use super::deadline::{self, Deadline};
use super::finish::{self, Power};
use super::record::DumpInfo;
use super::watchdog;
use crate::config::Save;
use crate::sys::timeout;
use std::sync::Arc;
use std::time::Duration;

/// Starts the watchdog and the deadline thread.
pub(super) fn start(
    run: &SaveContext,
    save: &Save,
    acts: bool,
    power: &Arc<dyn Power>,
    record: &mut DumpInfo,
) -> Option<Deadline> {
    let whole = Duration::from_secs(save.watchdog.into());
    let watchdog = if !acts {
        "none: the machine is left running".clone_into(&mut record.watchdog);
        None
    } else if whole.is_zero() {
        "none, as configured".clone_into(&mut record.watchdog);
        None
    } else {
        match watchdog::start(run, whole) {
            Ok(watchdog) => {
                let (name, seconds) = (watchdog.name(), whole.as_secs());
                record.watchdog = format!("{name}, {seconds} s");
                Some(watchdog)
            }
            Err(why) => {
                record.watchdog = format!("none: {why}");
                None
            }
        }
    };
    run.console
        .say(format_args!("watchdog: {}", record.watchdog));
    let console = Arc::clone(&run.console);
    let power = Arc::clone(power);
    let expired = move |step: &str, silence: Duration| {
        let text = format!("no progress for {:.0} s, {step}", silence.as_secs_f64());
        // the thread that hangs may hold the console lock
        let quick = Duration::from_secs(1);
        let printer = Arc::clone(&console);
        let shown = text.clone();
        let end = if acts { "rebooting" } else { "giving up" };
        let _ = timeout::within(quick, move || printer.say(format_args!("{shown}: {end}")));
        if acts {
            finish::force(&power);
        } else {
            std::process::exit(1);
        }
    };
    let heartbeat = Arc::clone(&run.heartbeat);
    let limit = deadline::limit(save.watchdog);
    match Deadline::start(heartbeat, watchdog, whole, limit, expired) {
        Ok(deadline) => Some(deadline),
        Err(error) => {
            run.console.say(format_args!("no deadline: {error:#}"));
            None
        }
    }
}
