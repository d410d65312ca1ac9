//! What differs between machines, in one place: numbers of ELF and of `kexec_load(2)`, limits of addresses, and where a
//! machine describes itself.

use handoff::addr::FOUR_GIB;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A machine that runs mbtool, or that a plan is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// x86, in 64-bit mode.
    #[default]
    #[serde(rename = "x86_64")]
    X86_64,
    /// RISC-V, 64 bits.
    Riscv64,
    /// ARM, 64 bits.
    Arm64,
    /// ARM, 32 bits.
    Arm,
}

impl Architecture {
    /// The one that this mbtool was built for.
    pub const NATIVE: Self = if cfg!(target_arch = "riscv64") {
        Self::Riscv64
    } else if cfg!(target_arch = "aarch64") {
        Self::Arm64
    } else if cfg!(target_arch = "arm") {
        Self::Arm
    } else {
        Self::X86_64
    };

    /// Its name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Riscv64 => "riscv64",
            Self::Arm64 => "arm64",
            Self::Arm => "arm",
        }
    }

    /// `e_machine` of its ELF files. Its kexec number is this one in the upper half of the flags of `kexec_load(2)`
    /// (linux/kexec.h).
    #[must_use]
    pub const fn elf_machine(self) -> u16 {
        match self {
            Self::X86_64 => elf::abi::EM_X86_64,
            Self::Riscv64 => elf::abi::EM_RISCV,
            Self::Arm64 => elf::abi::EM_AARCH64,
            Self::Arm => elf::abi::EM_ARM,
        }
    }

    /// Describes itself by a device tree; otherwise by what a BIOS, ACPI and EFI left in memory.
    #[must_use]
    pub const fn has_device_tree(self) -> bool {
        match self {
            Self::X86_64 => false,
            Self::Riscv64 | Self::Arm64 | Self::Arm => true,
        }
    }

    /// Upper bound of a crash region. On x86_64 images are entered with 32-bit addresses.
    #[must_use]
    pub const fn crash_region_end(self) -> u64 {
        match self {
            Self::X86_64 | Self::Arm => FOUR_GIB,
            Self::Riscv64 | Self::Arm64 => u64::MAX,
        }
    }

    /// `KEXEC_DESTINATION_MEMORY_LIMIT` (asm/kexec.h): destinations end below it. On x86_64 it is 46 bits of physical
    /// addresses.
    #[must_use]
    pub const fn destination_end(self) -> u64 {
        match self {
            Self::X86_64 => (1 << 46) - 1,
            Self::Riscv64 | Self::Arm64 => u64::MAX,
            Self::Arm => FOUR_GIB,
        }
    }

    /// True for the architecture of recordings that do not name one.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_json() {
        for arch in [
            Architecture::X86_64,
            Architecture::Riscv64,
            Architecture::Arm64,
            Architecture::Arm,
        ] {
            let json = serde_json::to_value(arch).unwrap();
            assert_eq!(json, arch.name());
            assert_eq!(serde_json::from_value::<Architecture>(json).unwrap(), arch);
        }
    }

    #[test]
    fn numbers_are_those_of_elf() {
        // System V ABI, e_machine
        assert_eq!(Architecture::X86_64.elf_machine(), 62);
        assert_eq!(Architecture::Riscv64.elf_machine(), 243);
        assert_eq!(Architecture::Arm64.elf_machine(), 183);
        assert_eq!(Architecture::Arm.elf_machine(), 40);
    }
}
