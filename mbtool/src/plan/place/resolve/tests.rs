use super::*;
use proptest::prelude::*;

/// A segment of whole pages with `data` bytes of value `fill`.
fn segment(name: &str, first: u64, end: u64, data: usize, fill: u8) -> Segment {
    let dest = PhysRange::new(first * PAGE_SIZE, end * PAGE_SIZE).unwrap();
    let data = vec![fill; data];
    Segment {
        name: name.to_owned(),
        dest,
        crc32: crc32fast::hash(&data),
        sha256: None,
        data: data.into(),
    }
}

fn shape(segments: &[Segment]) -> Vec<(&str, u64, u64)> {
    let page = |addr| addr / PAGE_SIZE;
    segments
        .iter()
        .map(|s| (s.name.as_str(), page(s.dest.start), page(s.dest.end)))
        .collect()
}

#[test]
fn zero_length_segments_are_split_around_loaded_data() {
    let segments = resolve(vec![
        segment("zero-length", 0, 10, 0, 0),
        segment("b", 4, 6, 1, 1),
        segment("late zero-length", 8, 12, 0, 0),
        segment("a", 2, 3, 1, 1),
        segment("nothing", 20, 20, 0, 0),
    ])
    .unwrap();
    assert_eq!(
        shape(&segments),
        [
            ("zero-length", 0, 2),
            ("a", 2, 3),
            ("zero-length", 3, 4),
            ("b", 4, 6),
            ("zero-length", 6, 10),
            ("late zero-length", 10, 12)
        ]
    );
}

#[test]
fn the_error_names_both_overlapping_segments() {
    let error = resolve(vec![
        segment("module 1: b", 3, 5, 1, 1),
        segment("xen", 0, 4, 9, 1),
    ])
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "xen and module 1: b both load 0x3000-0x4000"
    );
}

#[test]
fn neighbors_are_merged_with_zeros_between() {
    let mut segments = vec![
        segment("a", 1, 3, 10, 1),
        segment("zero-length", 3, 4, 0, 0),
        segment("b", 4, 5, 10, 2),
        segment("far", 8, 9, 10, 3),
    ];
    let joined = kernel_segments(&mut segments, 16).unwrap();
    assert_eq!(joined.len(), 2);
    assert_eq!(joined[0].names, ["a", "zero-length", "b"]);
    assert_eq!(joined[0].data.len(), 3 * 4096 + 10);
    assert_eq!(joined[0].data[..10], [1; 10]);
    assert!(joined[0].data[10..3 * 4096].iter().all(|&byte| byte == 0));
    assert_eq!(joined[0].data[3 * 4096..], [2; 10]);
    // the parts share the same buffer
    assert_eq!(joined[0].data.as_ptr(), segments[0].data.as_ptr());
    assert_eq!(
        (&*segments[2].data, segments[2].crc32),
        (&[2; 10][..], crc32fast::hash(&[2; 10]))
    );
}

#[test]
fn expensive_merges_are_made_only_when_needed() {
    let mut segments = vec![
        segment("bss", 0, 100, 10, 1),
        segment("module", 100, 101, 10, 2),
    ];
    assert_eq!(kernel_segments(&mut segments, 2).unwrap().len(), 2);
    let joined = kernel_segments(&mut segments, 1).unwrap();
    assert_eq!(joined[0].data.len(), 100 * 4096 + 10);
    // a zero-length segment before data costs its whole length
    let mut segments = vec![
        segment("zero-length", 0, 100, 0, 0),
        segment("module", 100, 101, 10, 2),
    ];
    assert_eq!(kernel_segments(&mut segments, 2).unwrap().len(), 2);
    assert_eq!(
        kernel_segments(&mut segments, 1).unwrap()[0].data.len(),
        100 * 4096 + 10
    );
}

