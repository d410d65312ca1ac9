//! Setting a machine up for crash dumps.
//!
//! - [`boot_loader`]: the boot loader of this machine, and how it passes `crashkernel=`;
//! - [`install`]: the files that set a machine up;
//! - [`initrd`]: the crash kernel's initial RAM disk.

pub mod boot_loader;
pub mod initrd;
pub mod install;

pub use boot_loader::BootLoader;
