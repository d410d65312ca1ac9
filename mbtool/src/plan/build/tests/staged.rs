use super::*;
use crate::plan::place::allocator::FixedError;
use proptest::prelude::*;

/// 20 MiB of RAM, the crash region at its end.
fn machine(crash: PhysRange) -> Host {
    Host {
        memory_map: vec![
            entry(0, 0x9f000, MemoryKind::Ram),
            entry(MIB, 20 * MIB, MemoryKind::Ram),
        ],
        crash_regions: vec![crash.into()],
        ..Host::default()
    }
}

/// An image with consecutive parts, each with a gap, data and zeros.
fn image(start: u64, parts: &[(u64, usize, u64)]) -> Image {
    let mut at = start;
    let mut segments = Vec::new();
    for (n, &(gap, len, zeroes)) in parts.iter().enumerate() {
        let start = at + gap;
        at = start + len as u64 + zeroes;
        segments.push(LoadSegment {
            range: r(start, at),
            data: (0..len)
                .map(|i| (i as u8).wrapping_mul(3) ^ n as u8 | 1)
                .collect(),
        });
    }
    let entry = segments[0].range.start;
    Image {
        span: r(entry, at),
        entry,
        segments,
        ..payload()
    }
}

/// Returns the contents of memory when the image starts.
fn started(plan: &Plan, size: u64) -> Vec<u8> {
    let mut memory = vec![0xcc; size as usize];
    for segment in &plan.kernel_segments {
        let place = &mut memory[segment.dest.start as usize..segment.dest.end as usize];
        place.fill(0);
        place[..segment.data.len()].copy_from_slice(&segment.data);
    }
    for moved in &plan.report.moves {
        let from = moved.from.0 as usize;
        memory.copy_within(from..from + moved.len as usize, moved.to.0 as usize);
    }
    memory
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// An image that cannot be loaded at its address is complete there when it
    /// starts, and the kernel loads nothing into forbidden memory.
    #[test]
    fn an_image_is_complete_at_its_address_when_it_starts(
        start in 0x20_0000_u64..0x30_0000,
        parts in prop::collection::vec((0_u64..0x3000, 1_usize..0x4000, 0_u64..0x3000), 1..4),
        crash in any::<bool>(),
    ) {
        let region = r(12 * MIB, 20 * MIB);
        let mut request = Request::new(image(start, &parts));
        request.modules = vec![module("a", "", vec![1; 5000])];
        if crash {
            request.crash = Some(region);
        } else {
            request.kernel_min = 8 * MIB;
        }
        let plan = plan(&request, &machine(region)).unwrap();
        for segment in &plan.kernel_segments {
            let allowed = if crash { region } else { r(8 * MIB, 20 * MIB) };
            prop_assert!(allowed.covers(&segment.dest), "{} in {allowed}", segment.dest);
        }
        prop_assert!(!plan.report.moves.is_empty());
        let memory = started(&plan, 20 * MIB);
        for segment in &request.image.segments {
            let at = segment.range.start as usize;
            let (data, zeroes) = memory[at..segment.range.end as usize].split_at(segment.data.len());
            prop_assert_eq!(data, &segment.data[..]);
            prop_assert!( zeroes.iter().all(|byte| *byte == 0));
        }
        // the memory map of the image has its own pages as RAM
        let Some(DecodedTagBody::Map { entries, .. }) = plan.report.boot.tags().iter().find(|tag| tag.kind == 6).map(|tag| &tag.body)
        else {
            panic!("no map");
        };
        for segment in &request.image.segments {
            let own = segment.range;
            let told = entries.iter().any(|e| e.kind == 1 && e.base.0 <= own.start
                && e.base.0 + e.length >= own.end);
            prop_assert!(told, "{own}");
        }
    }
}

#[test]
fn segments_that_can_be_loaded_in_place_are_not_moved() {
    let region = r(12 * MIB, 20 * MIB);
    let mut request = Request::new(image(14 * MIB, &[(0, 5000, 0)]));
    request.crash = Some(region);
    let plan = plan(&request, &machine(region)).unwrap();
    assert!(plan.report.moves.is_empty());
    assert_eq!(dest(&plan, "payload").start, 14 * MIB);
}

#[test]
fn an_image_at_an_address_without_ram_is_refused() {
    let region = r(12 * MIB, 20 * MIB);
    let mut request = Request::new(image(30 * MIB, &[(0, 5000, 0)]));
    request.crash = Some(region);
    assert_error!(
        refused(&request, &machine(region)),
        PlanError::Fixed(FixedError::NotRam { .. })
    );
}