#[test]
fn seventeen_scattered_segments_are_refused() {
    let mut segments: Vec<Segment> = (0..17)
        .map(|i| segment(&format!("m{i}"), i * 2, i * 2 + 1, 1, 1))
        .collect();
    assert_eq!(
        kernel_segments(&mut segments, 16),
        Err(ResolveError::TooMany {
            count: 17,
            limit: 16,
            names: (0..17).map(|i| format!("m{i}")).collect()
        })
    );
    assert_eq!(kernel_segments(&mut segments[1..], 16).unwrap().len(), 16);
    assert_eq!(kernel_segments(&mut [], 16), Ok(vec![]));
}

proptest! {
    #[test]
    fn every_byte_is_kept_once(
        params in proptest::collection::vec((0_u64..60, 0_u64..8, any::<bool>(), 1_u8..), 0..14),
        limit in 1_usize..17,
    ) {
        // expected contents of each page: loaded bytes, or a zero-length
        // segment
        let mut loaded = [0_u8; 70];
        let mut claimed = [false; 70];
        let mut clash = false;
        let mut segments = Vec::new();
        for (first, pages, load, fill) in params {
            let load = load && pages > 0;
            for page in first..first + pages {
                let page = page as usize;
                if load {
                    clash |= loaded[page] != 0;
                    loaded[page] = fill;
                } else {
                    claimed[page] = true;
                }
            }
            let bytes = if load { (pages * PAGE_SIZE - PAGE_SIZE + 1) as usize } else { 0 };
            segments.push(segment("s", first, first + pages, bytes, fill));
        }
        let resolved = resolve(segments);
        prop_assert_eq!(resolved.is_err(), clash);
        let Ok(mut resolved) = resolved else { return Ok(()) };
        for pair in resolved.windows(2) {
            prop_assert!(pair[0].dest.end <= pair[1].dest.start);
        }
        let before = resolved.clone();
        let joined = kernel_segments(&mut resolved, limit);
        prop_assert_eq!(&before, &resolved);
        let islands = before.windows(2).filter(|p| p[0].dest.end != p[1].dest.start).count()
            + usize::from(!before.is_empty());
        prop_assert_eq!(joined.is_err(), islands > limit);
        let Ok(joined) = joined else { return Ok(()) };
        prop_assert!(joined.len() <= limit);
        for pair in joined.windows(2) {
            prop_assert!(pair[0].dest.end <= pair[1].dest.start);
        }
        for page in 0..70 {
            let at = PhysRange::from_len(page as u64 * PAGE_SIZE, PAGE_SIZE).unwrap();
            let holder = joined.iter().find(|segment| segment.dest.overlaps(&at));
            prop_assert_eq!(holder.is_some(), loaded[page] != 0 || claimed[page]);
            if let Some(holder) = holder {
                let offset = (at.start - holder.dest.start) as usize;
                let byte = holder.data.get(offset).copied().unwrap_or(0);
                prop_assert_eq!(byte, loaded[page]);
            }
        }
        for segment in &joined {
            prop_assert!(segment.data.len() as u64 <= segment.dest.len());
        }
    }
}

#[test]
fn large_segments_are_copied_only_if_they_must() {
    let large = LARGE as usize;
    let pages = LARGE / PAGE_SIZE;
    let segments = [
        segment("a", 0, 1, 4096, 1),
        segment("b", 1, 2, 4096, 2),
        segment("initrd", 2, 2 + pages, large, 3),
        segment("c", 2 + pages, 3 + pages, 4096, 4),
    ];
    let address = segments[2].data.as_ptr();
    let merged = |limit| {
        let mut segments = segments.clone();
        let merged = kernel_segments(&mut segments, limit).unwrap();
        let of = merged
            .iter()
            .find(|segment| segment.names.contains(&"initrd".to_owned()));
        (merged.len(), of.unwrap().data.as_ptr() == address)
    };
    assert_eq!(merged(16), (3, true));
    assert_eq!(merged(3), (3, true));
    assert_eq!(merged(1), (1, false));
}
