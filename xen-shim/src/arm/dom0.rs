//! Memory of dom0 on ARM.

use super::error::ArmContractError;
use super::{ALIGN, TREE_MAX};
use crate::cmdline::Cmdline;
use handoff::addr::align_up;

/// Dom0's memory without `dom0_mem=`, in bytes; Xen then asks for the parameter.
pub const DOM0_MEM_DEFAULT: u64 = 512 << 20;

/// What Xen puts into dom0's memory before it starts, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dom0Sizes {
    /// The kernel with the memory that it needs.
    pub kernel: u64,
    /// The initial RAM disk; 0 for none.
    pub ramdisk: u64,
}

/// Checks that dom0's memory has room for its kernel, initial RAM disk and device tree, each in parts of 2 MiB
/// (`place_modules`). Xen stops otherwise. Returns the memory.
///
/// # Errors
///
/// When it is too small.
pub fn check_dom0_memory(line: &Cmdline, sizes: Dom0Sizes) -> Result<u64, ArmContractError> {
    let have = line.value("dom0_mem").and_then(size);
    let have = have.filter(|size| *size > 0).unwrap_or(DOM0_MEM_DEFAULT);
    let parts = [sizes.kernel, sizes.ramdisk, TREE_MAX];
    let need = parts
        .into_iter()
        .map(|size| align_up(size, ALIGN).unwrap_or(u64::MAX))
        .fold(0, u64::saturating_add);
    match have < need {
        true => Err(ArmContractError::Dom0TooSmall { have, need }),
        false => Ok(have),
    }
}

/// Parses a size as Xen does (`parse_size_and_unit`): in KiB without a unit. What follows is ignored, as on ARM.
fn size(text: &str) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    let end = digits.find(|digit: char| !digit.is_digit(radix));
    let (digits, unit) = digits.split_at(end.unwrap_or(digits.len()));
    let shift = match unit.bytes().next().map(|unit| unit.to_ascii_lowercase()) {
        Some(b't') => 40,
        Some(b'g') => 30,
        Some(b'm') => 20,
        Some(b'b') => 0,
        _ => 10,
    };
    let number = u64::from_str_radix(digits, radix).ok()?;
    number.checked_mul(1 << shift)
}
