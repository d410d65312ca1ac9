//! Errors of backends.

use super::xen::XenError;
use crate::arch::Architecture;
use crate::host::hypervisor::Hypervisor;
use crate::host::kexec_state::Lockdown;
use crate::sys::size::Size;
use std::path::PathBuf;
use xen_shim::fix::{Fix, Remedy, tail};

/// A refusal.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// EPERM: missing capability.
    #[error(
        "kexec needs the capability CAP_SYS_BOOT, which this process does not have{}",
        tail(self.fix())
    )]
    NotRoot,
    /// EPERM: kexec is disabled until the next boot.
    #[error(
        "the sysctl kernel.kexec_load_disabled is 1: this kernel neither loads nor unloads images, \
         and only a reboot resets the sysctl{}",
        tail(self.fix())
    )]
    LoadDisabled,
    /// EPERM: the limit of permitted loads is reached.
    #[error(
        "the sysctl {sysctl} is 0: no load is left of the permitted number, and only a reboot \
         resets the sysctl{}",
        tail(self.fix())
    )]
    LimitUsedUp {
        /// Name of the sysctl.
        sysctl: &'static str,
    },
    /// EPERM: kernel lockdown.
    #[error(
        "kernel lockdown is on ([{mode}]){}: kexec_load(2) is refused, because it does not verify \
         signatures{}",
        if *secure_boot == Some(true) { " with Secure Boot" } else { "" },
        tail(self.fix())
    )]
    Lockdown {
        /// Mode of the lockdown.
        mode: Lockdown,
        /// From the firmware's variable, if it exists.
        secure_boot: Option<bool>,
    },
    /// EPERM for an unknown reason.
    #[error(
        "the kernel refused permission (EPERM) although this process has CAP_SYS_BOOT and {}{}",
        if *lockdown_hidden {
            "no sysctl forbids it: possible causes are kernel lockdown (unknown while \
             /sys/kernel/security is not mounted), a security module, a seccomp filter or a \
             container"
        } else {
            "neither a sysctl nor lockdown forbids it: a security module (see dmesg), a seccomp \
             filter or a container does"
        },
        tail(self.fix())
    )]
    Forbidden {
        /// True when lockdown is unknown.
        lockdown_hidden: bool,
    },
    /// The kernel has no kexec support.
    #[error(
        "this kernel has no kexec (there is neither /sys/kernel/kexec/loaded nor \
         /sys/kernel/kexec_loaded): it was built without CONFIG_KEXEC{}",
        tail(self.fix())
    )]
    NoKexec,
    /// ENOSYS, although the sysfs files exist.
    #[error(
        "this kernel lacks the system call kexec_load(2): it was built without CONFIG_KEXEC (it \
         may have kexec_file_load(2), which takes Linux images only), or a seccomp filter hides \
         it{}",
        tail(self.fix())
    )]
    NoSyscall,
    /// EBUSY.
    #[error(
        "another kexec load, unload or resize of the crash region is under way{}",
        tail(self.fix())
    )]
    Busy,
    /// EINVAL: invalid list of segments.
    #[error(
        "the kernel refused the list of segments (EINVAL): more than 16 segments, overlapping \
         segments, more than half of RAM, or the wrong architecture{}",
        tail(self.fix())
    )]
    Invalid,
    /// EADDRNOTAVAIL: invalid address.
    #[error(
        "the kernel refused an address (EADDRNOTAVAIL): {}{}",
        if *crash {
            "the entry or a segment is not inside the crash region (\"Crash kernel\" in \
             /proc/iomem), or is not page aligned"
        } else {
            "a segment is not page aligned or ends above the highest address this kernel maps"
        },
        tail(self.fix())
    )]
    Address {
        /// True for a crash image.
        crash: bool,
    },
    /// ENOMEM: not enough memory.
    #[error(
        "the kernel has too little free memory (ENOMEM): {}{}",
        if *crash {
            "the crash region has no free pages left for the kernel's control pages and page \
             tables"
        } else {
            "it keeps the image in free RAM until the jump"
        },
        tail(self.fix())
    )]
    NoMemory {
        /// True for a crash image.
        crash: bool,
    },
    /// Less memory is available than the load takes; nothing was tried.
    #[error(
        "the load takes {} of memory, {} are available (MemAvailable in /proc/meminfo){}",
        Size(*needed), Size(*available), tail(self.fix())
    )]
    TooLittleMemory {
        /// Bytes needed.
        needed: u64,
        /// Bytes available.
        available: u64,
    },
    /// EFAULT: unreadable segments.
    #[error(
        "the kernel could not read the segments (EFAULT): this is a defect of mbtool{}",
        tail(self.fix())
    )]
    Fault,
    /// EOPNOTSUPP.
    #[error(
        "the kernel cannot kexec on this machine (EOPNOTSUPP): TDX is enabled, and this processor \
         or kernel does not support kexec with it{}",
        tail(self.fix())
    )]
    Unsupported,
    /// A guest of KVM on riscv64 whose kernel has no trampoline for two-stage translation.
    #[error(
        "this Linux is a guest of KVM (SBI implementation 3), and its kernel has no kexec trampoline: \
         kexec would end this VCPU. The kernel drops satp with stvec as landing place; with two-stage \
         translation the fetch after that is a guest-page fault (cause 0x14), which goes to the \
         hypervisor, not to stvec{}",
        tail(self.fix())
    )]
    VcpuEnds,
    /// KVM keeps EL2 for itself.
    #[error(
        "this kernel's KVM runs protected, and keeps EL2 for itself: kexec_load(2) refuses (EBUSY), because the CPUs \
         cannot leave KVM{}",
        tail(self.fix())
    )]
    ProtectedKvm,
    /// A domain of Xen on ARM.
    #[error(
        "this Linux runs as {hypervisor}, which has no kexec hypercall: nothing can replace it, and a kernel that kexec \
         starts inside of the domain ends in a BUG, because Xen registers the VCPU's information page once only \
         (VCPUOP_register_vcpu_info){}",
        tail(self.fix())
    )]
    XenOnArm {
        /// The detected hypervisor.
        hypervisor: Hypervisor,
    },
    /// Any other errno.
    #[error("kexec_load(2) failed: {}", std::io::Error::from_raw_os_error(*errno))]
    Other {
        /// The error number.
        errno: i32,
    },
    /// Unsupported architecture.
    #[error(
        "this plan is for {plan}, and this mbtool was built for {}: it has no handoff for {plan}{}",
        Architecture::NATIVE, tail(self.fix())
    )]
    Architecture {
        /// Machine of the plan.
        plan: Architecture,
    },
    /// The running Linux is a guest.
    #[error(
        "this Linux runs as {hypervisor}: kexec_load(2) would work on the guest's own \
         pseudo-physical memory, not on the machine's, and never replaces Xen{}{}",
        if *hypervisor == Hypervisor::XenPvhDom0 {
            ", which offers its kexec hypercall to a PV dom0 only"
        } else { "" },
        tail(self.fix())
    )]
    XenGuest {
        /// The detected hypervisor.
        hypervisor: Hypervisor,
    },
    /// An error of the Xen backend.
    #[error(transparent)]
    Xen(#[from] XenError),
    /// A crash image without a reservation.
    #[error("no memory is reserved for a crash image{}", tail(self.fix()))]
    NoCrashRegion,
    /// A failed load of a crash image that removed the previous one.
    #[error(
        "the previous crash image is gone, because the kernel frees it before it loads another: \
         {cause}"
    )]
    CrashImageLost {
        /// Reason of the failure.
        cause: Box<BackendError>,
    },
    /// The directory was not written by mbtool.
    #[error(
        "{}: the directory is not empty and not written by mbtool ({found:?} is in it){}",
        path.display(), tail(self.fix())
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// First name that mbtool does not write.
        found: String,
    },
    /// The path exists and is not a directory.
    #[error("{}: exists and is not a directory", path.display())]
    NoDirectory {
        /// The path.
        path: PathBuf,
    },
    /// A file could not be written or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// Path of the file.
        path: PathBuf,
        /// Error of the system call.
        source: std::io::Error,
    },
    /// The report cannot be serialized.
    #[error("plan.json: {0}")]
    Json(#[from] serde_json::Error),
}

