//! The ground floor: what every other folder may use, and which uses none of them.

pub mod file;
pub mod kernel_cmdline;
pub mod mountinfo;
pub mod size;
#[cfg(test)]
pub(crate) mod testing;
pub mod text;
pub(crate) mod timeout;
