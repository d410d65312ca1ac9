//! A dump as its reader found it.

use super::handoff_log::LogContext;
use crate::arch::Architecture;
use handoff::arch::arm64::dump::read::Arm64Dump;
use handoff::arch::riscv64::dump::read::RiscvDump;
use handoff::dump::read::{Dump, Integrity};
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
    /// The host's Linux, where KVM cannot run a guest.
    KvmHost,
}

/// The CPU's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CpuDump {
    /// x86, 32 or 64 bits.
    X86(Dump),
    /// riscv64.
    Riscv(RiscvDump),
    /// arm64.
    Arm64(Box<Arm64Dump>),
}

impl CpuDump {
    /// Its architecture.
    #[must_use]
    pub const fn architecture(&self) -> Architecture {
        match self {
            Self::X86(_) => Architecture::X86_64,
            Self::Riscv(_) => Architecture::Riscv64,
            Self::Arm64(_) => Architecture::Arm64,
        }
    }

    /// Its integrity.
    #[must_use]
    pub const fn integrity(&self) -> Integrity {
        match self {
            Self::X86(dump) => dump.integrity,
            Self::Riscv(dump) => dump.integrity,
            Self::Arm64(dump) => dump.integrity,
        }
    }

    /// Version of the handoff's text.
    #[must_use]
    pub const fn format(&self) -> Option<u32> {
        match self {
            Self::X86(dump) => dump.format,
            Self::Riscv(dump) => dump.format,
            Self::Arm64(dump) => dump.format,
        }
    }
}

impl From<Dump> for CpuDump {
    fn from(dump: Dump) -> Self {
        Self::X86(dump)
    }
}

impl From<RiscvDump> for CpuDump {
    fn from(dump: RiscvDump) -> Self {
        Self::Riscv(dump)
    }
}

impl From<Arm64Dump> for CpuDump {
    fn from(dump: Arm64Dump) -> Self {
        Self::Arm64(Box::new(dump))
    }
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
            Self::KvmHost => "the host's KVM",
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
    /// Location of the program counter as printed: `FUNCTION+0x7/0x30`.
    pub at: Option<String>,
    /// Code bytes before the program counter.
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
    /// The hypervisor's registers (riscv64).
    pub hypervisor: Option<HypervisorState>,
}

/// Registers of a hypervisor about a trap of its guest (RISC-V H extension).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HypervisorState {
    /// `hstatus`.
    pub hstatus: u64,
    /// `htval`: the guest physical address, shifted right by 2; 0 if not known.
    pub htval: u64,
    /// `htinst`.
    pub htinst: u64,
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
    pub dump: CpuDump,
    /// Lines of the handoff before it.
    pub log: LogContext,
    /// The rest.
    pub details: DumpDetails,
}

/// Returns the names of a dump's fields that are not there.
pub(super) fn absent(fields: impl Iterator<Item = (&'static str, bool)>) -> Vec<&'static str> {
    fields
        .filter(|(_, there)| !there)
        .map(|(name, _)| name)
        .collect()
}