/// For a sysctl that only a reboot resets.
const NO_SYSCTL: &str = "remove it from /etc/sysctl.d and reboot";
/// For a defect of mbtool.
pub(super) const REPORT: &str = "please report it with the output of `mbtool plan --json`";

impl Fix for BackendError {
    fn fix(&self) -> Remedy {
        let fix = match self {
            Self::NotRoot => "run mbtool as root",
            Self::LoadDisabled | Self::LimitUsedUp { .. } => NO_SYSCTL,
            Self::Lockdown {
                secure_boot: Some(true),
                ..
            } => {
                "disable Secure Boot in the firmware setup, or its validation with `mokutil \
                 --disable-validation`, and reboot"
            }
            Self::Lockdown { .. } => {
                "remove lockdown= from the kernel command line (or CONFIG_LOCK_DOWN_KERNEL_FORCE_*) \
                 and reboot"
            }
            Self::Forbidden {
                lockdown_hidden: true,
            } => {
                "`mount -t securityfs securityfs /sys/kernel/security` and try again, and see dmesg"
            }
            Self::Forbidden { .. } => "run mbtool outside of it",
            Self::NoKexec => "boot a kernel with CONFIG_KEXEC",
            Self::NoSyscall => "boot a kernel with CONFIG_KEXEC",
            Self::Busy => "try again",
            Self::Invalid => {
                "compare kernel_segments of `mbtool plan --json` with the machine's RAM"
            }
            Self::Address { .. } => "see kernel_segments of `mbtool plan --json`",
            Self::NoMemory { crash: true } => {
                "`mbtool crash size` prints a sufficient crashkernel="
            }
            Self::NoMemory { .. } | Self::TooLittleMemory { .. } => {
                "free some memory, or use a smaller initrd"
            }
            Self::Fault => REPORT,
            Self::Unsupported => "boot with kvm_intel.tdx=0, or disable TDX in the firmware setup",
            Self::VcpuEnds => {
                "boot a kernel with a trampoline (/proc/kallsyms then has kexec_tramp_satp); if the \
                 monitor of this machine goes on at stvec, load with --force (docs/riscv64.md)"
            }
            Self::ProtectedKvm => {
                "boot without kvm-arm.mode=protected; a crash image can be loaded with it"
            }
            Self::XenOnArm { .. } => "boot Linux without Xen to load from here",
            Self::XenGuest { hypervisor } => match hypervisor {
                Hypervisor::XenPvDom0 => "leave --backend out, and mbtool loads through Xen",
                Hypervisor::XenPvhDom0 => Hypervisor::PV_DOM0,
                Hypervisor::XenUnknown => Hypervisor::MOUNT,
                _ => "run mbtool in dom0, or boot Linux without Xen to load from here",
            },
            Self::NoCrashRegion => {
                "`mbtool crash size` prints the crashkernel= parameter for the kernel's command \
                 line"
            }
            Self::Foreign { .. } => "give another directory, or empty this one",
            Self::Xen(error) => return error.fix(),
            Self::CrashImageLost { cause } => return cause.fix(),
            Self::Architecture { plan } => {
                return Some(format!("use an mbtool that was built for {plan}").into());
            }
            Self::Other { .. } | Self::NoDirectory { .. } | Self::Io { .. } | Self::Json(_) => {
                return None;
            }
        };
        Some(fix.into())
    }
}
