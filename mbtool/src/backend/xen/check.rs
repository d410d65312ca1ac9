//! Checks that Xen does not make, or makes too late.

use super::XenError;
use super::segment_list::SegmentListError;
use crate::plan::KernelSegment;
use handoff::addr::{MIB, PAGE_SIZE, PhysRange};
use handoff::runs;
use std::collections::BTreeSet;
use xen_shim::hypercall::MAX_SEGMENTS;

/// Pages that Xen takes from the crash area besides one page table per 2 MiB of
/// the image: control code, list, page tables for its own code.
const CONTROL_PAGES: u64 = 16;
/// Size that one page table maps, in bytes.
const TABLE_SPAN: u64 = 2 << 20;

/// Checks any list of segments.
///
/// # Errors
///
/// When Xen would refuse or misread it.
pub(super) fn shape(entry: u64, list: &[KernelSegment]) -> Result<(), SegmentListError> {
    if list.len() > MAX_SEGMENTS {
        return Err(SegmentListError::TooMany { count: list.len() });
    }
    for (index, segment) in list.iter().enumerate() {
        let dest = segment.dest;
        let PhysRange { start, end } = dest;
        if start >= end || !(start | end).is_multiple_of(PAGE_SIZE) {
            return Err(SegmentListError::Unaligned { index, dest });
        }
        let data = segment.data.len();
        if data as u64 > dest.len() {
            return Err(SegmentListError::TooMuchData { index, data, dest });
        }
        let mut before = list[..index].iter().map(|segment| segment.dest);
        if let Some(first) = before.find(|other| other.intersect(&dest).is_some()) {
            return Err(SegmentListError::Overlap {
                first,
                second: dest,
            });
        }
    }
    let home = list.iter().find(|segment| segment.dest.contains(entry));
    if home.is_none_or(|segment| segment.data.is_empty()) {
        return Err(SegmentListError::Entry { entry });
    }
    Ok(())
}

/// Checks a crash image for `area`.
///
/// # Errors
///
/// When there is no area, data is outside of it, or too few pages are left for
/// Xen.
pub(super) fn crash(list: &[KernelSegment], area: PhysRange) -> Result<(), XenError> {
    if area.is_empty() {
        return Err(XenError::NoCrashArea);
    }
    let outside = list
        .iter()
        .find(|s| !s.data.is_empty() && !area.covers(&s.dest));
    if let Some(segment) = outside {
        return Err(SegmentListError::OutsideCrashArea {
            names: segment.names.join(" + "),
            dest: segment.dest,
            area,
        }
        .into());
    }
    let used: u64 = list
        .iter()
        .filter_map(|segment| segment.dest.intersect(&area))
        .map(|part| part.len() / PAGE_SIZE)
        .sum();
    let free = (area.len() / PAGE_SIZE).saturating_sub(used);
    let needed = tables(list) + CONTROL_PAGES;
    if free < needed {
        return Err(XenError::CrashAreaFull { area, free, needed });
    }
    Ok(())
}

/// Number of page tables for the destinations: one per 2 MiB.
fn tables(list: &[KernelSegment]) -> u64 {
    let mut spans = BTreeSet::new();
    for segment in list {
        let last = (segment.dest.end - 1) / TABLE_SPAN;
        spans.extend((segment.dest.start / TABLE_SPAN..=last).take(1 << 20));
    }
    spans.len() as u64
}

