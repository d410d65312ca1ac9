use super::*;
use crate::backend::xen::tests::{Dom0, load_at};
use crate::backend::xen::{Xen, XenError};
use crate::cmd::exec;
use crate::quiesce::{Ops, QuiesceStep};
use crate::sys::output::Messages;
use crate::sys::testing::put;
use rustix::io::Errno;
use std::cell::RefCell;
use std::time::Duration;
use xen_shim::hypercall::testing::FakeHost;
use xen_shim::hypercall::{HypercallError, ImageKind};

const FORCE: ExecOptions = ExecOptions {
    force: true,
    last: false,
};
const LAST: ExecOptions = ExecOptions {
    force: false,
    last: true,
};

/// A dom0 that records operations.
struct World {
    dom0: Dom0,
    seen: RefCell<Vec<String>>,
    /// Command that fails.
    fails: Option<&'static str>,
    program: PathBuf,
}

impl World {
    fn new() -> Self {
        let dom0 = Dom0::new(FakeHost::default());
        put(dom0.root(), "sys/class/net/eth0/flags", "0x1003\n");
        put(dom0.root(), "usr/sbin/mbtool", "");
        Self {
            seen: RefCell::default(),
            fails: None,
            program: dom0.root().join("usr/sbin/mbtool"),
            dom0,
        }
    }

    fn root(&self) -> &Path {
        self.dom0.root()
    }

    fn go(&self, options: ExecOptions) -> (Result<(), ExecError>, String) {
        let mut messages = vec![];
        let result = exec::run(
            options,
            self.root(),
            self,
            &mut Messages::new(&mut messages),
        );
        (result, String::from_utf8(messages).unwrap())
    }

    fn note(&self, text: String) {
        self.seen.borrow_mut().push(text);
    }
}

impl System for World {
    fn sync(&self) {
        unreachable!("Linux's way")
    }

    fn jump(&self) -> Result<(), Errno> {
        unreachable!("Linux's way")
    }

    fn command(&self, command: &[&str]) -> Result<(), String> {
        let command = command.join(" ");
        self.note(command.clone());
        match self.fails {
            Some(part) if command.contains(part) => Err("exit status: 4".to_owned()),
            _ => Ok(()),
        }
    }

    fn xen(&self, _: &Path) -> Xen {
        self.dom0.xen()
    }

    fn ops(&self) -> &dyn Ops {
        self
    }

    fn program(&self) -> io::Result<PathBuf> {
        Ok(self.program.clone())
    }
}

impl Ops for World {
    fn lock_memory(&self) -> Result<(), String> {
        self.note("lock".into());
        Ok(())
    }

    fn sync(&self) -> Result<(), String> {
        assert_eq!(self.dom0.fake.started(), None);
        self.note("sync".into());
        Ok(())
    }

    fn remount(&self, _: &Path, _: bool) -> Result<(), String> {
        Ok(())
    }

    fn write(&self, path: &Path, text: &str) -> Result<(), String> {
        self.note(text.to_owned());
        fs::write(path, text).map_err(|err| err.to_string())
    }

    fn kill(&self, pid: i32, _: bool) {
        self.note(format!("kill {pid}"));
        let path = self.root().join(format!("proc/{pid}/cmdline"));
        fs::write(path, "").unwrap();
    }

    fn pause(&self, _: Duration) {}
}

#[test]
fn force_quiesces_the_machine_and_xen_jumps() {
    let world = World::new();
    load_at(&world.dom0.xen(), 0x3000_0000).unwrap();
    let (result, messages) = world.go(FORCE);
    // the fake hypercall returns: changes are reverted
    let err = result.unwrap_err();
    assert!(
        matches!(
            err,
            ExecError::Refused(BackendError::Xen(XenError::Hypercall(
                HypercallError::Nonsense { .. }
            )))
        ),
        "{err:?}"
    );
    assert_eq!(world.dom0.fake.started(), Some(ImageKind::Default));
    assert_eq!(world.seen.take(), ["lock", "sync", "0x1002", "0x1003"]);
    let lines: Vec<&str> = messages.lines().collect();
    assert!(lines[0].ends_with(" vmlinuz"), "{messages}");
    let network = QuiesceStep::Network {
        down: 1,
        failed: vec![],
    };
    let restored = QuiesceStep::Restored { changes: 1 };
    let printed = |text: &str| {
        lines
            .iter()
            .position(|line| *line == format!("mbtool: {text}"))
    };
    let end = [&network.to_string(), JUMPING, &restored.to_string()].map(printed);
    assert!(end.is_sorted() && end[0].is_some(), "{messages}");

    // --last ends other processes
    let world = World::new();
    put(world.root(), "proc/77/cmdline", "daemon");
    load_at(&world.dom0.xen(), 0x3000_0000).unwrap();
    world.go(LAST).0.unwrap_err();
    assert!(world.seen.take().contains(&"kill 77".to_owned()));
}

