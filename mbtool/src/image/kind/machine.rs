//! CPUs that a file can be for.

use ::elf::abi;
use ::elf::file::Class;
use goblin::pe::header as pe;
use serde::{Serialize, Serializer};
use std::fmt;

/// The CPU that a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileMachine {
    /// x86-64.
    X86_64,
    /// 32-bit x86.
    I386,
    /// 64-bit ARM.
    Arm64,
    /// 32-bit ARM.
    Arm,
    /// 64-bit RISC-V.
    RiscV64,
    /// 32-bit RISC-V.
    RiscV32,
    /// 64-bit LoongArch.
    LoongArch64,
    /// POWER.
    Power,
    /// IBM Z.
    S390,
    /// MIPS.
    Mips,
    /// Itanium.
    Itanium,
    /// EFI byte code.
    EfiByteCode,
    /// Another `e_machine` of ELF.
    Elf(u16),
    /// Another machine of PE.
    Pe(u16),
}

impl FileMachine {
    /// The machine of an ELF file.
    #[must_use]
    pub const fn of_elf(machine: u16, class: Class) -> Self {
        match (machine, class) {
            (abi::EM_X86_64, _) => Self::X86_64,
            (abi::EM_386, _) => Self::I386,
            (abi::EM_AARCH64, _) => Self::Arm64,
            (abi::EM_ARM, _) => Self::Arm,
            (abi::EM_RISCV, Class::ELF64) => Self::RiscV64,
            (abi::EM_RISCV, Class::ELF32) => Self::RiscV32,
            (abi::EM_LOONGARCH, _) => Self::LoongArch64,
            (abi::EM_PPC | abi::EM_PPC64, _) => Self::Power,
            (abi::EM_S390, _) => Self::S390,
            (abi::EM_MIPS, _) => Self::Mips,
            (abi::EM_IA_64, _) => Self::Itanium,
            (other, _) => Self::Elf(other),
        }
    }

    /// The machine of a PE image.
    #[must_use]
    pub const fn of_pe(machine: u16) -> Self {
        match machine {
            pe::COFF_MACHINE_X86_64 => Self::X86_64,
            pe::COFF_MACHINE_X86 => Self::I386,
            pe::COFF_MACHINE_ARM64 => Self::Arm64,
            pe::COFF_MACHINE_ARM | pe::COFF_MACHINE_THUMB | pe::COFF_MACHINE_ARMNT => Self::Arm,
            pe::COFF_MACHINE_RISCV64 => Self::RiscV64,
            pe::COFF_MACHINE_RISCV32 => Self::RiscV32,
            pe::COFF_MACHINE_LOONGARCH64 => Self::LoongArch64,
            pe::COFF_MACHINE_IA64 => Self::Itanium,
            pe::COFF_MACHINE_EBC => Self::EfiByteCode,
            other => Self::Pe(other),
        }
    }

    /// True for a machine whose kernels mbtool starts.
    #[must_use]
    pub const fn is_ours(self) -> bool {
        matches!(self, Self::X86_64 | Self::I386)
    }
}

impl fmt::Display for FileMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X86_64 => "x86-64",
            Self::I386 => "i386",
            Self::Arm64 => "arm64",
            Self::Arm => "arm",
            Self::RiscV64 => "riscv64",
            Self::RiscV32 => "riscv32",
            Self::LoongArch64 => "loongarch64",
            Self::Power => "POWER",
            Self::S390 => "s390x",
            Self::Mips => "MIPS",
            Self::Itanium => "Itanium",
            Self::EfiByteCode => "EFI byte code",
            Self::Elf(machine) => return write!(f, "ELF machine {machine}"),
            Self::Pe(machine) => return write!(f, "PE machine {machine:#x}"),
        })
    }
}

impl Serialize for FileMachine {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
