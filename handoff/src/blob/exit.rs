//! Register values of the exits.

#[cfg(target_arch = "x86_64")]
use crate::{abi, arch::x86_64::registers::CR4_MCE, spec::Exit};

/// EAX under Multiboot (specification 0.6.96, 3.2).
pub const MULTIBOOT1_MAGIC: u32 = 0x2bad_b002;
/// EAX under Multiboot2 (specification 2.0, 3.3).
pub const MULTIBOOT2_MAGIC: u32 = 0x36d7_6289;

/// Register values of an exit.
#[cfg(target_arch = "x86_64")]
pub(super) struct ExitRegisters {
    pub exit: u32,
    pub entry: u64,
    pub eax: u32,
    pub ebx: u32,
    pub rsi: u64,
    /// In protected mode.
    pub cr4: u32,
}

#[cfg(target_arch = "x86_64")]
pub(super) const fn registers(exit: Exit) -> ExitRegisters {
    let (exit, entry, eax, ebx) = match exit {
        Exit::Multiboot1 { entry, info } => (abi::EXIT_MULTIBOOT1, entry, MULTIBOOT1_MAGIC, info),
        Exit::Multiboot2 { entry, mbi } => (abi::EXIT_MULTIBOOT2, entry, MULTIBOOT2_MAGIC, mbi),
        Exit::Pvh { entry, start_info } => (abi::EXIT_PVH, entry, 0, start_info),
        Exit::Linux64 { entry, boot_params } => {
            return ExitRegisters {
                exit: abi::EXIT_LINUX64,
                entry,
                eax: 0,
                ebx: 0,
                rsi: boot_params,
                cr4: CR4_MCE,
            };
        }
        Exit::Long { entry, mbi } => (abi::EXIT_LONG, entry, MULTIBOOT2_MAGIC, mbi),
        Exit::Return { entry } => (abi::EXIT_RETURN, entry, 0, 0),
    };
    ExitRegisters {
        exit,
        entry: entry as u64,
        eax,
        ebx,
        rsi: 0,
        // the ABI requires all bits to be clear
        cr4: if exit == abi::EXIT_PVH { 0 } else { CR4_MCE },
    }
}
