//! Xen on 64-bit ARM: how its image is known, what it needs of its loader, and which of that it refuses.
//!
//! It is entered as a Linux is (Xen, docs/misc/arm/booting.txt): by the `Image` header, with the address of a device tree in
//! x0. The tree names dom0's kernel and its initial RAM disk (docs/misc/arm/device-tree/booting.txt).

mod dom0;
mod error;
mod image;
mod modules;

pub use dom0::{DOM0_MEM_DEFAULT, Dom0Sizes, check_dom0_memory};
pub use error::{ArmContractError, ArmWarning, NotADom0};
pub use image::recognize;
pub use modules::{ArmModule, check_modules};

use handoff::addr::MIB;

/// Alignment of Xen's address, that of the `Image` protocol. Xen itself only needs whole pages, but since it maps itself at
/// 2 MiB, 4.17 refuses to start anywhere else between 2 and 4 MiB.
pub const ALIGN: u64 = 2 * MIB;
/// Largest device tree (`MAX_FDT_SIZE`).
pub const TREE_MAX: u64 = 2 * MIB;
/// Alignment of the device tree (`MIN_FDT_ALIGN`).
pub const TREE_ALIGN: u64 = 8;
/// Modules that Xen keeps, without itself and the device tree (`MAX_MODULES` less 2). It ignores others.
pub const MAX_MODULES: usize = 30;
/// Memory ranges, and reservations, that Xen keeps (`NR_MEM_BANKS`); it stops if there are more.
pub const MAX_BANKS: usize = 256;

/// Upper bound of Xen's own place: it switches page tables in the part of the address space that these slots of 512 GiB
/// leave free (`IDENTITY_MAPPING_AREA_NR_L0`). 4.17 has no such bound but that of its CPUs.
#[must_use]
pub fn address_end(version: Option<&str>) -> u64 {
    const SLOT: u64 = 512 << 30;
    let slots = match version.and_then(major_minor) {
        Some((4, ..=17)) => 512,
        Some((4, 18)) => 4,
        _ => 20,
    };
    slots * SLOT
}

/// The first two numbers of a version.
fn major_minor(version: &str) -> Option<(u32, u32)> {
    let (major, rest) = version.split_once('.')?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    Some((major.parse().ok()?, rest[..digits].parse().ok()?))
}

#[cfg(test)]
mod tests;
