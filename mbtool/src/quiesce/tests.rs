use super::*;
use crate::sys::testing::put;
use std::cell::{Cell, RefCell};
use std::fs;

/// Records operations; files are really written.
struct Fake<'a> {
    root: &'a Path,
    seen: RefCell<Vec<String>>,
    /// True when a normal remount succeeds.
    willing: bool,
    /// True when the emergency remount succeeds.
    emergency: bool,
    paused: Cell<Duration>,
}

impl<'a> Fake<'a> {
    fn new(root: &'a Path) -> Self {
        Self {
            root,
            seen: RefCell::default(),
            willing: true,
            emergency: true,
            paused: Cell::default(),
        }
    }

    fn note(&self, text: String) {
        self.seen.borrow_mut().push(text);
    }

    fn swap(&self, from: &str, to: &str) {
        let path = self.root.join("proc/self/mountinfo");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, text.replace(from, to)).unwrap();
    }
}

impl Ops for Fake<'_> {
    fn lock_memory(&self) -> Result<(), String> {
        self.note("lock".into());
        Ok(())
    }

    fn sync(&self) -> Result<(), String> {
        self.note("sync".into());
        Ok(())
    }

    fn remount(&self, target: &Path, read_only: bool) -> Result<(), String> {
        self.note(format!("remount {} {read_only}", target.display()));
        if !self.willing {
            return Err("busy".into());
        }
        if read_only {
            self.swap(" rw,", " ro,");
        }
        Ok(())
    }

    fn write(&self, path: &Path, text: &str) -> Result<(), String> {
        let name = path.strip_prefix(self.root).unwrap();
        self.note(format!("write {} {text}", name.display()));
        if name == Path::new("proc/sysrq-trigger") && self.emergency {
            self.swap(" rw,", " ro,");
        }
        fs::write(path, text).map_err(|err| err.to_string())
    }

    fn kill(&self, pid: i32, hard: bool) {
        self.note(format!("kill {pid} {hard}"));
        // process 42 obeys SIGTERM, the other does not
        if hard || pid == 42 {
            fs::write(self.root.join(format!("proc/{pid}/cmdline")), "").unwrap();
        }
    }

    fn pause(&self, time: Duration) {
        self.paused.set(self.paused.get() + time);
    }
}

/// 256 bytes of a device with this command register, class and header type.
fn config(command: u16, class: [u8; 2], kind: u8) -> Vec<u8> {
    let mut bytes = vec![0; 256];
    bytes[..2].copy_from_slice(&0x8086_u16.to_le_bytes());
    bytes[4..6].copy_from_slice(&command.to_le_bytes());
    (bytes[11], bytes[10]) = (class[0], class[1]);
    bytes[14] = kind;
    bytes
}

fn dom0() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    put(
        root,
        "proc/self/mountinfo",
        "1 0 0:2 / / rw - rootfs none rw,size=1\n2 1 8:1 / /mnt rw - ext4 /dev/sda1 rw,x\n",
    );
    put(root, "proc/sysrq-trigger", "");
    put(root, "sys/class/net/lo/flags", "0x9\n");
    put(root, "sys/class/net/eth0/flags", "0x1103\n");
    put(root, "sys/class/net/eth1/flags", "0x1002\n");
    let pci = [
        ("0000:00:00.0", config(0x106, [6, 0], 0)),
        ("0000:00:01.0", config(0x107, [6, 4], 1)),
        ("0000:00:02.0", config(0x103, [3, 0], 0)),
        ("0000:00:03.0", config(0x507, [2, 0], 0x80)),
        ("0000:00:04.0", config(0x006, [8, 6], 0)),
        ("0000:00:05.0", vec![0xff; 64]),
    ];
    for (name, bytes) in pci {
        put(root, &format!("sys/bus/pci/devices/{name}/config"), bytes);
    }
    dir
}

fn command(root: &Path, name: &str) -> u16 {
    let path = root.join("sys/bus/pci/devices").join(name).join("config");
    let bytes = fs::read(path).unwrap();
    assert!(bytes.len() == 256 || bytes.len() == 64);
    u16::from_le_bytes([bytes[4], bytes[5]])
}

fn make<'a>(ops: &'a Fake<'_>, last: bool) -> (Quiet<'a>, Vec<QuiesceStep>) {
    let mut steps = vec![];
    let quiet = Quiet::make(ops.root, ops, last, &mut |step| steps.push(step.clone()));
    (quiet, steps)
}

