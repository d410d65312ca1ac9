use super::*;
use crate::sys::testing::put;
use std::cell::RefCell;

/// Records operations.
#[derive(Default)]
struct Fake {
    seen: RefCell<Vec<String>>,
    jump: Option<Errno>,
    command: Option<&'static str>,
}

impl System for Fake {
    fn sync(&self) {
        self.seen.borrow_mut().push("sync".into());
    }

    fn jump(&self) -> Result<(), Errno> {
        self.seen.borrow_mut().push("jump".into());
        self.jump.map_or(Ok(()), Err)
    }

    fn command(&self, command: &[&str]) -> Result<(), String> {
        self.seen.borrow_mut().push(command.join(" "));
        self.command.map_or(Ok(()), |why| Err(why.to_owned()))
    }

    fn xen(&self, _: &Path) -> Xen {
        unreachable!("bare Linux")
    }

    fn ops(&self) -> &dyn Ops {
        unreachable!("bare Linux")
    }

    fn program(&self) -> std::io::Result<PathBuf> {
        unreachable!("bare Linux")
    }
}

const FORCE: ExecOptions = ExecOptions {
    force: true,
    last: false,
};
const ORDERLY: ExecOptions = ExecOptions {
    force: false,
    last: false,
};

fn loaded() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "sys/kernel/kexec_loaded", "1\n");
    put(root.path(), "sys/kernel/kexec_crash_loaded", "0\n");
    root
}

fn go(options: ExecOptions, root: &Path, system: &Fake) -> (Result<(), ExecError>, String) {
    let mut messages = vec![];
    let result = run(options, root, system, &mut Messages::new(&mut messages));
    (result, String::from_utf8(messages).unwrap())
}

#[test]
fn force_syncs_and_jumps_whatever_init_runs() {
    let root = loaded();
    put(root.path(), "run/systemd/system/x", "");
    let system = Fake::default();
    let (result, messages) = go(FORCE, root.path(), &system);
    result.unwrap();
    assert_eq!(system.seen.take(), ["sync", "jump"]);
    assert_eq!(messages, format!("mbtool: {JUMPING}\n"));
}

#[test]
fn each_init_system_has_its_own_command() {
    let cases: [(&[(&str, &str)], &str); 3] = [
        (
            &[("run/systemd/system/x", ""), ("proc/1/comm", "init\n")],
            "systemctl kexec",
        ),
        (
            &[("proc/1/comm", "openrc-init\n")],
            "openrc-shutdown --kexec now",
        ),
        (
            &[
                ("proc/1/comm", "init\n"),
                ("etc/inittab", ""),
                ("etc/init.d/kexec", ""),
                ("sbin/kexec", ""),
            ],
            "shutdown -r now",
        ),
    ];
    for (files, command) in cases {
        let root = loaded();
        for (name, content) in files {
            put(root.path(), name, content);
        }
        let system = Fake::default();
        let (result, messages) = go(ORDERLY, root.path(), &system);
        result.unwrap();
        assert_eq!(system.seen.take(), [command]);
        assert!(messages.contains(command), "{messages}");

        let system = Fake {
            command: Some("exit status: 1"),
            ..Fake::default()
        };
        let err = go(ORDERLY, root.path(), &system).0.unwrap_err();
        assert!(
            matches!(
                &err,
                ExecError::Command { command: failed, why }
                    if failed == command && why == "exit status: 1"
            ),
            "{err:?}"
        );
    }
}

#[test]
fn without_an_init_system_force_is_named() {
    let name = |name: &str| name.to_owned();
    for (comm, expected) in [
        (None, InitProblem::Unknown),
        (Some("init\n"), InitProblem::Reboots { name: name("init") }),
        (Some("bash\n"), InitProblem::Other { name: name("bash") }),
    ] {
        let root = loaded();
        put(root.path(), "etc/init.d/kexec", "");
        if let Some(comm) = comm {
            put(root.path(), "proc/1/comm", comm);
        }
        let system = Fake::default();
        let err = go(ORDERLY, root.path(), &system).0.unwrap_err();
        assert!(
            matches!(&err, ExecError::NoInit(why) if *why == expected),
            "{err:?}"
        );
        assert!(system.seen.take().is_empty());
    }
}

#[test]
fn nothing_loaded_is_refused_before_anything_is_done() {
    let root = loaded();
    put(root.path(), "sys/kernel/kexec_loaded", "0\n");
    let system = Fake::default();
    for options in [FORCE, ORDERLY] {
        let err = go(options, root.path(), &system).0.unwrap_err();
        assert!(
            matches!(err, ExecError::NotLoaded { crash_only: false }),
            "{err:?}"
        );
    }
    put(root.path(), "sys/kernel/kexec_crash_loaded", "1\n");
    let refused = || go(FORCE, root.path(), &system).0.unwrap_err();
    let err = refused();
    assert!(
        matches!(err, ExecError::NotLoaded { crash_only: true }),
        "{err:?}"
    );
    // a guest of Xen is refused, a PVH dom0 too
    put(root.path(), "proc/xen/capabilities", "\n");
    let err = refused();
    assert!(
        matches!(err, ExecError::Refused(BackendError::XenGuest { .. })),
        "{err:?}"
    );
    std::fs::remove_dir_all(root.path().join("proc/xen")).unwrap();

    std::fs::remove_dir_all(root.path().join("sys/kernel")).unwrap();
    put(root.path(), "sys/kernel/uevent_seqnum", "1");
    let err = refused();
    assert!(
        matches!(err, ExecError::Refused(BackendError::NoKexec)),
        "{err:?}"
    );
    assert!(system.seen.take().is_empty());
}

#[test]
fn refusals_of_the_kernel_are_explained() {
    let root = loaded();
    for expected in [Errno::INVAL, Errno::BUSY, Errno::PERM, Errno::IO] {
        let system = Fake {
            jump: Some(expected),
            ..Fake::default()
        };
        let err = go(FORCE, root.path(), &system).0.unwrap_err();
        assert!(
            matches!(err, ExecError::Reboot { errno } if errno == expected),
            "{err:?}"
        );
    }
    put(
        root.path(),
        "proc/self/status",
        "CapEff:\t0000000000000000\n",
    );
    let system = Fake::default();
    let err = go(FORCE, root.path(), &system).0.unwrap_err();
    assert!(
        matches!(err, ExecError::Refused(BackendError::NotRoot)),
        "{err:?}"
    );
    assert!(system.seen.take().is_empty());
}

#[test]
fn a_command_of_the_real_system_reports_its_end() {
    assert_eq!(RunningSystem.command(&["true"]), Ok(()));
    assert_eq!(
        RunningSystem.command(&["false"]),
        Err("exit status: 1".to_owned())
    );
    let missing = std::io::Error::from(Errno::NOENT).to_string();
    assert_eq!(
        RunningSystem.command(&["/nonexistent/systemctl"]),
        Err(missing)
    );
}