/// Returns the destinations with data that must be owned by a domain: those
/// outside of the crash area and above 1 MiB, which Xen's allocator never owns.
pub(super) fn to_be_owned(list: &[KernelSegment], area: PhysRange) -> Vec<PhysRange> {
    let low = PhysRange { start: 0, end: MIB };
    let with_data = list.iter().filter(|segment| !segment.data.is_empty());
    runs::without(with_data.map(|segment| segment.dest), [area, low])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(start: u64, pages: u64, bytes: usize) -> KernelSegment {
        KernelSegment {
            dest: PhysRange {
                start,
                end: start + pages * PAGE_SIZE,
            },
            data: vec![1; bytes].into(),
            names: vec!["xen".into(), "mbi".into()],
        }
    }

    const AREA: PhysRange = PhysRange {
        start: 0x1000_0000,
        end: 0x1200_0000,
    };

    #[test]
    fn an_invalid_list_is_refused() {
        let entry = 0x20_0000;
        let good = segment(entry, 2, 5000);
        shape(entry, std::slice::from_ref(&good)).unwrap();
        let one = segment(0, 1, 0);
        shape(entry, &[one.clone(), good.clone()]).unwrap();
        let many: Vec<_> = (0..16).map(|n| segment(entry + n * 0x1000, 1, 1)).collect();
        let mut ragged = good.clone();
        ragged.dest.end -= 1;
        let unaligned = |dest| SegmentListError::Unaligned { index: 0, dest };
        let (ragged_dest, empty, page) =
            (ragged.dest, segment(entry, 0, 0), segment(entry, 1, 0).dest);
        let second = segment(entry + 0x1000, 1, 0);
        for (list, why) in [
            (many, SegmentListError::TooMany { count: 16 }),
            (vec![ragged], unaligned(ragged_dest)),
            (vec![empty.clone()], unaligned(empty.dest)),
            (
                vec![segment(entry, 1, 4097)],
                SegmentListError::TooMuchData {
                    index: 0,
                    data: 4097,
                    dest: page,
                },
            ),
            (
                vec![good.clone(), second.clone()],
                SegmentListError::Overlap {
                    first: good.dest,
                    second: second.dest,
                },
            ),
            (
                vec![segment(entry, 1, 0)],
                SegmentListError::Entry { entry },
            ),
            (vec![one], SegmentListError::Entry { entry }),
        ] {
            assert_eq!(shape(entry, &list), Err(why));
        }
    }

    #[test]
    fn a_crash_image_stays_in_its_area_with_spare_pages() {
        let inside = segment(AREA.start + 0x10_0000, 16, 4096);
        crash(&[segment(0, 0xa0, 0), inside.clone()], AREA).unwrap();
        let nothing = PhysRange { start: 0, end: 0 };
        assert!(matches!(
            crash(std::slice::from_ref(&inside), nothing),
            Err(XenError::NoCrashArea)
        ));
        let outside = segment(0x20_0000, 1, 1);
        let err = crash(std::slice::from_ref(&outside), AREA).unwrap_err();
        let XenError::Segments(why) = err else {
            panic!("{err:?}")
        };
        assert_eq!(
            why,
            SegmentListError::OutsideCrashArea {
                names: "xen + mbi".into(),
                dest: outside.dest,
                area: AREA
            }
        );
        // 8192 pages, 16 tables, 16 control pages
        crash(&[segment(AREA.start, 8192 - 32, 1)], AREA).unwrap();
        let err = crash(&[segment(AREA.start, 8192 - 31, 1)], AREA).unwrap_err();
        assert!(
            matches!(
                err,
                XenError::CrashAreaFull {
                    free: 31,
                    needed: 32,
                    ..
                }
            ),
            "{err}"
        );
        // a zero-length segment elsewhere needs a table as well
        let list = [segment(0, 1, 0), segment(AREA.start, 8192 - 32, 1)];
        assert!(crash(&list, AREA).is_err());
    }

    #[test]
    fn only_data_in_possible_heap_memory_must_be_owned() {
        let list = [
            segment(0, 1, 0),
            segment(0x9_0000, 1, 1),
            segment(0xf_f000, 2, 1),
            segment(AREA.start, 1, 1),
            segment(AREA.end - 0x1000, 2, 1),
            segment(0x4000_0000, 1, 0),
            segment(0x5000_0000, 1, 1),
        ];
        let starts: Vec<u64> = to_be_owned(&list, AREA).iter().map(|r| r.start).collect();
        assert_eq!(starts, [0x10_0000, AREA.end, 0x5000_0000]);
    }
}
