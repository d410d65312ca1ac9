//! Errors of `exec`, and the steps before its jump.

use super::{denied, messages};
use mbtool::backend::BackendError;
use mbtool::cmd::exec::{ExecError, InitProblem, ProgramProblem};
use mbtool::quiesce::QuiesceStep;
use rustix::io::Errno;

#[test]
fn exec() {
    let reboot = |errno| ExecError::Reboot { errno };
    messages!(ExecError {
        NotLoaded: [
            ExecError::NotLoaded { crash_only: false },
            ExecError::NotLoaded { crash_only: true },
        ],
        Refused: [ExecError::Refused(BackendError::NotRoot)],
        NoInit: [ExecError::NoInit(InitProblem::Unknown)],
        Program: [ExecError::Program {
            path: "/tmp/mbtool".into(),
            why: ProgramProblem::Unmounted
        }],
        Write: [ExecError::Write {
            path: "/run/x".into(),
            source: denied()
        }],
        Command: [ExecError::Command {
            command: "systemctl kexec".into(),
            why: "exit status: 1".into()
        }],
        Reboot: [
            reboot(Errno::INVAL),
            reboot(Errno::BUSY),
            reboot(Errno::PERM),
            reboot(Errno::IO),
        ],
    });
    let name = || "init".to_owned();
    messages!(InitProblem, no fix {
        Unknown: [InitProblem::Unknown],
        Reboots: [InitProblem::Reboots { name: name() }],
        Other: [InitProblem::Other { name: name() }],
        OpenRcInDom0: [InitProblem::OpenRcInDom0],
        OtherInDom0: [InitProblem::OtherInDom0 { name: name() }],
    });
    messages!(ProgramProblem, no fix {
        Name: [ProgramProblem::Name],
        Unmounted: [ProgramProblem::Unmounted],
        Io: [ProgramProblem::Io("Permission denied (os error 13)".into())],
    });
}

#[test]
fn quiesce() {
    let why = || "Operation not permitted (os error 1)".to_owned();
    let failed = || vec!["0000:00:03.0 (timeout)".to_owned()];
    let network = |failed| QuiesceStep::Network { down: 2, failed };
    let bus_master = |failed| QuiesceStep::BusMaster { off: 2, failed };
    messages!(QuiesceStep, no fix {
        Locked: [QuiesceStep::Locked],
        NotLocked: [QuiesceStep::NotLocked { why: why() }],
        Guests: [QuiesceStep::Guests { domains: vec![3, 12] }],
        Ended: [QuiesceStep::Ended],
        NotEnded: [QuiesceStep::NotEnded { left: 2 }],
        Synced: [QuiesceStep::Synced],
        NotSynced: [QuiesceStep::NotSynced { why: why() }],
        NoneWritable: [QuiesceStep::NoneWritable],
        ReadOnly: [QuiesceStep::ReadOnly { count: 2 }],
        Writable: [QuiesceStep::Writable {
            seconds: 10,
            left: vec!["/mnt".into(), "/srv".into()]
        }],
        Network: [network(vec![]), network(vec!["eth0/flags: timeout".to_owned()])],
        BusMaster: [bus_master(vec![]), bus_master(failed())],
        Restored: [QuiesceStep::Restored { changes: 3 }],
        NotRestored: [QuiesceStep::NotRestored { failed: failed() }],
    });
}
