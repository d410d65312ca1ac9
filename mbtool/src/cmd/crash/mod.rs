//! `mbtool crash`: crash dumps, including the reservation.

pub mod install;
pub mod load;
pub mod size;
