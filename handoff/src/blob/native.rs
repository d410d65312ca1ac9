//! Fills in the blob for x86_64.

extern crate alloc;
use super::image::header;
use super::{Built, IMAGE, lay_out, params, tables};
use crate::abi::Area;
use crate::addr::{FOUR_GIB, PAGE_SIZE};
use crate::arch::x86_64::selfcheck;
use crate::spec::Spec;
use alloc::format;
use alloc::string::String;
use core::mem::offset_of;
use zerocopy::IntoBytes;

/// Fills in parameters and tables for `spec.base`.
///
/// # Errors
///
/// Names the invalid parameter: base not page aligned, in page 0 or above 4 GiB;
/// too many regions, moves, ranges to clear, fix-ups or consoles; a fix-up above
/// 4 GiB; regions and moves scattered over too many GiB above it; a console that
/// cannot be accessed or mapped as it says.
pub fn build(spec: &Spec) -> Result<Built, String> {
    let header = header();
    let base = check_base(spec.base, header.mem_size)?;
    let params = params::params(spec)?;

    let tables = tables::tables(&header, base, (&params, spec))?;
    let area = header.area as usize;
    let tables_at = area + offset_of!(Area, tables);
    let mut bytes = lay_out(
        IMAGE,
        (area, params.as_bytes()),
        (tables_at, tables.as_bytes()),
    );
    debug_assert_eq!(bytes.len(), area + offset_of!(Area, scratch));
    selfcheck::seal(&mut bytes, area);
    Ok(Built {
        bytes,
        memsz: header.mem_size.into(),
        entry: u64::from(base) + u64::from(header.entry64),
    })
}

fn check_base(base: u64, size: u32) -> Result<u32, String> {
    if !base.is_multiple_of(PAGE_SIZE) || base < PAGE_SIZE || base + u64::from(size) > FOUR_GIB {
        return Err(format!(
            "handoff base {base:#x}: must be page aligned, and {size:#x} bytes from it must lie \
             between page 0 and 4 GiB"
        ));
    }
    Ok(base as u32)
}