#[test]
fn nothing_is_changed_without_an_image() {
    let world = World::new();
    put(world.root(), "run/systemd/system/x", "");
    let orderly = ExecOptions {
        force: false,
        last: false,
    };
    for options in [FORCE, LAST, orderly] {
        let (result, _) = world.go(options);
        let err = result.unwrap_err();
        assert!(
            matches!(
                err,
                ExecError::Refused(BackendError::Xen(XenError::NotLoaded { .. }))
            ),
            "{err:?}"
        );
    }
    assert!(world.seen.take().is_empty());
    assert_eq!(world.dom0.fake.started(), None);
}

#[test]
fn systemd_gets_a_drop_in_and_starts_kexec_target() {
    let world = World::new();
    put(world.root(), "run/systemd/system/x", "");
    load_at(&world.dom0.xen(), 0x3000_0000).unwrap();
    world.go(ExecOptions::default()).0.unwrap();
    assert_eq!(
        world.seen.take(),
        [
            "systemctl daemon-reload",
            "systemctl start --no-block --job-mode=replace-irreversibly kexec.target"
        ]
    );
    let text = fs::read_to_string(world.root().join(DROP_IN)).unwrap();
    let line = format!(
        "\nExecStart=\nExecStart={} exec --last\n",
        world.program.display()
    );
    assert!(text.contains(&line), "{text}");
    assert!(text.contains("\nFailureAction=reboot-force\n"), "{text}");
    assert_eq!(world.dom0.fake.started(), None);
}

#[test]
fn a_systemd_that_refuses_keeps_its_own_kexec() {
    for fails in ["daemon-reload", "kexec.target"] {
        let mut world = World::new();
        world.fails = Some(fails);
        put(world.root(), "run/systemd/system/x", "");
        load_at(&world.dom0.xen(), 0x3000_0000).unwrap();
        let err = world.go(ExecOptions::default()).0.unwrap_err();
        assert!(
            matches!(
                &err,
                ExecError::Command { command, why }
                    if command.ends_with(fails) && why == "exit status: 4"
            ),
            "{err:?}"
        );
        assert!(!world.root().join(DROP_IN).exists());
    }
}

#[test]
fn a_program_that_would_be_unmounted_is_refused() {
    let world = World::new();
    stays(world.root(), &world.program).unwrap();
    let refused = |root: &Path, program: &Path| {
        let err = stays(root, program).unwrap_err();
        assert!(
            matches!(&err, ExecError::Program { path, .. } if path == program),
            "{err}"
        );
    };
    for path in [
        "/usr/sbin/mb tool",
        "/usr/sbin/mbtool%n",
        "mbtool",
        "/nonexistent/mbtool",
    ] {
        refused(world.root(), Path::new(path));
    }
    // on none of the devices that are kept
    refused(Path::new("/nonexistent"), &world.program);
}

#[test]
fn other_init_systems_are_named() {
    let name = "init".to_owned();
    for (comm, expected) in [
        (None, InitProblem::Unknown),
        (Some("openrc-init\n"), InitProblem::OpenRcInDom0),
        (Some("init\n"), InitProblem::OtherInDom0 { name }),
    ] {
        let world = World::new();
        load_at(&world.dom0.xen(), 0x3000_0000).unwrap();
        if let Some(comm) = comm {
            put(world.root(), "proc/1/comm", comm);
        }
        let err = world.go(ExecOptions::default()).0.unwrap_err();
        assert!(
            matches!(&err, ExecError::NoInit(why) if *why == expected),
            "{err:?}"
        );
        assert!(world.seen.take().is_empty());
    }
}
