//! Code that depends on the architecture.

pub mod x86_64;
