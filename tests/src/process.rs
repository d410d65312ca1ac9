//! The process of a machine.

// UNSAFETY: a closure runs between fork and exec.
#![expect(unsafe_code)]

use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use anyhow::{Context, Result};
use rustix::process::{Signal, set_parent_process_death_signal, setsid};

/// QEMU. It is killed when this is dropped, and when the thread that started it
/// ends.
#[derive(Debug)]
pub(crate) struct QemuProcess(pub(crate) Child);

impl Drop for QemuProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts QEMU in its own session.
///
/// An emulated CPU that rarely gets the host's CPU receives one timer interrupt in place of
/// several; a kernel that counts them to test its timer then panics. Linux's scheduler gives each
/// session the same share (autogroup, sched(7)), however many busy processes another one has.
pub(crate) fn spawn(mut command: Command) -> Result<QemuProcess> {
    let prepare = || {
        setsid()?;
        // without a terminal it receives no Ctrl-C
        set_parent_process_death_signal(Some(Signal::KILL))?;
        Ok(())
    };
    // SAFETY: two system calls, which neither allocate nor take a lock
    unsafe {
        command.pre_exec(prepare);
    }
    command
        .spawn()
        .map(QemuProcess)
        .context("cannot start QEMU")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_its_own_session_and_ends_with_its_thread() {
        let session = |id: &str| {
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
            let (_, fields) = stat.rsplit_once(") ")?;
            let mut fields = fields.split(' ');
            Some((fields.next()?.to_owned(), fields.nth(2)?.to_owned()))
        };
        let start = || {
            let mut command = Command::new("sleep");
            command.arg("1000");
            spawn(command).unwrap()
        };
        let running = start();
        let id = running.0.id().to_string();
        assert_eq!(session(&id).unwrap().1, id);
        drop(running);
        assert_eq!(session(&id), None);

        let id = std::thread::spawn(move || {
            let running = start();
            let id = running.0.id().to_string();
            std::mem::forget(running);
            id
        });
        let id = id.join().unwrap();
        while session(&id).is_some_and(|(state, _)| state != "Z") {
            std::thread::yield_now();
        }
    }
}
