//! Code that depends on the architecture. Formats and tables are compiled on every host, what runs on
//! the machine only for it.

pub mod arm;
pub mod arm64;
pub mod riscv64;
pub mod x86_64;
