//! Meaning of Xen's error numbers, by hypercall.

use super::image::ImageKind;
use super::problem::{NO_KEXEC, NOT_ALLOWED};
use super::range::KexecRange;
use super::{Errno, HypercallError, LoadProblem};

/// A failed hypercall, other than load.
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

/// The error for `errno`, with its meaning for this call.
pub(super) fn explain(what: FailedCall, errno: Errno) -> HypercallError {
    let call = match what {
        FailedCall::GetRange(_) => "KEXEC_CMD_kexec_get_range",
        FailedCall::Unload => "KEXEC_CMD_kexec_unload",
        FailedCall::Exec(_) => "KEXEC_CMD_kexec",
        FailedCall::Status => "KEXEC_CMD_kexec_status",
        FailedCall::MemoryMap => "XENMEM_machine_memory_map",
        FailedCall::MaximumRamPage => "XENMEM_maximum_ram_page",
        FailedCall::M2pList => "XENMEM_machphys_mfn_list",
        FailedCall::Physinfo => "XEN_SYSCTL_physinfo",
        FailedCall::Version => "xen_version",
        FailedCall::CpuInfo => "XENPF_get_cpuinfo",
        FailedCall::Watchdog => "SCHEDOP_watchdog",
    };
    let kexec = matches!(
        what,
        FailedCall::GetRange(_) | FailedCall::Unload | FailedCall::Exec(_) | FailedCall::Status
    );
    let meaning = match (errno, &what) {
        (Errno::ENOSYS, _) if kexec => NO_KEXEC.to_owned(),
        (Errno::ENOSYS, _) => "this Xen does not offer the call to this domain".to_owned(),
        (Errno::EPERM | Errno::EACCES, _) => NOT_ALLOWED.to_owned(),
        (Errno::ERANGE, FailedCall::GetRange(KexecRange::Cpu(cpu))) => {
            format!("CPU {cpu} is above the highest number that this machine can have")
        }
        (Errno::EINVAL, FailedCall::GetRange(KexecRange::Cpu(_))) => {
            "Xen keeps notes of CPUs only when memory is reserved for a crash image: add \
             crashkernel= to Xen's command line and reboot (`mbtool crash size` prints the amount)"
                .to_owned()
        }
        (Errno::EINVAL, FailedCall::GetRange(_)) => "this Xen does not know this range".to_owned(),
        (Errno::ENOENT, FailedCall::Exec(kind)) => format!(
            "no {} is loaded",
            match kind {
                ImageKind::Default => "image",
                ImageKind::Crash => "crash image",
            }
        ),
        (Errno::ENOSPC, FailedCall::Watchdog) => {
            "both watchdogs that Xen has for a domain are in use".to_owned()
        }
        (Errno::EBUSY, FailedCall::Unload) => LoadProblem::Busy.to_string(),
        (Errno::EOPNOTSUPP, _) if kexec => "this Xen does not know this command".to_owned(),
        (Errno::EFAULT, _) => "Xen could not read or write dom0's memory, which \
                               /dev/xen/hypercall prevents (Linux 4.18 or newer); try again"
            .to_owned(),
        (Errno::ENOMEM, _) => "Xen has no free memory".to_owned(),
        _ => "this call is not known to fail like that; see `xl dmesg`".to_owned(),
    };
    HypercallError::Call {
        call,
        errno,
        meaning,
    }
}
