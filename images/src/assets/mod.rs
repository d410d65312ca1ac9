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

/// What the cases need that run when nothing is asked for.
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

/// Finds what most tests need, and says what it is: packages, versions, digests. What cannot be found, the tests that need it
/// say.
pub fn announce() {
    for asset in USUAL {
        let _ = asset.find();
    }
}

/// Finds all of `wanted`, so that later uses start at once. The error says what to install or to set for every one
/// that may be missing, not for the first alone.
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
