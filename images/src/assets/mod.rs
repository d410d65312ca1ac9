//! The real things that tests and the demo run: QEMU, firmware, Linux, Xen, busybox.
//!
//! Each is looked for in this order:
//! 1. the file that an environment variable names: `MBTOOL_QEMU`, `MBTOOL_OVMF`, `MBTOOL_BUSYBOX`, `MBTOOL_LINUX_6_1`,
//!    `MBTOOL_LINUX_6_12`, `MBTOOL_LINUX_7`,
//!    `MBTOOL_XEN_4_17`, `MBTOOL_XEN_4_20`, `MBTOOL_XEN_4_20_SYMBOLS`, `MBTOOL_MAKEDUMPFILE`, `MBTOOL_VMCORE_DMESG`,
//!    `MBTOOL_CRASH`,
//! 2. the cache in the user's cache directory ([`crate::store`]), filled from Debian's mirrors when it has no whole copy,
//! 3. when nothing can be fetched: where the Debian package would have installed it.

mod asset;
mod catalog;
mod modules;
mod path;
#[cfg(test)]
mod tests;

use std::env;

use anyhow::{Result, bail};

pub use asset::{Asset, Found};
pub use catalog::*;
pub use modules::{disk_modules, efi_modules, watchdog_modules, xen_modules};

/// The assets of the cases that run by default.
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

/// Finds the assets of most tests, and prints packages, versions and digests. The tests that need a missing one fail.
pub fn announce() {
    for asset in USUAL {
        let _ = asset.find();
    }
}

/// Finds all of `wanted`, so that later uses start at once. The error names the package and the variable of every
/// asset that may be missing, not only of the first.
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
