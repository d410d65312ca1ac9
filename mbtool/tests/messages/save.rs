//! Errors of a save.

use super::{denied, messages};
use mbtool::config::target::DeviceSpec;
use mbtool::save::{ChildError, SaveError, StallKind};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

#[test]
fn steps() {
    let path = || "/proc/vmcore".into();
    let no_disk = |disks: &[&str]| SaveError::NoDisk {
        device: DeviceSpec::try_from("UUID=1-2".to_owned()).unwrap(),
        seconds: 90,
        disks: disks.iter().map(|name| (*name).to_owned()).collect(),
    };
    messages!(SaveError {
        NoDump: [SaveError::NoDump {
            path: path(),
            source: denied()
        }],
        Directory: [SaveError::Directory { path: path() }],
        Unreadable: [SaveError::Unreadable { path: path() }],
        NoDisk: [no_disk(&[]), no_disk(&["vda", "vda1"])],
        InMemory: [SaveError::InMemory {
            dir: "/root/var/crash".into(),
            target: "/var/crash".into()
        }],
        NamesTaken: [SaveError::NamesTaken {
            dir: "/var/crash/crash-2026-11-21-1000".into()
        }],
        NoSpace: [SaveError::NoSpace],
        DiskStalled: [SaveError::DiskStalled { seconds: 60 }],
        TooShort: [SaveError::TooShort {
            program: "makedumpfile".into(),
            bytes: 12
        }],
        NoConnection: [SaveError::NoConnection {
            host: "192.0.2.1".into(),
            seconds: 180,
            why: "ssh failed (exit status: 255): No route to host".into()
        }],
        Differs: [SaveError::Differs {
            found: "0123".into(),
            expected: "4567".into()
        }],
        Panic: [SaveError::Panic("index out of bounds".into())],
        StillRunning: [SaveError::StillRunning],
    });
}

#[test]
fn child() {
    let name = || "makedumpfile".to_owned();
    let output = || vec!["begun".to_owned(), "no memory".to_owned()];
    let failed = |status, output| ChildError::Failed {
        name: name(),
        status: ExitStatus::from_raw(status),
        output,
    };
    let stalled = |stall, killed| ChildError::Stalled {
        name: name(),
        stall,
        seconds: 60.2,
        killed,
        output: output(),
    };
    messages!(ChildError, no fix {
        NotStarted: [ChildError::NotStarted { name: name(), source: denied() }],
        Failed: [failed(0x300, output()), failed(9, vec![])],
        Stalled: [stalled(StallKind::Silent, true), stalled(StallKind::NoData, false)],
        InputClosed: [ChildError::InputClosed { name: name() }],
        Write: [ChildError::Write { name: name(), why: denied(), output: output() }],
        OutputOpen: [ChildError::OutputOpen { name: name() }],
    });
}
