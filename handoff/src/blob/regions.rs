//! Checks segments to verify, and converts them to parameters.

extern crate alloc;
use super::limits::Reach;
use super::too_many;
use crate::abi::{self, RegionRaw};
use crate::spec::{Digest, Region, Verify};
use crate::verify::crc_digest;
use alloc::format;
use alloc::string::String;
use zerocopy::FromZeros;

/// Converts the regions of a blob.
///
/// # Errors
///
/// Too many, one that the blob cannot map, or a digest of another kind.
pub(super) fn raw(
    regions: &[Region],
    verify: Verify,
    reach: &Reach,
) -> Result<[RegionRaw; abi::MAX_REGIONS], String> {
    too_many("segments to verify", regions.len(), abi::MAX_REGIONS)?;
    let mut raw = [RegionRaw::new_zeroed(); abi::MAX_REGIONS];
    for (raw, region) in raw.iter_mut().zip(regions) {
        *raw = region_raw(region, verify, reach)?;
    }
    Ok(raw)
}

/// Returns the parameter of a way to verify.
pub(super) const fn verify(verify: Verify) -> u32 {
    match verify {
        Verify::None => abi::VERIFY_NONE,
        Verify::Crc32 => abi::VERIFY_CRC32,
        Verify::Sha256 => abi::VERIFY_SHA256,
    }
}

fn region_raw(region: &Region, verify: Verify, reach: &Reach) -> Result<RegionRaw, String> {
    reach.paged(&region.name, region.range.start, region.range.len())?;
    let mut cut = region.name.len().min(abi::NAME_LEN);
    while !region.name.is_char_boundary(cut) {
        cut -= 1;
    }
    let mut name = [0; abi::NAME_LEN];
    name[..cut].copy_from_slice(&region.name.as_bytes()[..cut]);
    let digest = match (region.digest, verify) {
        (Digest::Crc32(crc), Verify::None | Verify::Crc32) => crc_digest(crc),
        (Digest::Sha256(digest), Verify::None | Verify::Sha256) => digest,
        (digest, verify) => {
            return Err(format!(
                "{}: its checksum is {digest:?}, the handoff verifies with {verify:?}",
                region.name
            ));
        }
    };
    Ok(RegionRaw {
        name,
        start: region.range.start,
        memsz: region.range.len(),
        loaded: region.loaded,
        digest,
        zero_pages: region.zero_pages,
    })
}
