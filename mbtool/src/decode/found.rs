//! A dump as its reader found it.

use super::handoff_log::LogContext;
use handoff::dump::read::Dump;
use serde::Serialize;

/// Program that printed a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DumpSource {
    /// mbtool's handoff.
    Handoff,
    /// Linux's own kexec code.
    Linux,
    /// Linux: a panic, an oops, an early exception.
    LinuxOops,
    /// Xen.
    Xen,
    /// UEFI firmware built from EDK2.
    Edk2,
    /// QEMU: `-d int,cpu_reset`, or `info registers` in its monitor.
    Qemu,
    /// QEMU, where KVM cannot run the guest.
    Kvm,
}

impl DumpSource {
    /// Its name in a sentence.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Handoff => "the handoff",
            Self::Linux => "Linux's kexec code",
            Self::LinuxOops => "Linux",
            Self::Xen => "Xen",
            Self::Edk2 => "the firmware (EDK2)",
            Self::Qemu => "QEMU",
            Self::Kvm => "QEMU for KVM",
        }
    }

    /// True for kernels, which change their own code (alternatives, ftrace).
    #[must_use]
    pub const fn patches_itself(self) -> bool {
        matches!(self, Self::LinuxOops | Self::Xen)
    }
}

/// What a dump has besides the CPU's state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DumpDetails {
    /// The program's last words.
    pub message: Vec<String>,
    /// Whose state it is: CPU, process, guest.
    pub context: Vec<String>,
    /// Location of rip as printed: `FUNCTION+0x7/0x30`.
    pub at: Option<String>,
    /// Code bytes before rip.
    pub before: Vec<u8>,
    /// Calls, the innermost first.
    pub calls: Vec<CallText>,
    /// Difference between load and link address (KASLR), if printed.
    pub slide: Option<u64>,
    /// Exceptions while an exception was delivered, the first one is the dump's.
    pub chain: Vec<ChainLink>,
    /// The descriptor table of exceptions: base and limit.
    pub idt: Option<(u64, u64)>,
    /// The CPU executed `hlt`.
    pub halted: bool,
    /// 16-bit code: addresses are relative to the code segment.
    pub real_mode: bool,
}

/// A line of a call trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallText {
    /// Return address, if printed.
    pub address: Option<u64>,
    /// `FUNCTION+0x7/0x30`.
    pub name: Option<String>,
    /// Found on the stack, but not on the path of frames.
    pub uncertain: bool,
}

/// One exception of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainLink {
    /// Vector.
    pub vector: u8,
    /// Error code as printed.
    pub error: u64,
}

/// A dump with its position in the log.
#[derive(Clone, Debug)]
pub struct FoundDump {
    /// Who printed it.
    pub source: DumpSource,
    /// Number of its first line, from 1.
    pub line: usize,
    /// The dump.
    pub dump: Dump,
    /// Lines of the handoff before it.
    pub log: LogContext,
    /// The rest.
    pub details: DumpDetails,
}
