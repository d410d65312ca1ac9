//! `mbtool exec`: jumps to the loaded image.
//!
//! By default the init system stops services and unmounts first, and jumps at
//! the end. With `-f` the jump is immediate, after sync(2). In a Xen dom0, Xen
//! jumps, and mbtool does much of what Linux does for its own kexec: [`dom0`].

pub mod dom0;
mod error;

pub use error::{ExecError, InitProblem, ProgramProblem};

use crate::backend::BackendError;
use crate::backend::explain;
use crate::backend::xen::Xen;
use crate::host::hypervisor::Hypervisor;
use crate::host::kexec_state::KernelState;
use crate::quiesce::{self, Ops};
use crate::sys::file;
use crate::sys::output::Messages;
use rustix::io::Errno;
use rustix::system::RebootCommand;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The last message before a jump.
const JUMPING: &str = "jumping into the loaded image";

/// Options of the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExecOptions {
    /// Jump without an orderly shutdown (`-f`).
    pub force: bool,
    /// Called at the end of an orderly shutdown (`--last`).
    pub last: bool,
}

/// How to jump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// sync(2) and reboot(2) by this process.
    Jump,
    /// A command of the init system, which returns while the machine shuts down.
    Ask {
        /// Program and arguments.
        command: Vec<&'static str>,
        /// Name of the init system, for messages.
        init: &'static str,
    },
}

/// Operations that an [`Action`] needs; replaced by a fake in tests.
pub trait System {
    /// Flushes file systems.
    fn sync(&self);
    /// reboot(2) with LINUX_REBOOT_CMD_KEXEC.
    ///
    /// # Errors
    ///
    /// The errno; it only returns on failure, except in a test.
    fn jump(&self) -> Result<(), Errno>;
    /// Runs a command to its end.
    ///
    /// # Errors
    ///
    /// The error, or its exit status.
    fn command(&self, command: &[&str]) -> Result<(), String>;
    /// Returns the Xen backend for a dom0 with this root.
    fn xen(&self, root: &Path) -> Xen;
    /// Returns the operations to quiesce a dom0.
    fn ops(&self) -> &dyn Ops;
    /// Returns the path of this program.
    ///
    /// # Errors
    ///
    /// The error of the system call.
    fn program(&self) -> std::io::Result<PathBuf>;
}

/// Operations of the running system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunningSystem;

impl System for RunningSystem {
    fn sync(&self) {
        rustix::fs::sync();
    }

    fn jump(&self) -> Result<(), Errno> {
        rustix::system::reboot(RebootCommand::Kexec)
    }

    fn command(&self, command: &[&str]) -> Result<(), String> {
        let (program, arguments) = command.split_first().ok_or("no command")?;
        match Command::new(program).args(arguments).status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(status.to_string()),
            Err(err) => Err(err.to_string()),
        }
    }

    fn xen(&self, root: &Path) -> Xen {
        Xen::new(root)
    }

    fn ops(&self) -> &dyn Ops {
        &quiesce::KernelOps
    }

    fn program(&self) -> std::io::Result<PathBuf> {
        std::env::current_exe()
    }
}

/// Jumps, or requests it from the init system.
///
/// # Errors
///
/// When no image is loaded, permission is missing, no init system can jump
/// (without `force`), or a later step fails.
pub fn run(
    options: ExecOptions,
    root: &Path,
    system: &dyn System,
    messages: &mut Messages,
) -> Result<(), ExecError> {
    let mut say = |text: &str| messages.say(text);
    let state = KernelState::read(root);
    if state.hypervisor == Hypervisor::XenPvDom0 {
        return dom0::run(options, root, system, &mut say);
    }
    match decide(options, &state, root)? {
        Action::Jump => {
            say(JUMPING);
            system.sync();
            system.jump().map_err(|errno| ExecError::Reboot { errno })
        }
        Action::Ask { command, init } => {
            let shown = command.join(" ");
            say(&format!(
                "{init} shuts down in order (`{shown}`) and jumps at the end"
            ));
            system.command(&command).map_err(|why| ExecError::Command {
                command: shown,
                why,
            })
        }
    }
}

/// Chooses the action without side effects.
///
/// # Errors
///
/// As [`run`].
pub fn decide(options: ExecOptions, state: &KernelState, root: &Path) -> Result<Action, ExecError> {
    explain::owns_machine(state.hypervisor)?;
    if !state.kexec {
        return Err(BackendError::NoKexec.into());
    }
    if state.loaded == Some(false) {
        let crash_only = state.crash_loaded == Some(true);
        return Err(ExecError::NotLoaded { crash_only });
    }
    if state.cap_sys_boot == Some(false) {
        return Err(explain::explain(libc::EPERM, state, false).into());
    }
    if options.force || options.last {
        Ok(Action::Jump)
    } else {
        orderly(root)
    }
}

/// Returns the command of the init system for kexec.
///
/// systemd: `systemctl kexec` uses an already loaded image; at the end of the
/// shutdown it runs `/sbin/kexec -e`, or reboot(2) itself if that is not
/// installed. OpenRC's own init: `openrc-shutdown --kexec`. System V init: only
/// with Debian's /etc/init.d/kexec, which runs `/sbin/kexec -e` at the end of
/// `reboot`; without it the machine would simply reboot.
fn orderly(root: &Path) -> Result<Action, ExecError> {
    let there = |name: &str| root.join(name).exists();
    if there("run/systemd/system") {
        return Ok(Action::Ask {
            command: vec!["systemctl", "kexec"],
            init: "systemd",
        });
    }
    let comm = file::read(&root.join("proc/1/comm"), file::ATTRIBUTE).unwrap_or_default();
    let comm = comm.trim();
    if comm == "openrc-init" {
        let command = vec!["openrc-shutdown", "--kexec", "now"];
        return Ok(Action::Ask {
            command,
            init: "OpenRC",
        });
    }
    if comm == "init" && there("etc/inittab") && there("etc/init.d/kexec") && there("sbin/kexec") {
        return Ok(Action::Ask {
            command: vec!["shutdown", "-r", "now"],
            init: "System V init, with /etc/init.d/kexec,",
        });
    }
    Err(ExecError::NoInit(match comm {
        "" => InitProblem::Unknown,
        "init" | "busybox" | "linuxrc" => InitProblem::Reboots {
            name: comm.to_owned(),
        },
        other => InitProblem::Other {
            name: file::excerpt(other),
        },
    }))
}

#[cfg(test)]
#[path = "exec_tests.rs"]
mod tests;
