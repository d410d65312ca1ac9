//! 32-bit ARM (ARMv7-A, and ARMv8-A in AArch32): formats and names (pure), and the code that runs in the blob.
//! Page tables are those of [`super::arm64::paging`], whose second level is the first one of the long
//! descriptor format here.
//!
//! Machine state at entry and exit: docs/arm.md. Registers: Arm Architecture Reference Manual ARMv7-A,
//! DDI 0406.

pub mod abi;
pub mod dump;
pub mod registers;

#[cfg(target_arch = "arm")]
pub mod cache;
#[cfg(target_arch = "arm")]
pub mod cpu;
#[cfg(target_arch = "arm")]
pub mod end;
#[cfg(target_arch = "arm")]
pub mod psci;
#[cfg(target_arch = "arm")]
pub mod sequence;
#[cfg(target_arch = "arm")]
pub mod trap;
