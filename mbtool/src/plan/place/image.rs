//! Constraints on the address of the image.

use super::allocator::{Ask, Prefer, merged};
use super::sides::{HIGH_END, Side};
use crate::image::{Image, Preference, Protocol};
use crate::plan::{PlanError, Request};
use handoff::addr::{FOUR_GIB, PAGE_SIZE, PhysRange, align_up};
use xen_shim::contract;

/// Constraints that do not come from the request.
#[derive(Clone, Copy, Debug)]
pub(in crate::plan) struct ImageRules<'a> {
    /// Name of the image's segments.
    pub name: &'a str,
    /// True when the image is Xen.
    pub xen: bool,
}

/// Possible addresses of the image.
pub(super) enum ImagePlace {
    /// These pages only, sorted and merged: those of each segment.
    Fixed(Vec<PhysRange>),
    /// Any matching range, and the offset of the image's first byte in it.
    Free(Ask, u64),
}

/// Restricts `allowed` to the bounds given by options. Without `--mem-max`, only an image that
/// supports it has a part above 4 GiB.
pub(super) fn window(
    request: &Request,
    name: &str,
    allowed: PhysRange,
) -> Result<PhysRange, PlanError> {
    let default = if allowed.start >= FOUR_GIB {
        HIGH_END
    } else {
        FOUR_GIB
    };
    let max = request.mem_max.unwrap_or(default);
    let asked = PhysRange {
        start: request.mem_min,
        end: max.max(request.mem_min),
    };
    allowed.intersect(&asked).ok_or_else(|| PlanError::Window {
        name: name.to_owned(),
        allowed,
        min: request.mem_min,
        max: request.mem_max,
        place: None,
    })
}

/// Returns the possible addresses of the image: by its relocatable tag, else
/// any if it is position independent, else its link address.
pub(super) fn image_place(
    request: &Request,
    rules: ImageRules<'_>,
    side: Side,
) -> Result<ImagePlace, PlanError> {
    let image: &Image = &request.image;
    let name = rules.name.to_owned();
    let page_align = image.align.max(PAGE_SIZE);
    let too_long = || PlanError::EndOfAddresses {
        name: name.clone(),
        span: image.span,
    };
    let reserve = |len: u64| match rules.xen {
        true => contract::reserve_len(len).ok_or_else(too_long),
        false => Ok(len),
    };
    let free = |allowed, align: u64, phase: u64, prefer| {
        let len = reserve(align_up(image.span.len() + phase, PAGE_SIZE).ok_or_else(too_long)?)?;
        let window = window(request, &name, allowed)?;
        Ok(ImagePlace::Free(
            Ask {
                name: name.clone(),
                len,
                align,
                window,
                allowed,
                prefer,
            },
            phase,
        ))
    };
    if let Some(tag) = &image.requirements.relocatable {
        let prefer = match (side, tag.preference) {
            _ if rules.xen && request.crash.is_some() => Prefer::Lowest,
            // what a memory limit on the command line leaves to the kernel is low
            (Side::High, _) => Prefer::Lowest,
            (_, Preference::Highest) => Prefer::Highest,
            // at its link address Xen would relocate itself upwards
            (_, Preference::None) if rules.xen => Prefer::Highest,
            (_, Preference::Lowest | Preference::None) => Prefer::Lowest,
        };
        let allowed = match side {
            Side::Low => {
                let end = tag.max.saturating_add(1).min(FOUR_GIB);
                PhysRange {
                    start: tag.min.min(end),
                    end,
                }
            }
            Side::High => Side::High.addresses(HIGH_END),
        };
        return free(allowed, tag.align.max(PAGE_SIZE), 0, prefer);
    }
    if image.position_independent {
        return free(
            Side::Low.addresses(FOUR_GIB),
            page_align,
            image.span.start % page_align,
            Prefer::Lowest,
        );
    }
    let whole = || {
        let len = reserve(image.span.len())?;
        let range = PhysRange::from_len(image.span.start, len);
        Ok::<_, PlanError>(vec![range.ok_or_else(too_long)?])
    };
    let ranges = match image.protocol {
        // Xen maps the superpages that it lies in; Linux frees the pages between its segments
        _ if rules.xen => whole()?,
        Protocol::Linux(_) => whole()?,
        _ => image.segments.iter().map(|segment| segment.range).collect(),
    };
    let pages = ranges.iter().map(|range| range.align_outward(PAGE_SIZE));
    let pages: Option<Vec<PhysRange>> = pages.collect();
    Ok(ImagePlace::Fixed(merged(pages.ok_or_else(too_long)?)))
}

/// Returns the image's pages if it can have no other address.
///
/// # Errors
///
/// When they end above 2^64.
pub(super) fn fixed_place(
    request: &Request,
    rules: ImageRules<'_>,
) -> Result<Option<Vec<PhysRange>>, PlanError> {
    match image_place(request, rules, Side::Low) {
        Ok(ImagePlace::Fixed(pages)) => Ok(Some(pages)),
        // options may exclude one side of 4 GiB
        Ok(ImagePlace::Free(..)) | Err(PlanError::Window { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
