//! What resets the machine when the saver, or all of Linux, hangs.

mod device;
mod xen;

use super::context::Run;
use super::process::{self, Output};
use device::Device;
use std::fmt::Debug;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use xen::OfXen;

/// A watchdog that runs. It goes on when it is dropped.
pub trait Watchdog: Debug + Send {
    /// What it is, for the user.
    fn name(&self) -> String;
    /// Time from a kick to the reset.
    fn timeout(&self) -> Duration;
    /// Starts its time again.
    ///
    /// # Errors
    ///
    /// One clause.
    fn kick(&mut self) -> Result<(), String>;
    /// Ends it, because nothing that could hang is left to do.
    ///
    /// # Errors
    ///
    /// One clause; it goes on.
    fn stop(self: Box<Self>) -> Result<(), String>;
}

/// Starts a watchdog of `timeout`: the machine's own or Linux's (/dev/watchdog),
/// else Xen's, else Linux's softdog. Why there is none, if there is none.
///
/// # Errors
///
/// What was tried, one clause for each.
pub fn start(run: &Run, timeout: Duration) -> Result<Box<dyn Watchdog>, String> {
    let mut tried = Vec::new();
    match Device::open(timeout) {
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
    match Device::open(timeout) {
        Ok(device) => return Ok(Box::new(device)),
        Err(why) if !tried.contains(&why) => tried.push(why),
        Err(_) => {}
    }
    Err(tried.join("; "))
}

/// Whether Xen runs this Linux.
#[must_use]
pub fn xen_below() -> bool {
    std::fs::read_to_string("/sys/hypervisor/type").is_ok_and(|kind| kind.trim_end() == "xen")
}

/// Loads kernel modules, as far as there is a program for that and the modules
/// are there; nothing depends on it.
pub fn modprobe(run: &Run, modules: &[&str]) {
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
