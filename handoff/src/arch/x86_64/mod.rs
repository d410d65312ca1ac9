//! x86_64: descriptor tables and paging (pure), and the code that runs with
//! the machine to itself.

pub mod clmul;
pub mod console;
pub mod cpu;
pub mod descriptors;
pub mod end;
pub mod exit;
#[cfg(not(freestanding))]
pub mod gates;
pub mod guard;
pub mod lost;
pub mod machine_check;
pub mod paging;
pub mod port;
pub mod relocate;
pub mod report;
pub mod run;
pub mod selfcheck;
pub mod sha_ni;
pub mod state;
pub mod trap;
pub mod verify;
