//! Dumps of arm64: syndromes, names of registers and bits, instructions, and rules about causes.
//!
//! Registers: Arm Architecture Reference Manual for A-profile architecture, DDI 0487, D24. Names of classes and vectors
//! are the handoff's.

pub mod abort;
mod aborts;
pub mod bits;
pub mod causes;
pub mod disasm;
pub mod entry;
mod exceptions;
pub mod explain;
mod handoff_rules;
pub mod registers;
pub mod syndrome;
pub mod sysreg;

pub use entry::DecodedArm64Entry;
pub use syndrome::{DecodedException, DecodedSyndrome};

#[cfg(test)]
mod tests;
