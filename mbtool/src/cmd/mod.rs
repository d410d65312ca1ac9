//! The verbs of the command line, as functions of plain structs.
//!
//! Data is written to the writer `out`, messages to `messages`.

pub mod crash;
pub mod decode;
pub mod doctor;
pub mod dtb;
pub mod exec;
pub mod inspect;
pub mod load;
pub mod plan;
pub mod probe;
pub mod status;
pub mod unload;
