//! x86_64: descriptor tables and paging (pure), and the code that runs in the
//! blob.

pub mod banner;
pub mod clmul;
pub mod console;
pub mod cpu;
pub mod descriptors;
#[cfg(test)]
mod encodings;
pub mod end;
pub mod exit;
pub mod fixups;
#[cfg(not(freestanding))]
pub mod gates;
pub mod lost;
pub mod machine_check;
pub mod paging;
pub mod port;
pub mod registers;
pub mod relocate;
pub mod report;
pub mod selfcheck;
pub mod sequence;
pub mod sha_ni;
pub mod state;
pub mod table_root;
pub mod trap;
pub mod verify;
pub mod watchpoints;