#[test]
fn all_steps_run_in_order_and_are_reverted() {
    let dir = dom0();
    let root = dir.path();
    let ops = Fake::new(root);
    let (quiet, steps) = make(&ops, false);
    assert_eq!(
        steps,
        [
            QuiesceStep::Locked,
            QuiesceStep::Synced,
            QuiesceStep::ReadOnly { count: 1 },
            QuiesceStep::Network {
                down: 1,
                failed: vec![]
            },
            QuiesceStep::BusMaster {
                off: 1,
                failed: vec![]
            },
        ]
    );
    assert!(steps.iter().all(QuiesceStep::is_complete));
    assert_eq!(
        ops.seen.take(),
        [
            "lock",
            "sync",
            "remount /mnt true",
            "write sys/class/net/eth0/flags 0x1102",
        ]
    );
    assert_eq!(ops.paused.get(), DRAIN);
    assert_eq!(command(root, "0000:00:03.0"), 0x503);
    for (name, kept) in [
        ("0000:00:00.0", 0x106),
        ("0000:00:01.0", 0x107),
        ("0000:00:02.0", 0x103),
        ("0000:00:04.0", 0x006),
        ("0000:00:05.0", 0xffff),
    ] {
        assert_eq!(command(root, name), kept, "{name}");
    }

    let step = quiet.take_back();
    assert_eq!(step, QuiesceStep::Restored { changes: 3 });
    assert_eq!(command(root, "0000:00:03.0"), 0x507);
    assert_eq!(
        ops.seen.take(),
        [
            "write sys/class/net/eth0/flags 0x1103",
            "remount /mnt false",
        ]
    );
}

#[test]
fn a_panic_leaves_a_machine_that_works() {
    let dir = dom0();
    let root = dir.path();
    let ops = Fake::new(root);
    let before = command(root, "0000:00:03.0");
    let mut step = |step: &QuiesceStep| {
        if let QuiesceStep::BusMaster { .. } = step {
            assert_ne!(command(root, "0000:00:03.0"), before);
            panic!("a defect");
        }
    };
    let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = Quiet::make(root, &ops, false, &mut step);
    }));
    assert!(made.is_err());
    assert_eq!(command(root, "0000:00:03.0"), before);
    assert_eq!(ops.seen.take().last().unwrap(), "remount /mnt false");
}

#[test]
fn a_busy_file_system_needs_the_emergency_remount() {
    let dir = dom0();
    let mut ops = Fake::new(dir.path());
    ops.willing = false;
    let (quiet, steps) = make(&ops, false);
    assert!(steps.contains(&QuiesceStep::ReadOnly { count: 1 }));
    assert!(
        ops.seen
            .borrow()
            .contains(&"write proc/sysrq-trigger u".to_owned())
    );
    assert!(quiet.undo.contains(&Undo::Mount("/mnt".into())));
}

#[test]
fn failures_are_named_and_the_wait_is_bounded() {
    let dir = dom0();
    let root = dir.path();
    fs::remove_file(root.join("sys/bus/pci/devices/0000:00:03.0/config")).unwrap();
    put(root, "sys/bus/xen-backend/devices/vif-3-0/x", "");
    put(root, "sys/bus/xen-backend/devices/vbd-12-51712/x", "");
    let mut ops = Fake::new(root);
    (ops.willing, ops.emergency) = (false, false);
    let (quiet, steps) = make(&ops, false);
    let partly: Vec<_> = steps.iter().filter(|step| !step.is_complete()).collect();
    let domains = vec![3, 12];
    let left = vec!["/mnt".into()];
    assert_eq!(
        partly[..2],
        [
            &QuiesceStep::Guests { domains },
            &QuiesceStep::Writable { seconds: 10, left }
        ]
    );
    assert!(
        matches!(partly[2..], [QuiesceStep::BusMaster { off: 0, failed }]
            if failed.len() == 1 && failed[0].starts_with("0000:00:03.0 ")),
        "{partly:?}"
    );
    assert!(ops.paused.get() <= Duration::from_secs(11));
    assert_eq!(quiet.undo.len(), 1);
}

#[test]
fn last_ends_all_other_processes() {
    let dir = dom0();
    let root = dir.path();
    let own = std::process::id();
    for (pid, line) in [
        (1, "init".to_owned()),
        (2, String::new()),
        (42, "sleep\x001".to_owned()),
        (43, "stubborn".to_owned()),
        (44, "@mdmon".to_owned()),
        (own, "mbtool".to_owned()),
    ] {
        put(root, &format!("proc/{pid}/cmdline"), line);
    }
    let ops = Fake::new(root);
    let (_quiet, steps) = make(&ops, true);
    assert!(steps.contains(&QuiesceStep::Ended));
    let mut killed: Vec<String> = ops.seen.take();
    killed.retain(|text| text.starts_with("kill"));
    killed.sort();
    assert_eq!(killed, ["kill 42 false", "kill 43 false", "kill 43 true"]);
}

#[test]
fn long_lists_are_truncated() {
    let names: Vec<String> = (0..7).map(|n| n.to_string()).collect();
    assert_eq!(listed(&names), "0, 1, 2, 3, 4 and 2 more");
    assert_eq!(listed(&names[..2]), "0, 1");
}
