//! Page-aligned segments from the parts of a plan.

use super::boot::params::BootParams;
use super::place::layout::Layout;
use super::place::resolve::{kernel_segments, resolve};
use super::{Bytes, KernelSegment, PlanError, Request, Segment};
use crate::arch::Architecture;
use crate::image::PlacedImage;
use handoff::addr::{PAGE_SIZE, PhysRange};
use handoff::blob::Built;
use handoff::spec::{Digest, Region, Verify, zero_pages};
use sha2::{Digest as _, Sha256};

impl Segment {
    pub(super) fn new(name: &str, dest: PhysRange, data: impl Into<Bytes>) -> Self {
        let data = data.into();
        Self {
            name: name.to_owned(),
            dest,
            crc32: crc32fast::hash(&data),
            sha256: None,
            data,
        }
    }

    /// Adds the digest that `verify` requires besides the CRC-32, which every
    /// segment has.
    pub(super) fn with_digest(mut self, verify: Verify) -> Self {
        if verify == Verify::Sha256 && !self.data.is_empty() {
            self.sha256 = Some(Sha256::digest(&self.data).into());
        }
        self
    }

    /// Returns the digest that the handoff verifies.
    pub(super) fn digest(&self) -> Digest {
        self.sha256
            .map_or(Digest::Crc32(self.crc32), Digest::Sha256)
    }
}

/// Returns the image's segments; segments that share a page are merged.
pub(super) fn image(
    params: &BootParams,
    name: &str,
    placed: PlacedImage,
) -> Result<Vec<Segment>, PlanError> {
    pages(params.image_name(name), placed)
}

/// Returns the segments of an image by its `name`; those that share a page are merged.
pub(super) fn pages(name: &str, placed: PlacedImage) -> Result<Vec<Segment>, PlanError> {
    let mut runs: Vec<(PhysRange, Vec<u8>)> = Vec::with_capacity(placed.segments.len());
    for segment in placed.segments {
        let pages = segment.range.align_outward(PAGE_SIZE).ok_or_else(|| {
            PlanError::Handoff(format!(
                "{name} at {} does not end in a page",
                segment.range
            ))
        })?;
        match runs.last_mut() {
            Some((last, data)) if pages.start < last.end => {
                data.resize((segment.range.start - last.start) as usize, 0);
                data.extend_from_slice(&segment.data);
                last.end = last.end.max(pages.end);
            }
            _ if segment.range.start == pages.start => runs.push((pages, segment.data)),
            _ => {
                let mut data = vec![0; (segment.range.start - pages.start) as usize];
                data.extend_from_slice(&segment.data);
                runs.push((pages, data));
            }
        }
    }
    let many = runs.len() > 1;
    let named = |(index, (dest, data))| {
        let name = if many {
            format!("{name} segment {index}")
        } else {
            name.to_owned()
        };
        Segment::new(&name, dest, data)
    };
    Ok(runs.into_iter().enumerate().map(named).collect())
}

/// Returns one segment per module.
pub(super) fn modules(request: &Request, layout: &Layout) -> Vec<Segment> {
    let all = request.modules.iter().zip(&layout.modules).enumerate();
    let one = |(index, (module, range)): (usize, (&super::Module, &PhysRange))| {
        let dest = range.align_outward(PAGE_SIZE).unwrap_or(*range);
        Segment::new(&request.segment_name(index), dest, module.data.clone())
    };
    all.map(one).collect()
}

/// Warns when this mbtool has no handoff for `arch`: the plan has its place only.
pub(super) fn handoff_warning(built: &Built, arch: Architecture) -> Option<String> {
    built.is_absent().then(|| {
        format!(
            "this mbtool was built for {}: it has no handoff for {arch}, so it cannot load this plan",
            Architecture::NATIVE
        )
    })
}

/// Returns the handoff's segment in its allocated pages.
pub(super) fn handoff(built: &Built, pages: PhysRange) -> Result<Segment, PlanError> {
    let dest = PhysRange::from_len(pages.start, built.memsz);
    let dest = dest.filter(|dest| pages.covers(dest)).ok_or_else(|| {
        PlanError::Handoff(format!("{:#x} bytes do not fit in {pages}", built.memsz))
    })?;
    Ok(Segment::new("handoff", dest, built.bytes.clone()))
}

/// A zero-length segment over all pages reserved for the image; the image's own
/// segments cut it.
pub(super) fn reserve(params: &BootParams, pages: PhysRange) -> Option<Segment> {
    let reserve = |_: &_| Segment::new("xen (rest of its superpages)", pages, Vec::new());
    params.xen.as_ref().map(reserve)
}

/// A zero-length segment on page 0, for Xen, which maps only listed segments: in
/// place of a lost page Xen copies page 0, and would fault silently without this
/// mapping.
pub(super) fn page_0() -> Segment {
    let pages = PhysRange {
        start: 0,
        end: PAGE_SIZE,
    };
    Segment::new("page 0 (only mapped)", pages, Vec::new())
}

/// Returns the regions that the handoff verifies: each segment by name, or
/// merged segments when there are more than the handoff supports.
pub(super) fn regions(parts: &[Segment], request: &Request) -> Result<Vec<Region>, PlanError> {
    let region = |s: &Segment| Region {
        name: s.name.clone(),
        range: s.dest,
        loaded: s.data.len() as u64,
        digest: s.digest(),
        zero_pages: zero_pages(&s.data, s.dest.len()),
    };
    if parts.len() <= handoff::abi::MAX_REGIONS {
        return Ok(parts.iter().map(region).collect());
    }
    let mut sorted = resolve(parts.to_vec())?;
    let merged = kernel_segments(&mut sorted, request.max_segments)?;
    let one = |s: KernelSegment| {
        region(&Segment::new(&s.names.join(" + "), s.dest, s.data).with_digest(request.verify))
    };
    Ok(merged.into_iter().map(one).collect())
}
