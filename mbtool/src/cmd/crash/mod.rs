//! `mbtool crash`: crash dumps, from the reservation on.

pub mod install;
pub mod load;
pub mod size;
