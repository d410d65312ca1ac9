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
    let mut talk = vec![];
    let result = run(options, root, system, &mut talk);
    (result, String::from_utf8(talk).unwrap())
}

#[test]
fn force_syncs_and_jumps_whatever_init_runs() {
    let root = loaded();
    put(root.path(), "run/systemd/system/x", "");
    let system = Fake::default();
    let (result, talk) = go(FORCE, root.path(), &system);
    result.unwrap();
    assert_eq!(system.seen.take(), ["sync", "jump"]);
    assert_eq!(talk, "mbtool: jumping into the loaded image\n");
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
        let (result, talk) = go(ORDERLY, root.path(), &system);
        result.unwrap();
        assert_eq!(system.seen.take(), [command]);
        assert!(talk.contains(command), "{talk}");

        let system = Fake {
            command: Some("exit status: 1"),
            ..Fake::default()
        };
        let err = go(ORDERLY, root.path(), &system).0.unwrap_err().to_string();
        assert!(
            err.contains(&format!("`{command}` failed: exit status: 1")),
            "{err}"
        );
        assert!(err.contains("--force"), "{err}");
    }
}

#[test]
fn without_an_init_system_force_is_named() {
    for (comm, part) in [
        (None, "process 1 is not known"),
        (Some("init\n"), "it would reboot into firmware"),
        (Some("bash\n"), "process 1 (bash)"),
    ] {
        let root = loaded();
        put(root.path(), "etc/init.d/kexec", "");
        if let Some(comm) = comm {
            put(root.path(), "proc/1/comm", comm);
        }
        let system = Fake::default();
        let err = go(ORDERLY, root.path(), &system).0.unwrap_err().to_string();
        assert!(
            err.contains(part) && err.contains("mbtool exec --force"),
            "{err}"
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
        let err = go(options, root.path(), &system).0.unwrap_err().to_string();
        assert_eq!(err, "no image is loaded: run `mbtool load` first");
    }
    put(root.path(), "sys/kernel/kexec_crash_loaded", "1\n");
    let err = go(FORCE, root.path(), &system).0.unwrap_err().to_string();
    assert!(err.contains("runs when this kernel panics"), "{err}");
    // a guest of Xen is refused, a PVH dom0 too
    put(root.path(), "proc/xen/capabilities", "\n");
    let err = go(FORCE, root.path(), &system).0.unwrap_err().to_string();
    assert!(err.contains("pseudo-physical"), "{err}");
    std::fs::remove_dir_all(root.path().join("proc/xen")).unwrap();

    std::fs::remove_dir_all(root.path().join("sys/kernel")).unwrap();
    put(root.path(), "sys/kernel/uevent_seqnum", "1");
    let err = go(FORCE, root.path(), &system).0.unwrap_err().to_string();
    assert!(err.contains("CONFIG_KEXEC"), "{err}");
    assert!(system.seen.take().is_empty());
}

#[test]
fn refusals_of_the_kernel_are_explained() {
    let root = loaded();
    for (errno, part) in [
        (Errno::INVAL, "mbtool load"),
        (Errno::BUSY, "try again"),
        (Errno::PERM, "CAP_SYS_BOOT"),
        (Errno::IO, "failed: "),
    ] {
        let system = Fake {
            jump: Some(errno),
            ..Fake::default()
        };
        let err = go(FORCE, root.path(), &system).0.unwrap_err().to_string();
        assert!(err.contains(part), "{err}");
    }
    put(
        root.path(),
        "proc/self/status",
        "CapEff:\t0000000000000000\n",
    );
    let system = Fake::default();
    let err = go(FORCE, root.path(), &system).0.unwrap_err().to_string();
    assert!(err.contains("run mbtool as root"), "{err}");
    assert!(system.seen.take().is_empty());
}

#[test]
fn a_command_of_the_real_system_reports_its_end() {
    assert_eq!(RunningSystem.command(&["true"]), Ok(()));
    assert_eq!(
        RunningSystem.command(&["false"]),
        Err("exit status: 1".to_owned())
    );
    let err = RunningSystem
        .command(&["/nonexistent/systemctl"])
        .unwrap_err();
    assert!(err.contains("No such file"), "{err}");
}
