use super::*;
use crate::plan::Bytes;
use handoff::addr::MIB;

fn r(start: u64, end: u64) -> PhysRange {
    PhysRange::new(start, end).unwrap()
}

fn segment(name: &str, dest: PhysRange, data: usize) -> Segment {
    Segment {
        name: name.to_owned(),
        dest,
        data: Bytes::from(vec![1; data]),
        crc32: 0,
        sha256: None,
    }
}

fn kernel(segments: &[Segment]) -> Vec<KernelSegment> {
    let one = |s: &Segment| KernelSegment {
        dest: s.dest,
        data: s.data.clone(),
        names: vec![s.name.clone()],
    };
    segments.iter().map(one).collect()
}

static STILL: Relocate = Relocate {
    swap: false,
    list: None,
    extents: Vec::new(),
    clear: Vec::new(),
};

const RAM: [PhysRange; 1] = [PhysRange {
    start: MIB,
    end: 256 * MIB,
}];

fn limits() -> CheckLimits<'static> {
    CheckLimits {
        ram: &RAM,
        max_segments: 16,
        crash: None,
        forbidden: &[],
        handoff_entry: 2 * MIB,
        image_entry: 4 * MIB + 9,
        total_ram: 255 * MIB,
        xen: None,
        relocate: &STILL,
    }
}

fn good() -> Vec<Segment> {
    vec![
        segment("handoff", r(2 * MIB, 2 * MIB + 0x2000), 10),
        segment("image", r(4 * MIB, 5 * MIB), 10),
    ]
}

fn run(segments: &[Segment], limits: &CheckLimits<'_>) -> Result<(), CheckError> {
    check(segments, &kernel(segments), limits)
}

/// Returns the error for [`good`] with its last segment changed, as text.
fn refused(change: impl FnOnce(&mut Segment)) -> String {
    let mut segments = good();
    change(segments.last_mut().unwrap());
    run(&segments, &limits()).unwrap_err().to_string()
}

#[test]
fn a_valid_plan_passes() {
    assert_eq!(run(&good(), &limits()), Ok(()));
}

#[test]
fn conditions_checked_by_the_kernel_are_refused_by_name() {
    let text = refused(|s| s.dest.start += 1);
    assert!(
        text.contains("image") && text.contains("page aligned"),
        "{text}"
    );
    let text = refused(|s| s.dest = r((1 << 46) - 0x1000, 1 << 46));
    assert!(text.contains("2^46"), "{text}");
    let text = refused(|s| s.data = Bytes::from(vec![0; 2 * MIB as usize]));
    assert!(
        text.contains("0x200000 bytes of data for 0x100000"),
        "{text}"
    );
    let text = refused(|s| s.dest.start = 2 * MIB + 0x1000);
    assert!(
        text.contains("handoff and image overlap at 0x201000-0x202000"),
        "{text}"
    );
    let text = refused(|s| s.dest.end = 200 * MIB);
    assert!(
        text.contains("image has") && text.contains("half of the RAM"),
        "{text}"
    );
    let mut many = good();
    many.push(segment("x", r(8 * MIB, 90 * MIB), 1));
    many.push(segment("y", r(100 * MIB, 180 * MIB), 1));
    let text = run(&many, &limits()).unwrap_err().to_string();
    assert!(text.contains("together"), "{text}");
    let few = CheckLimits {
        max_segments: 1,
        ..limits()
    };
    assert_eq!(
        run(&good(), &few),
        Err(CheckError::TooMany { count: 2, limit: 1 })
    );
}

#[test]
fn conditions_not_checked_by_the_kernel_are_refused_too() {
    let text = refused(|s| s.dest.end = 257 * MIB);
    assert!(text.contains("half"), "{text}");
    let text = refused(|s| s.dest = r(255 * MIB, 257 * MIB));
    assert!(
        text.contains("not all RAM: RAM is 0x100000-0x10000000"),
        "{text}"
    );
    let text = refused(|s| s.dest = r(FOUR_GIB - MIB, FOUR_GIB + MIB));
    assert!(text.contains("above 4 GiB"), "{text}");
    // in the segment's zero fill, not in its data
    let entry = CheckLimits {
        image_entry: 4 * MIB + 10,
        ..limits()
    };
    let error = run(&good(), &entry).unwrap_err();
    assert_eq!(
        error,
        CheckError::EntryNotLoaded {
            what: "image",
            entry: 4 * MIB + 10
        }
    );
    let entry = CheckLimits {
        handoff_entry: 0xdead000,
        ..limits()
    };
    let text = run(&good(), &entry).unwrap_err().to_string();
    assert!(text.contains("handoff entry point 0xdead000"), "{text}");
    let forbidden = [("xen's trampoline".to_owned(), r(4 * MIB, 4 * MIB + 1))];
    let text = run(
        &good(),
        &CheckLimits {
            forbidden: &forbidden,
            ..limits()
        },
    )
    .unwrap_err()
    .to_string();
    assert!(
        text.contains("image at 0x400000-0x500000 is in the way of xen's trampoline"),
        "{text}"
    );
}

