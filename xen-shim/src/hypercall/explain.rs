//! Meaning of Xen's error numbers, by hypercall.

use super::image::ImageKind;
use super::range::KexecRange;
use super::{Errno, HypercallError, LoadProblem};
use crate::fix::{Fix, Remedy, tail};

/// A failed hypercall, other than load.
#[derive(Clone, Copy)]
pub(super) enum FailedCall {
    GetRange(KexecRange),
    Unload,
    Exec(ImageKind),
    Status,
    MemoryMap,
    MaximumRamPage,
    M2pList,
    Physinfo,
    Version,
    CpuInfo,
    Watchdog,
}

impl FailedCall {
    /// In Xen's headers.
    const fn name(&self) -> &'static str {
        match self {
            Self::GetRange(_) => "KEXEC_CMD_kexec_get_range",
            Self::Unload => "KEXEC_CMD_kexec_unload",
            Self::Exec(_) => "KEXEC_CMD_kexec",
            Self::Status => "KEXEC_CMD_kexec_status",
            Self::MemoryMap => "XENMEM_machine_memory_map",
            Self::MaximumRamPage => "XENMEM_maximum_ram_page",
            Self::M2pList => "XENMEM_machphys_mfn_list",
            Self::Physinfo => "XEN_SYSCTL_physinfo",
            Self::Version => "xen_version",
            Self::CpuInfo => "XENPF_get_cpuinfo",
            Self::Watchdog => "SCHEDOP_watchdog",
        }
    }

    const fn is_kexec(&self) -> bool {
        matches!(
            self,
            Self::GetRange(_) | Self::Unload | Self::Exec(_) | Self::Status
        )
    }
}

/// The meaning of an error number for the call that failed with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Meaning {
    /// A meaning that a refused image has as well.
    #[error(transparent)]
    AsForLoad(LoadProblem),
    /// ENOSYS of another call.
    #[error("this Xen does not offer the call to this domain")]
    NotOffered,
    /// ERANGE of a CPU's notes.
    #[error("CPU {0} is above the highest number that this machine can have")]
    NoSuchCpu(u32),
    /// EINVAL of a CPU's notes.
    #[error(
        "Xen keeps notes of CPUs only when memory is reserved for a crash image{}",
        tail(self.fix())
    )]
    NoCpuNotes,
    /// EINVAL of another range.
    #[error("this Xen does not know this range")]
    UnknownRange,
    /// ENOENT of exec.
    #[error("no {} is loaded", match .0 { ImageKind::Default => "image", ImageKind::Crash => "crash image" })]
    NotLoaded(ImageKind),
    /// ENOSPC of the watchdog.
    #[error("both watchdogs that Xen has for a domain are in use")]
    WatchdogsInUse,
    /// EOPNOTSUPP of kexec.
    #[error("this Xen does not know this command")]
    UnknownCommand,
    /// EFAULT.
    #[error(
        "Xen could not read or write dom0's memory, which /dev/xen/hypercall prevents (Linux 4.18 \
         or newer){}",
        tail(self.fix())
    )]
    Fault,
    /// ENOMEM.
    #[error("Xen has no free memory")]
    NoMemory,
    /// None of the above.
    #[error("no known cause of this error for this call{}", tail(self.fix()))]
    Unknown,
}

impl Fix for Meaning {
    fn fix(&self) -> Remedy {
        let fix = match self {
            Self::AsForLoad(problem) => return problem.fix(),
            Self::NoCpuNotes => {
                "add crashkernel= to Xen's command line and reboot (`mbtool crash size` prints the \
                 amount)"
            }
            Self::Fault => "try again",
            Self::Unknown => "see `xl dmesg`",
            Self::NotOffered
            | Self::NoSuchCpu(_)
            | Self::UnknownRange
            | Self::NotLoaded(_)
            | Self::WatchdogsInUse
            | Self::UnknownCommand
            | Self::NoMemory => return None,
        };
        Some(fix.into())
    }
}

/// The error for `errno`, with its meaning for this call.
pub(super) fn explain(call: FailedCall, errno: Errno) -> HypercallError {
    let meaning = match (errno, &call) {
        (Errno::ENOSYS, call) if call.is_kexec() => Meaning::AsForLoad(LoadProblem::NoKexec),
        (Errno::ENOSYS, _) => Meaning::NotOffered,
        (Errno::EPERM | Errno::EACCES, _) => Meaning::AsForLoad(LoadProblem::NotAllowed),
        (Errno::ERANGE, FailedCall::GetRange(KexecRange::Cpu(cpu))) => Meaning::NoSuchCpu(*cpu),
        (Errno::EINVAL, FailedCall::GetRange(KexecRange::Cpu(_))) => Meaning::NoCpuNotes,
        (Errno::EINVAL, FailedCall::GetRange(_)) => Meaning::UnknownRange,
        (Errno::ENOENT, FailedCall::Exec(kind)) => Meaning::NotLoaded(*kind),
        (Errno::ENOSPC, FailedCall::Watchdog) => Meaning::WatchdogsInUse,
        (Errno::EBUSY, FailedCall::Unload) => Meaning::AsForLoad(LoadProblem::Busy),
        (Errno::EOPNOTSUPP, call) if call.is_kexec() => Meaning::UnknownCommand,
        (Errno::EFAULT, _) => Meaning::Fault,
        (Errno::ENOMEM, _) => Meaning::NoMemory,
        _ => Meaning::Unknown,
    };
    HypercallError::Call {
        call: call.name(),
        errno,
        meaning,
    }
}
