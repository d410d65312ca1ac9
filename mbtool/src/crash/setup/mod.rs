//! Setting a machine up for crash dumps: what to load, and where to save to.
//!
//! - [`config`]: the configuration, `/etc/mbtool/crash.toml`;
//! - [`target`]: where a dump is saved to.

pub mod config;
pub mod target;

pub use config::{Config, ConfigError};
pub use target::{Device, Ssh, Target};
