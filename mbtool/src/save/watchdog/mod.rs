//! Watchdogs: reset the machine when the saver, or all of Linux, hangs.

mod device;
mod xen;

use super::context::SaveContext;
use super::process::{self, Output};
use device::WatchdogDevice;
use std::fmt::Debug;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use xen::OfXen;

/// An active watchdog. It stays active when dropped.
pub trait Watchdog: Debug + Send {
    /// Description for the user.
    fn name(&self) -> String;
    /// Time from a kick to the reset.
    fn timeout(&self) -> Duration;
    /// Restarts its timer.
    ///
    /// # Errors
    ///
    /// The reason, as a clause.
    fn kick(&mut self) -> Result<(), String>;
    /// Stops it, when nothing that could hang is left to do.
    ///
    /// # Errors
    ///
    /// The reason, as a clause; it stays active.
    fn stop(self: Box<Self>) -> Result<(), String>;
}

/// Starts a watchdog of `timeout`: the machine's own or Linux's (/dev/watchdog),
/// else Xen's, else Linux's softdog. Returns the reasons if none can be started.
///
/// # Errors
///
/// The reason for each type, as a clause.
pub fn start(run: &SaveContext, timeout: Duration) -> Result<Box<dyn Watchdog>, String> {
    let mut tried = Vec::new();
    match WatchdogDevice::open(timeout) {
        Ok(device) => return Ok(Box::new(device)),
        Err(why) => tried.push(why),
    }
    if xen_below() {
        modprobe(run, &["xen-privcmd"]);
        match OfXen::start(timeout) {
            Ok(watchdog) => return Ok(Box::new(watchdog)),
            Err(why) => tried.push(why),
        }
    }
    modprobe(run, &["softdog"]);
    match WatchdogDevice::open(timeout) {
        Ok(device) => return Ok(Box::new(device)),
        Err(why) if !tried.contains(&why) => tried.push(why),
        Err(_) => {}
    }
    Err(tried.join("; "))
}

/// True when Xen runs this Linux.
#[must_use]
pub fn xen_below() -> bool {
    std::fs::read_to_string("/sys/hypervisor/type").is_ok_and(|kind| kind.trim_end() == "xen")
}

/// Loads kernel modules, as far as modprobe and modules are available; errors
/// are ignored.
pub fn modprobe(run: &SaveContext, modules: &[&str]) {
    let programs = ["/sbin/modprobe", "/usr/sbin/modprobe", "/bin/modprobe"];
    let Some(program) = programs.iter().find(|path| Path::new(path).exists()) else {
        return;
    };
    for module in modules {
        let mut command = Command::new(program);
        command.args(["-q", module]);
        let _ = process::run(run, command, Output::Keep, || 0);
    }
}
