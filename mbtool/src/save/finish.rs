//! The action after the dump: the machine is rebooted in any case.

use super::context::SaveContext;
use crate::config::Then;
use crate::sys::timeout::within;
use rustix::system::RebootCommand;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// Timeout of sync(2): the saved files are on disk already.
const SYNC: Duration = Duration::from_secs(30);
/// Timeout of the last sync when the machine hangs.
const HURRY: Duration = Duration::from_secs(5);
/// Timeout of the drivers' shutdown methods, which may hang.
const DOWN: Duration = Duration::from_secs(20);

/// Ends this Linux; replaced by a fake in tests. A successful call does not
/// return.
pub trait Power: Send + Sync {
    /// sync(2).
    fn sync(&self);
    /// reboot(2); returns the error.
    fn reboot(&self, command: RebootCommand) -> String;
    /// Writes a key to /proc/sysrq-trigger; returns the error.
    fn sysrq(&self, key: &str) -> String;
    /// Runs a shell on the console with exec(3); returns the error.
    fn shell(&self) -> String;
}

/// Operations of the running kernel.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemPower;

impl Power for SystemPower {
    fn sync(&self) {
        rustix::fs::sync();
    }

    fn reboot(&self, command: RebootCommand) -> String {
        match rustix::system::reboot(command) {
            Ok(()) => "reboot(2) returned".to_owned(),
            Err(errno) => errno.to_string(),
        }
    }

    fn sysrq(&self, key: &str) -> String {
        match std::fs::write("/proc/sysrq-trigger", key) {
            Ok(()) => "nothing happened".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    fn shell(&self) -> String {
        let mut why = String::new();
        for (program, args) in [("/bin/sh", &[][..]), ("/bin/busybox", &["sh"])] {
            let error = Command::new(program).args(args).exec();
            why = format!("{program}: {error}");
        }
        why
    }
}

/// Executes `then`; returns the problems if the machine still runs.
pub fn finish(run: &SaveContext, power: &Arc<dyn Power>, then: Then) -> Vec<String> {
    let mut problems = Vec::new();
    run.heartbeat.step("flushing remaining data to the disks");
    let shared = Arc::clone(power);
    if let Err(why) = run.within(SYNC, move || shared.sync()) {
        run.console.say(format_args!("sync: {why}"));
        problems.push(format!("sync: {why}"));
    }
    if then == Then::Shell {
        run.console
            .say("here is a shell, as configured; `reboot -f` boots the machine again");
        problems.push(format!("no shell: {}", power.shell()));
        run.console.say(problems.last().map_or("", String::as_str));
    }
    if then == Then::Poweroff {
        run.console.say("switching the machine off");
        problems.extend(down(run, power, RebootCommand::PowerOff, "o"));
    }
    run.console.say("rebooting");
    problems.extend(down(run, power, RebootCommand::Restart, "b"));
    run.console
        .say(format_args!("cannot reboot: {}", problems.join("; ")));
    problems
}

/// Requests an orderly shutdown from the kernel, then an immediate one.
fn down(
    run: &SaveContext,
    power: &Arc<dyn Power>,
    command: RebootCommand,
    key: &'static str,
) -> Vec<String> {
    run.heartbeat.step("ending this kernel");
    let shared = Arc::clone(power);
    let asked = within(DOWN, move || shared.reboot(command));
    let orderly = asked.unwrap_or_else(|why| why);
    run.console
        .say(format_args!("reboot(2): {orderly}; trying SysRq {key}"));
    run.heartbeat.beat();
    let shared = Arc::clone(power);
    let asked = within(DOWN, move || shared.sysrq(key));
    let short = asked.unwrap_or_else(|why| why);
    vec![
        format!("reboot(2): {orderly}"),
        format!("SysRq {key}: {short}"),
    ]
}

/// Reboots from the deadline thread, when the rest of the process hangs: no
/// step may wait for the others.
pub fn force(power: &Arc<dyn Power>) -> Vec<String> {
    let shared = Arc::clone(power);
    let _ = within(HURRY, move || shared.sync());
    let shared = Arc::clone(power);
    let orderly = within(HURRY, move || shared.reboot(RebootCommand::Restart));
    let shared = Arc::clone(power);
    let short = within(HURRY, move || shared.sysrq("b"));
    [orderly, short]
        .map(|asked| asked.unwrap_or_else(|why| why))
        .to_vec()
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use std::sync::Mutex;

    /// Operations that all fail, and are recorded.
    #[derive(Default)]
    pub struct Broken(pub Mutex<Vec<String>>);

    impl Broken {
        fn asked(&self, what: &str) -> String {
            self.0.lock().unwrap().push(what.to_owned());
            "not in a test".to_owned()
        }
    }

    impl Power for Broken {
        fn sync(&self) {
            self.asked("sync");
        }

        fn reboot(&self, command: RebootCommand) -> String {
            self.asked(&format!("{command:?}"))
        }

        fn sysrq(&self, key: &str) -> String {
            self.asked(key)
        }

        fn shell(&self) -> String {
            self.asked("shell")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::Broken;
    use super::*;
    use crate::save::context::testing;

    #[test]
    fn everything_ends_in_a_reboot() {
        for (then, expected, failures) in [
            (Then::Reboot, "sync Restart b", 2),
            (Then::Poweroff, "sync PowerOff o Restart b", 4),
            (Then::Shell, "sync shell Restart b", 3),
        ] {
            let (run, _) = testing::run();
            let broken = Arc::new(Broken::default());
            let power: Arc<dyn Power> = broken.clone();
            let problems = finish(&run, &power, then);
            assert_eq!(broken.0.lock().unwrap().join(" "), expected);
            assert_eq!(problems.len(), failures, "{problems:?}");
        }
        let broken = Arc::new(Broken::default());
        let power: Arc<dyn Power> = broken.clone();
        force(&power);
        assert_eq!(broken.0.lock().unwrap().join(" "), "sync Restart b");
    }
}
