//! What comes after the dump: the machine boots again, whatever happened.

use super::context::Run;
use crate::config::Then;
use crate::sys::timeout::within;
use rustix::system::RebootCommand;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// Time for dirty data: what was saved is on the disk already.
const SYNC: Duration = Duration::from_secs(30);
/// Time for a last flush when the machine hangs.
const HURRY: Duration = Duration::from_secs(5);
/// Time for the drivers' shutdown methods, of which one may hang.
const DOWN: Duration = Duration::from_secs(20);

/// What ends this Linux, or something that stands for it in a test. A call that
/// works does not return.
pub trait Power: Send + Sync {
    /// sync(2).
    fn sync(&self);
    /// reboot(2): the errno.
    fn reboot(&self, command: RebootCommand) -> String;
    /// Writes a key to /proc/sysrq-trigger; why that does not work.
    fn sysrq(&self, key: &str) -> String;
    /// Becomes a shell on the console; why not.
    fn shell(&self) -> String;
}

/// The running kernel.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kernel;

impl Power for Kernel {
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

/// Does `then`; the problems, if the machine is still there.
pub fn finish(run: &Run, power: &Arc<dyn Power>, then: Then) -> Vec<String> {
    let mut problems = Vec::new();
    run.pulse.step("writing what is left to the disks");
    let shared = Arc::clone(power);
    if let Err(why) = run.within(SYNC, move || shared.sync()) {
        run.talk.say(format_args!("sync: {why}"));
        problems.push(format!("sync: {why}"));
    }
    if then == Then::Shell {
        run.talk
            .say("here is a shell, as configured; `reboot -f` boots the machine again");
        problems.push(format!("no shell: {}", power.shell()));
        run.talk.say(problems.last().map_or("", String::as_str));
    }
    if then == Then::Poweroff {
        run.talk.say("switching the machine off");
        problems.extend(down(run, power, RebootCommand::PowerOff, "o"));
    }
    run.talk.say("rebooting");
    problems.extend(down(run, power, RebootCommand::Restart, "b"));
    run.talk
        .say(format_args!("cannot reboot: {}", problems.join("; ")));
    problems
}

/// Asks the kernel in its orderly way, then in its short way.
fn down(
    run: &Run,
    power: &Arc<dyn Power>,
    command: RebootCommand,
    key: &'static str,
) -> Vec<String> {
    run.pulse.step("ending this kernel");
    let shared = Arc::clone(power);
    let asked = within(DOWN, move || shared.reboot(command));
    let orderly = asked.unwrap_or_else(|why| why);
    run.talk
        .say(format_args!("reboot(2): {orderly}; trying SysRq {key}"));
    run.pulse.beat();
    let shared = Arc::clone(power);
    let asked = within(DOWN, move || shared.sysrq(key));
    let short = asked.unwrap_or_else(|why| why);
    vec![
        format!("reboot(2): {orderly}"),
        format!("SysRq {key}: {short}"),
    ]
}

/// Boots the machine again from a thread that finds the rest of the process
/// hanging: no step of this one may wait for it.
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

    /// Nothing works; it remembers what was asked.
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
        for (then, expected) in [
            (Then::Reboot, "sync Restart b"),
            (Then::Poweroff, "sync PowerOff o Restart b"),
            (Then::Shell, "sync shell Restart b"),
        ] {
            let (run, heard) = testing::run();
            let broken = Arc::new(Broken::default());
            let power: Arc<dyn Power> = broken.clone();
            let problems = finish(&run, &power, then);
            assert_eq!(broken.0.lock().unwrap().join(" "), expected);
            assert!(problems.iter().any(|p| p.contains("SysRq b")));
            assert!(heard.text().contains("rebooting"), "{}", heard.text());
        }
        let broken = Arc::new(Broken::default());
        let power: Arc<dyn Power> = broken.clone();
        force(&power);
        assert_eq!(broken.0.lock().unwrap().join(" "), "sync Restart b");
    }
}
