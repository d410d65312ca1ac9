//! Basic functions for all other folders, independent of them.

pub mod file;
pub mod meminfo;
pub mod mountinfo;
pub mod number;
pub mod quantity;
pub mod size;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod timeout;
