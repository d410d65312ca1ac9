//! Setup of a machine for crash dumps.
//!
//! - [`boot_loader`]: detects the boot loader, and how to add `crashkernel=`;
//! - [`install`]: writes the files for a setup;
//! - [`initrd`]: builds the crash kernel's initrd.

pub mod boot_loader;
pub mod initrd;
pub mod install;

pub use boot_loader::BootLoader;

/// File whose modification time is that of the last `crash load`, relative to
/// the root.
pub const STAMP: &str = "run/mbtool/crash-loaded";