#[test]
fn a_crash_image_stays_in_its_region_with_spare_pages() {
    let crash = |end| CheckLimits {
        crash: Some(r(2 * MIB, end)),
        ..limits()
    };
    assert_eq!(run(&good(), &crash(6 * MIB)), Ok(()));
    let text = run(&good(), &crash(4 * MIB)).unwrap_err().to_string();
    assert!(
        text.contains("image") && text.contains("outside the crash region"),
        "{text}"
    );
    let full = vec![
        segment("handoff", r(2 * MIB, 3 * MIB), 10),
        segment("image", r(3 * MIB, 5 * MIB), 2 * MIB as usize),
    ];
    let text = run(&full, &crash(5 * MIB + 0x1f000))
        .unwrap_err()
        .to_string();
    assert!(text.starts_with("31 pages"), "{text}");
}

fn xen(safe: Option<Vec<PhysRange>>, heap_pages: u64) -> CheckLimits<'static> {
    CheckLimits {
        max_segments: 15,
        xen: Some(XenLimits {
            safe,
            heap_free: Some(heap_pages * PAGE_SIZE),
        }),
        ..limits()
    }
}

#[test]
fn under_xen_data_must_be_in_safe_ranges() {
    let mut segments = good();
    segments.insert(0, segment("page 0", r(0, PAGE_SIZE), 0));
    let safe = vec![r(2 * MIB, 4 * MIB + 0x3000), r(5 * MIB, 6 * MIB)];
    let text = run(&segments, &xen(Some(safe.clone()), 1 << 20))
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("has data for 0x403000, which may be a free page of Xen"),
        "{text}"
    );
    assert_eq!(run(&segments, &xen(None, 1 << 20)), Ok(()));
    segments[2].dest.end = 4 * MIB + 0x3000;
    assert_eq!(run(&segments, &xen(Some(safe), 1 << 20)), Ok(()));
}

#[test]
fn under_xen_the_free_heap_limits_the_size_not_half_of_ram() {
    // 2 + 256 pages of data, 1 of list, 2 tables for each of 2 segments and its
    // source, 16 others
    assert_eq!(run(&good(), &xen(None, 283)), Ok(()));
    assert_eq!(
        run(&good(), &xen(None, 282)),
        Err(CheckError::HeapTooSmall {
            needed: 283,
            free: 282
        })
    );
    let mut big = good();
    big[1].dest.end = 200 * MIB;
    assert_eq!(run(&big, &xen(None, 1 << 20)), Ok(()));
    let mut empty = good();
    empty.push(segment("nothing", r(8 * MIB, 8 * MIB), 0));
    let text = run(&empty, &xen(None, 1 << 20)).unwrap_err().to_string();
    assert!(text.contains("neither data nor memory"), "{text}");
}

#[test]
fn xen_maps_zero_length_segments_outside_of_the_crash_area_and_needs_tables() {
    let area = |end| CheckLimits {
        crash: Some(r(2 * MIB, end)),
        ..xen(None, 0)
    };
    let mut segments = good();
    segments.insert(0, segment("low memory", r(0, 0xa0000), 0));
    assert_eq!(run(&segments, &area(6 * MIB)), Ok(()));
    // 1.6 MiB are mapped: one table, and 16 pages
    segments[2].dest = r(2 * MIB + 0x2000, 3 * MIB + 0x2000);
    let mut limits = area(3 * MIB + 0x13000);
    limits.image_entry = 2 * MIB + 0x2000;
    assert_eq!(run(&segments, &limits), Ok(()));
    limits.crash = Some(r(2 * MIB, 3 * MIB + 0x12000));
    let text = run(&segments, &limits).unwrap_err().to_string();
    assert!(
        text.starts_with("16 pages of the crash region") && text.contains("needs 17"),
        "{text}"
    );
    let mut outside = good();
    outside[1].dest = r(8 * MIB, 9 * MIB);
    let text = run(&outside, &area(6 * MIB)).unwrap_err().to_string();
    assert!(text.contains("outside the crash region"), "{text}");
}

#[test]
fn moves_and_clears_over_loaded_segments_are_refused() {
    for relocate in [
        Relocate {
            extents: vec![Extent {
                to: 4 * MIB,
                from: 8 * MIB,
                len: PAGE_SIZE,
            }],
            ..STILL.clone()
        },
        Relocate {
            clear: vec![r(4 * MIB, 4 * MIB + 1)],
            ..STILL.clone()
        },
    ] {
        let limits = CheckLimits {
            relocate: &relocate,
            ..limits()
        };
        let text = run(&good(), &limits).unwrap_err().to_string();
        assert!(
            text.contains("in the way of what the handoff moves or clears"),
            "{text}"
        );
    }
}
