//! Programs and kernels for tests and the demo: QEMU, firmware, Linux, Xen, busybox.
//!
//! Each is searched in this order:
//! 1. the file in an environment variable: `MBTOOL_QEMU`, `MBTOOL_OVMF`, `MBTOOL_BUSYBOX`,
//!    `MBTOOL_LINUX_6_1`, `MBTOOL_LINUX_6_12`, `MBTOOL_LINUX_7`, `MBTOOL_XEN_4_17`,
//!    `MBTOOL_XEN_4_20`, `MBTOOL_XEN_4_20_SYMBOLS`, `MBTOOL_MAKEDUMPFILE`, `MBTOOL_VMCORE_DMESG`,
//!    `MBTOOL_CRASH`, and those of other architectures (docs/testing.md),
//! 2. the cache in the user's cache directory ([`crate::store`]), filled from Debian's mirrors when
//!    it has no intact copy,
//! 3. when downloads fail: the path where the Debian package installs it.

mod arm;
mod asset;
mod catalog;
mod foreign;
mod modules;
mod path;
#[cfg(test)]
mod tests;

use std::env;

use anyhow::{Result, bail};

pub use arm::*;
pub use asset::{Asset, FoundAsset};
pub use catalog::*;
pub use foreign::*;
pub use modules::{disk_modules, efi_modules, kvm_modules, watchdog_modules, xen_modules};

/// Assets of the default test cases.
static USUAL: [&Asset; 12] = [
    &QEMU,
    &OVMF,
    &BUSYBOX,
    &LINUX_6_1,
    &LINUX_6_12,
    &LINUX_7,
    &XEN_4_17,
    &XEN_4_20,
    &XEN_4_20_SYMBOLS,
    &MAKEDUMPFILE,
    &VMCORE_DMESG,
    &CRASH,
];

/// Finds the assets of most tests, and prints packages, versions and digests. Tests that need a
/// missing one fail.
pub fn announce() {
    for asset in USUAL {
        let _ = asset.find();
    }
}

/// Finds all of `wanted` in advance. The error names package and variable of every asset that may
/// be missing, not only of the first.
pub fn require(wanted: &[&'static Asset]) -> Result<()> {
    for (index, asset) in wanted.iter().enumerate() {
        let Err(error) = asset.find() else { continue };
        let rest: Vec<String> = wanted[index + 1..]
            .iter()
            .filter(|other| env::var_os(other.variable).is_none())
            .map(|other| {
                format!(
                    "\n  {}: package {}, or {}",
                    other.what, other.install, other.variable
                )
            })
            .collect();
        if rest.is_empty() {
            return Err(error);
        }
        bail!(
            "{error:#}\nAlso needed, if not cached yet:{}",
            rest.concat()
        );
    }
    Ok(())
}
