//! Registers in oopses of other architectures than x86.

use super::ReadDump;
use super::linux_arm64::Arm64Oops;
use super::linux_riscv::{RiscvOops, virtual_address};
use crate::arch::Architecture;
use crate::decode::found::{CpuDump, DumpDetails, DumpSource};

/// What the lines of such a kernel tell.
#[derive(Debug)]
pub(super) enum KernelOops {
    Riscv(RiscvOops),
    Arm64(Arm64Oops),
}

impl KernelOops {
    /// An empty one; `None` for x86.
    pub(super) fn of(kernel: Architecture) -> Option<Self> {
        match kernel {
            Architecture::Riscv64 => Some(Self::Riscv(RiscvOops::default())),
            Architecture::Arm64 => Some(Self::Arm64(Arm64Oops::default())),
            Architecture::X86_64 | Architecture::Arm => None,
        }
    }

    /// The architecture of a line that only one prints in an oops.
    pub(super) fn begins(text: &str) -> Option<Architecture> {
        if RiscvOops::begins(text) {
            Some(Architecture::Riscv64)
        } else {
            Arm64Oops::begins(text).then_some(Architecture::Arm64)
        }
    }

    /// The architecture of a kernel by a line that it prints while it boots.
    pub(super) fn of_boot(text: &str) -> Option<Architecture> {
        if RiscvOops::is_of_boot(text) {
            Some(Architecture::Riscv64)
        } else {
            Arm64Oops::is_of_boot(text).then_some(Architecture::Arm64)
        }
    }

    /// The architecture in Linux's first line.
    pub(super) fn of_version(text: &str) -> Architecture {
        if text.contains("riscv64") {
            Architecture::Riscv64
        } else if text.contains("aarch64") || text.contains("arm64") {
            Architecture::Arm64
        } else {
            Architecture::default()
        }
    }

    /// Adds a first line, or one that tells more about the exception.
    pub(super) fn head(&mut self, text: &str) {
        if let Self::Arm64(oops) = self {
            oops.syndrome(text);
        }
    }

    /// Adds a line; false if it is none of these.
    pub(super) fn take(&mut self, text: &str) -> bool {
        match self {
            Self::Riscv(oops) => oops.take(text),
            Self::Arm64(oops) => oops.take(text),
        }
    }

    /// True with all that stands before the calls.
    pub(super) const fn is_complete(&self) -> bool {
        match self {
            Self::Riscv(oops) => oops.is_complete(),
            Self::Arm64(oops) => oops.is_complete(),
        }
    }

    /// Completes the dump; `None` if it is no dump after all.
    pub(super) fn end(self, (line, details): (usize, DumpDetails)) -> Option<ReadDump> {
        let messages = details.message.iter();
        let address = messages.filter_map(|text| virtual_address(text)).next();
        let calls = !details.calls.is_empty();
        let read = match self {
            Self::Riscv(mut oops) => {
                oops.dump.stval = oops.dump.stval.or(address);
                oops.end(of(line, details))
            }
            Self::Arm64(mut oops) => {
                oops.dump.far = oops.dump.far.or(address);
                oops.end(of(line, details))
            }
        };
        let registers = match &read.dump {
            CpuDump::Riscv(dump) => dump.sepc.is_some(),
            CpuDump::Arm64(dump) => dump.elr.is_some() || dump.gpr[0].is_some(),
            CpuDump::X86(_) => false,
        };
        (registers || calls || read.details.at.is_some()).then_some(read)
    }
}

fn of<D: Default>(line: usize, details: DumpDetails) -> ReadDump<D> {
    ReadDump {
        source: DumpSource::LinuxOops,
        line,
        dump: D::default(),
        details,
    }
}
