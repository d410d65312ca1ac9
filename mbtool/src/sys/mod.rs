//! Basic functions for all other folders, independent of them.

pub mod file;
pub mod hex_bytes;
pub mod kernel_log;
pub mod meminfo;
pub mod mountinfo;
mod nonblocking;
pub mod number;
pub mod output;
pub mod quantity;
pub mod signals;
pub mod size;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod timeout;
