//! `mbtool crash install` and `crash uninstall`, on a machine where systemd may
//! be running.

use crate::config::Config;
use crate::config::target::Target;
use crate::setup::install::{self, InstallOptions, InstallOutcome, UNIT};
use crate::sys::output::Messages;
use std::path::Path;
use std::process::{Command, Stdio};

/// Directory that exists while systemd runs: sd_booted(3).
const BOOTED: &str = "/run/systemd/system";

/// Sets up the machine.
///
/// # Errors
///
/// As [`install::install`].
pub fn run(options: &InstallOptions, messages: &mut Messages) -> anyhow::Result<()> {
    let done = install::install(options, messages)?;
    let running = options.root == Path::new("/") && Path::new(BOOTED).is_dir();
    if running && done.changed {
        systemctl(&["daemon-reload"], messages);
    }
    if !done.changed {
        messages.say("everything is installed already");
    }
    for line in left(&options.root, &done, running) {
        messages.say(line);
    }
    Ok(())
}

/// Removes the setup.
///
/// # Errors
///
/// As [`install::uninstall`].
pub fn take_back(root: &Path, messages: &mut Messages) -> anyhow::Result<()> {
    let running = root == Path::new("/") && Path::new(BOOTED).is_dir();
    if running {
        // stopping the unit unloads the image
        systemctl(&["stop", UNIT], messages);
    }
    install::uninstall(root, messages)?;
    if running {
        systemctl(&["daemon-reload"], messages);
    }
    Ok(())
}

/// Runs systemctl; a failure is printed and ignored.
fn systemctl(args: &[&str], messages: &mut Messages) {
    let shown = format!("systemctl {}", args.join(" "));
    let done = Command::new("systemctl")
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output();
    match done {
        Ok(done) if done.status.success() => {}
        Ok(done) => {
            let said = String::from_utf8_lossy(&done.stderr);
            let said = said.lines().next_back().unwrap_or("no reason given");
            messages.warn(format_args!("`{shown}` failed: {said}"));
        }
        Err(error) => messages.warn(format_args!("cannot run `{shown}`: {error}")),
    }
}

/// True when this Linux reports that nothing is reserved. It does not know of Xen's
/// reservation.
fn nothing_reserved() -> bool {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    read("/sys/kernel/kexec_crash_size").trim() == "0"
        && read("/sys/hypervisor/type").trim() != "xen"
}

/// Units of other tools that also load a crash kernel at boot.
const OTHERS: [&str; 2] = ["kdump-tools.service", "kdump.service"];

/// Returns the remaining manual steps.
fn left(root: &Path, done: &InstallOutcome, running: bool) -> Vec<String> {
    let Config { save, .. } = &done.config;
    let below = |path: &Path| root.join(path.strip_prefix("/").unwrap_or(path));
    let mut lines = Vec::new();
    if let Target::Ssh(ssh) = &save.target {
        if !below(&save.identity).exists() {
            lines.push(format!(
                "to do: a key for ssh: `ssh-keygen -q -t ed25519 -N '' -f {}`, its .pub part to {}'s authorized_keys on {}",
                save.identity.display(),
                ssh.user,
                ssh.host
            ));
        }
        if !below(&save.known_hosts).exists() {
            lines.push(format!(
                "to do: the key of {}: `ssh-keyscan -p {} {} > {}`, and compare it",
                ssh.host,
                ssh.port,
                ssh.host,
                save.known_hosts.display()
            ));
        }
    } else if save.device.is_none() {
        lines.push(
            "to do: save.device in the configuration: the crash kernel has nothing mounted"
                .to_owned(),
        );
    }
    if root == Path::new("/") && nothing_reserved() {
        lines.push(
            "to do: nothing is reserved for a crash kernel: `mbtool crash load --dry-run` makes \
             its initrd and prints what to reserve"
                .to_owned(),
        );
    }
    for unit in OTHERS {
        let wants = format!("/etc/systemd/system/multi-user.target.wants/{unit}");
        if below(Path::new(&wants)).is_symlink() {
            lines.push(format!(
                "to do: `systemctl disable --now {unit}`: it also loads a crash kernel, and the last load wins"
            ));
        }
    }
    lines.push(if running {
        // `start` does nothing for an active unit
        format!("`systemctl restart {UNIT}` loads the crash kernel now, and every boot does")
    } else {
        "the next boot loads the crash kernel".to_owned()
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remaining_steps_are_printed() {
        let dir = tempfile::tempdir().unwrap();
        let done = |text: &str| InstallOutcome {
            changed: true,
            config: Config::parse(text, "x").unwrap(),
        };
        let ssh = done("[save]\ntarget='ssh://k@h:2222/d'");
        let lines = left(dir.path(), &ssh, true).join("\n");
        for text in [
            "ssh-keygen",
            "ssh-keyscan -p 2222 h >",
            "systemctl restart mbtool-crash.service",
        ] {
            assert!(lines.contains(text), "{lines}");
        }
        let lines = left(dir.path(), &done("[save]\n"), false).join("\n");
        assert!(
            lines.contains("save.device") && !lines.contains("systemctl"),
            "{lines}"
        );
        let whole = done("[save]\ndevice='UUID=1'");
        assert_eq!(left(dir.path(), &whole, false).len(), 1);
        let wants = dir
            .path()
            .join("etc/systemd/system/multi-user.target.wants");
        std::fs::create_dir_all(&wants).unwrap();
        std::os::unix::fs::symlink("/x", wants.join("kdump-tools.service")).unwrap();
        let lines = left(dir.path(), &whole, false).join("\n");
        assert!(
            lines.contains("disable --now kdump-tools.service"),
            "{lines}"
        );
    }
}
