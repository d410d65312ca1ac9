//! arm64: formats, page tables and names (pure), and the code that runs in the
//! blob.
//!
//! Machine state at entry and exit: docs/arm64.md. Registers: Arm Architecture
//! Reference Manual for A-profile architecture, DDI 0487.

pub mod abi;
pub mod dump;
pub mod paging;
pub mod registers;
pub mod syndrome;

#[cfg(target_arch = "aarch64")]
pub mod cache;
#[cfg(target_arch = "aarch64")]
pub mod cpu;
#[cfg(target_arch = "aarch64")]
pub mod digest;
#[cfg(target_arch = "aarch64")]
pub mod end;
#[cfg(target_arch = "aarch64")]
pub mod psci;
#[cfg(target_arch = "aarch64")]
pub mod sequence;
#[cfg(target_arch = "aarch64")]
pub mod trap;
