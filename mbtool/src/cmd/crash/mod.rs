//! `mbtool crash`: crash dumps, from the reservation on.

pub mod load;
pub mod size;
