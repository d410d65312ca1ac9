//! riscv64: formats, page tables and names (pure), and the code that runs in the
//! blob.
//!
//! Machine state at entry and exit: docs/handoff-abi.md. Registers: RISC-V
//! Privileged Architecture, version 20240411.

pub mod abi;
pub mod causes;
pub mod dump;
pub mod entry;
pub mod paging;
pub mod registers;

#[cfg(target_arch = "riscv64")]
pub mod console;
#[cfg(target_arch = "riscv64")]
pub mod cpu;
#[cfg(target_arch = "riscv64")]
pub mod end;
#[cfg(target_arch = "riscv64")]
pub mod sbi;
#[cfg(target_arch = "riscv64")]
pub mod sequence;
#[cfg(target_arch = "riscv64")]
pub mod trap;
