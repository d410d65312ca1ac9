//! Dumps of riscv64: names of registers and bits, instructions, and rules about causes.
//!
//! Registers: RISC-V Privileged Architecture, version 20240411. Names of causes and of paging modes are the handoff's.

pub mod causes;
pub mod csr;
pub mod disasm;
mod exceptions;
pub mod explain;
pub mod registers;

pub use causes::DecodedCause;
pub use csr::{DecodedEntry, DecodedSatp, DecodedStvec};

#[cfg(test)]
mod tests;
