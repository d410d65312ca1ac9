use super::*;
use crate::arch::Architecture;
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
        handoff_entry: Some(2 * MIB),
        destination_end: Architecture::X86_64.destination_end(),
        image_entry: 4 * MIB + 9,
        total_ram: 255 * MIB,
        high: vec![],
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

/// Returns the error for [`good`] with its last segment changed, and that segment's destination.
fn refused(change: impl FnOnce(&mut Segment)) -> (CheckError, PhysRange) {
    let mut segments = good();
    let last = segments.last_mut().unwrap();
    change(last);
    let dest = last.dest;
    (run(&segments, &limits()).unwrap_err(), dest)
}

fn image() -> String {
    "image".to_owned()
}

#[test]
fn a_valid_plan_passes() {
    assert_eq!(run(&good(), &limits()), Ok(()));
}

/// Segment and size of [`CheckError::HalfOfRam`].
fn half_of_ram(error: &CheckError) -> Option<(Option<&str>, u64)> {
    match error {
        CheckError::HalfOfRam { name, total, .. } => Some((name.as_deref(), *total)),
        _ => None,
    }
}

#[test]
fn conditions_checked_by_the_kernel_are_refused_by_name() {
    let (error, dest) = refused(|s| s.dest.start += 1);
    let name = image();
    assert_eq!(error, CheckError::Unaligned { name, dest });
    let (error, dest) = refused(|s| s.dest = r((1 << 46) - 0x1000, 1 << 46));
    let name = image();
    assert_eq!(error, CheckError::TooHigh { name, dest });
    let (error, dest) = refused(|s| s.data = Bytes::from(vec![0; 2 * MIB as usize]));
    let too_much = CheckError::TooMuchData {
        name: image(),
        data: 2 * MIB,
        memsz: MIB,
        dest,
    };
    assert_eq!(error, too_much);
    let (error, _) = refused(|s| s.dest.start = 2 * MIB + 0x1000);
    let overlap = CheckError::Overlap {
        first: "handoff".to_owned(),
        second: image(),
        range: r(2 * MIB + 0x1000, 2 * MIB + 0x2000),
    };
    assert_eq!(error, overlap);
    let (error, dest) = refused(|s| s.dest.end = 200 * MIB);
    assert_eq!(half_of_ram(&error), Some((Some("image"), dest.len())));
    let mut many = good();
    many.push(segment("x", r(8 * MIB, 90 * MIB), 1));
    many.push(segment("y", r(100 * MIB, 180 * MIB), 1));
    let error = run(&many, &limits()).unwrap_err();
    let total = many.iter().map(|segment| segment.dest.len()).sum();
    assert_eq!(half_of_ram(&error), Some((None, total)));
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
    let (error, dest) = refused(|s| s.dest.end = 257 * MIB);
    assert_eq!(half_of_ram(&error), Some((Some("image"), dest.len())));
    let (error, dest) = refused(|s| s.dest = r(255 * MIB, 257 * MIB));
    let not_ram = CheckError::NotRam {
        name: image(),
        dest,
        ram: RAM.to_vec(),
    };
    assert_eq!(error, not_ram);
    let (error, dest) = refused(|s| s.dest = r(FOUR_GIB - MIB, FOUR_GIB + MIB));
    let name = image();
    assert_eq!(error, CheckError::Above4Gib { name, dest });
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
        handoff_entry: Some(0xdead000),
        ..limits()
    };
    assert_eq!(
        run(&good(), &entry),
        Err(CheckError::EntryNotLoaded {
            what: "handoff",
            entry: 0xdead000
        })
    );
    let range = r(4 * MIB, 4 * MIB + 1);
    let forbidden = [("xen's trampoline".to_owned(), range)];
    let limits = CheckLimits {
        forbidden: &forbidden,
        ..limits()
    };
    assert_eq!(
        run(&good(), &limits),
        Err(CheckError::InTheWay {
            name: image(),
            dest: r(4 * MIB, 5 * MIB),
            by: "xen's trampoline".to_owned(),
            range
        })
    );
}

#[test]
fn a_crash_image_stays_in_its_region_with_spare_pages() {
    let crash = |end| CheckLimits {
        crash: Some(r(2 * MIB, end)),
        ..limits()
    };
    assert_eq!(run(&good(), &crash(6 * MIB)), Ok(()));
    assert_eq!(
        run(&good(), &crash(4 * MIB)),
        Err(CheckError::OutsideCrashRegion {
            name: image(),
            dest: r(4 * MIB, 5 * MIB),
            region: r(2 * MIB, 4 * MIB)
        })
    );
    let full = vec![
        segment("handoff", r(2 * MIB, 3 * MIB), 10),
        segment("image", r(3 * MIB, 5 * MIB), 2 * MIB as usize),
    ];
    assert!(matches!(
        run(&full, &crash(5 * MIB + 0x1f000)),
        Err(CheckError::CrashRegionFull { left: 31, .. })
    ));
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
    assert_eq!(
        run(&segments, &xen(Some(safe.clone()), 1 << 20)),
        Err(CheckError::InFreeHeap {
            name: image(),
            dest: r(4 * MIB, 5 * MIB),
            page: 4 * MIB + 0x3000
        })
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
    assert_eq!(
        run(&empty, &xen(None, 1 << 20)),
        Err(CheckError::Nothing {
            name: "nothing".to_owned(),
            dest: r(8 * MIB, 8 * MIB)
        })
    );
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
    assert!(matches!(
        run(&segments, &limits),
        Err(CheckError::CrashRegionFull {
            left: 16,
            needed: 17,
            ..
        })
    ));
    let mut outside = good();
    outside[1].dest = r(8 * MIB, 9 * MIB);
    assert!(matches!(
        run(&outside, &area(6 * MIB)),
        Err(CheckError::OutsideCrashRegion { .. })
    ));
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
        assert!(matches!(
            run(&good(), &limits),
            Err(CheckError::InTheWay { name, .. }) if name == "image"
        ));
    }
}
