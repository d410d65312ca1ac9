//! x86_64: descriptor tables and paging (pure), and the code that runs in the
//! blob.

#[cfg(target_arch = "x86_64")]
pub mod banner;
#[cfg(target_arch = "x86_64")]
pub mod clmul;
#[cfg(target_arch = "x86_64")]
pub mod console;
#[cfg(target_arch = "x86_64")]
pub mod cpu;
pub mod descriptors;
#[cfg(test)]
mod encodings;
#[cfg(target_arch = "x86_64")]
pub mod end;
#[cfg(target_arch = "x86_64")]
pub mod exit;
#[cfg(target_arch = "x86_64")]
pub mod fixups;
#[cfg(not(freestanding))]
pub mod gates;
#[cfg(target_arch = "x86_64")]
pub mod lost;
#[cfg(target_arch = "x86_64")]
pub mod machine_check;
pub mod paging;
#[cfg(target_arch = "x86_64")]
pub mod port;
pub mod registers;
#[cfg(target_arch = "x86_64")]
pub mod relocate;
#[cfg(target_arch = "x86_64")]
pub mod report;
#[cfg(target_arch = "x86_64")]
pub mod selfcheck;
#[cfg(target_arch = "x86_64")]
pub mod sequence;
#[cfg(target_arch = "x86_64")]
pub mod sha_ni;
#[cfg(target_arch = "x86_64")]
pub mod state;
#[cfg(target_arch = "x86_64")]
pub mod table_root;
#[cfg(target_arch = "x86_64")]
pub mod trap;
#[cfg(target_arch = "x86_64")]
pub mod verify;
#[cfg(target_arch = "x86_64")]
pub mod watchpoints;
