//! x86_64: descriptor tables and paging (pure), and the code that runs with
//! the machine to itself.

pub mod clmul;
pub mod cpu;
pub mod descriptors;
pub mod exit;
pub mod guard;
pub mod paging;
pub mod port;
pub mod relocate;
pub mod run;
pub mod selfcheck;
pub mod sha_ni;
pub mod state;
pub mod trap;
pub mod verify;
