//! `mbtool exec` in a Xen dom0.
//!
//! systemd's kexec support does not work here: `systemctl kexec` reads
//! /sys/kernel/kexec_loaded, which is 0, and then loads a kernel itself. At the
//! end of its shutdown it runs `kexec -e` or reboot(2), which do not know Xen's
//! image or leave devices running. So systemd does the shutdown up to the service
//! that would jump, and a drop-in in /run, valid for this boot, makes that
//! service run `mbtool exec --last`. See docs/adr/0009-quiesce-dom0.md.

use super::{ExecError, ExecOptions, InitProblem, JUMPING, ProgramProblem, System};
use crate::backend::BackendError;
use crate::quiesce::Quiet;
use crate::sys::file;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Path of the drop-in, relative to the root.
const DROP_IN: &str = "run/systemd/system/systemd-kexec.service.d/50-mbtool.conf";
/// Commands for systemd, in order. kexec.target is what its login manager
/// starts for `systemctl kexec`, in this mode.
const COMMANDS: [&[&str]; 2] = [
    &["systemctl", "daemon-reload"],
    &[
        "systemctl",
        "start",
        "--no-block",
        "--job-mode=replace-irreversibly",
        "kexec.target",
    ],
];

/// Quiesces dom0 and jumps by Xen, or starts a shutdown by systemd.
pub(super) fn run(
    options: ExecOptions,
    root: &Path,
    system: &dyn System,
    say: &mut dyn FnMut(&str),
) -> Result<(), ExecError> {
    let xen = system.xen(root);
    let ready = xen.to_run().map_err(BackendError::from)?;
    if !options.force && !options.last {
        return ask(root, system, say);
    }
    say(&format!("leaving Xen for {}", ready.loaded.image));
    let ops = system.ops();
    let quiet = Quiet::make(root, ops, options.last, &mut |step| {
        let mark = if step.is_complete() { "" } else { "warning: " };
        say(&format!("{mark}{step}"));
    });
    say(JUMPING);
    let error = ready.exec();
    // the machine is unusable while quiesced
    say(&quiet.take_back().to_string());
    Err(BackendError::from(error).into())
}

/// Starts the orderly shutdown.
fn ask(root: &Path, system: &dyn System, say: &mut dyn FnMut(&str)) -> Result<(), ExecError> {
    if !root.join("run/systemd/system").exists() {
        return Err(no_init(root));
    }
    let program = system.program().map_err(|source| ExecError::Program {
        path: "/proc/self/exe".into(),
        why: ProgramProblem::Io(source.to_string()),
    })?;
    stays(root, &program)?;
    let path = root.join(DROP_IN);
    let write = |source| ExecError::Write {
        path: path.clone(),
        source,
    };
    put(&path, &drop_in(&program)).map_err(write)?;
    say(
        "systemd shuts down in order (kexec.target); at the end mbtool quiesces the devices \
         and Xen jumps",
    );
    for command in COMMANDS {
        if let Err(why) = system.command(command) {
            // the next kexec.target must not use the drop-in
            let _ = fs::remove_file(&path);
            return Err(ExecError::Command {
                command: command.join(" "),
                why,
            });
        }
    }
    Ok(())
}

fn put(path: &Path, text: &str) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    fs::write(path, text)
}

/// Replaces the command of the service. If it fails, the machine reboots: all
/// services are stopped by then, and no user can respond.
fn drop_in(program: &Path) -> String {
    format!(
        "# Written by `mbtool exec` for this boot: Xen has the image, not Linux.\n\
         [Unit]\n\
         FailureAction=reboot-force\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         ExecStart=\n\
         ExecStart={} exec --last\n\
         TimeoutStartSec=300\n\
         StandardInput=null\n\
         StandardOutput=tty\n\
         StandardError=tty\n\
         TTYPath=/dev/console\n",
        program.display()
    )
}

/// Refuses a program on a file system other than / and /usr, as others are
/// unmounted by then; and a path that systemd's syntax would split.
fn stays(root: &Path, program: &Path) -> Result<(), ExecError> {
    let bad = |why| ExecError::Program {
        path: program.to_owned(),
        why,
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._+-".contains(c);
    if !program.is_absolute() || !program.to_string_lossy().chars().all(plain) {
        return Err(bad(ProgramProblem::Name));
    }
    let device = |path: PathBuf| fs::metadata(path).map(|metadata| metadata.dev());
    let of_program =
        device(program.to_owned()).map_err(|err| bad(ProgramProblem::Io(err.to_string())))?;
    let kept = ["", "usr"].map(|name| device(root.join(name)).ok());
    if kept.contains(&Some(of_program)) {
        Ok(())
    } else {
        Err(bad(ProgramProblem::Unmounted))
    }
}

fn no_init(root: &Path) -> ExecError {
    let comm = file::read(&root.join("proc/1/comm"), file::ATTRIBUTE).unwrap_or_default();
    ExecError::NoInit(match comm.trim() {
        "" => InitProblem::Unknown,
        "openrc-init" => InitProblem::OpenRcInDom0,
        other => InitProblem::OtherInDom0 {
            name: file::excerpt(other),
        },
    })
}

#[cfg(test)]
mod tests;
