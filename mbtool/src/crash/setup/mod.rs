//! Setting a machine up for crash dumps: what to load, and where to save to.
//!
//! - [`boot_loader`]: what starts this machine, and how it reserves memory;
//! - [`config`]: the configuration, `/etc/mbtool/crash.toml`;
//! - [`install`]: files that set a machine up;
//! - [`initrd`]: the crash kernel's initial RAM disk;
//! - [`target`]: where a dump is saved to.

pub mod boot_loader;
pub mod config;
pub mod initrd;
pub mod install;
pub mod target;

pub use boot_loader::BootLoader;
pub use config::{Config, ConfigError};
pub use target::{Device, Ssh, Target};
