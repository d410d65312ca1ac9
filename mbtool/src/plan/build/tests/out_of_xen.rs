//! Plans that are loaded by a running Xen: no data is loaded into memory that
//! Xen may reuse, and the final memory has all that was requested.

use super::*;
use crate::host::RawRange;
use crate::host::xen::{Safe, SafeRun, XenHost};
use crate::plan::check::CheckError;
use crate::plan::place::allocator::Arena;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn owned(start: u64, end: u64) -> SafeRun {
    SafeRun {
        start,
        end,
        kind: Safe::Owned,
    }
}

/// The machine of [`bios`] as seen by dom0: 2 GiB, no crash area.
fn dom0(safe: Vec<SafeRun>) -> Host {
    Host {
        xen: Some(XenHost {
            version: "4.20.4".to_owned(),
            safe,
            heap_free: Some(256 * MIB),
            image: Some(RawRange {
                start: 0x7fa0_0000,
                end: 0x7fe0_0000,
            }),
            ..XenHost::default()
        }),
        ..bios()
    }
}

fn machine_ram(host: &Host) -> Vec<PhysRange> {
    Arena::new(map::ram_ranges(&host.memory_map)).ram().to_vec()
}

/// Simulated memory after Xen's copy and the handoff: the written pages.
struct Memory(BTreeMap<u64, Vec<u8>>);

impl Memory {
    fn after(plan: &Plan) -> Self {
        let page = PAGE_SIZE as usize;
        let mut pages = BTreeMap::new();
        for segment in plan.kernel_segments.iter().filter(|s| !s.data.is_empty()) {
            let mut data = segment.data.chunks(page);
            for addr in (segment.dest.start..segment.dest.end).step_by(page) {
                let mut bytes = data.next().unwrap_or(&[]).to_vec();
                bytes.resize(page, 0);
                pages.insert(addr, bytes);
            }
        }
        for moved in &plan.report.moves {
            let (from, to) = (moved.from.0, moved.to.0);
            assert!(
                [from, to, moved.len]
                    .iter()
                    .all(|n| n.is_multiple_of(PAGE_SIZE))
            );
            let source: Vec<Vec<u8>> = (from..from + moved.len)
                .step_by(page)
                .map(|addr| pages.get(&addr).expect("nothing was loaded there").clone())
                .collect();
            pages.extend((to..).step_by(page).zip(source));
        }
        for range in &plan.report.clear {
            assert!(
                [range.start.0, range.end.0]
                    .iter()
                    .all(|n| n.is_multiple_of(PAGE_SIZE))
            );
            let cleared = (range.start.0..range.end.0).step_by(page);
            pages.extend(cleared.map(|addr| (addr, vec![0; page])));
        }
        Self(pages)
    }

    fn read(&self, range: PhysRange) -> Vec<u8> {
        let wide = range.align_outward(PAGE_SIZE).unwrap();
        let mut bytes = Vec::new();
        for addr in (wide.start..wide.end).step_by(PAGE_SIZE as usize) {
            let page = self.0.get(&addr);
            bytes.extend(page.unwrap_or_else(|| panic!("{addr:#x} in {range} was not written")));
        }
        let start = (range.start - wide.start) as usize;
        bytes[start..start + range.len() as usize].to_vec()
    }
}

/// Checks that everything in `request` is in memory at the end.
fn assert_complete(plan: &Plan, request: &Request) {
    let memory = Memory::after(plan);
    let delta = plan.report.image.base.0 - request.image.span.start;
    for segment in &request.image.segments {
        let dest = r(segment.range.start + delta, segment.range.end + delta);
        let bytes = memory.read(dest);
        let (data, zeroes) = bytes.split_at(segment.data.len());
        assert!(data == &segment.data[..], "the image at {dest}");
        assert!(zeroes.iter().all(|byte| *byte == 0));
    }
    let mut modules = request.modules.iter();
    for tag in plan.report.boot.tags() {
        if let DecodedTagBody::Module { start, end, .. } = &tag.body {
            let module = modules.next().unwrap();
            assert!(
                memory.read(r(start.0, end.0)) == module.data[..],
                "{}",
                module.name
            );
        }
    }
    assert!(modules.next().is_none());
    let ebx = plan.report.exit.registers.get("ebx");
    let size = memory.read(r(ebx, ebx + 4));
    let size = u64::from(u32::from_le_bytes(size.try_into().unwrap()));
    let info = memory.read(r(ebx, ebx + size));
    let text = request.cmdline.as_bytes();
    assert!(
        info.windows(text.len().max(1))
            .any(|part| part == text || text.is_empty())
    );
}

/// Checks the conditions under which Xen refuses a load or loses data.
fn assert_xen_takes(plan: &Plan, host: &Host) {
    let xen = host.xen.as_ref().unwrap();
    let safe = Arena::new(xen.safe());
    let low = r(0x1_0000, 0xa_0000);
    assert!(plan.kernel_segments.len() <= request::XEN_SEGMENTS);
    let mut sorted: Vec<PhysRange> = plan.kernel_segments.iter().map(|s| s.dest).collect();
    sorted.sort_unstable();
    assert!(sorted.windows(2).all(|pair| pair[0].end <= pair[1].start));
    for segment in &plan.kernel_segments {
        let dest = segment.dest;
        if segment.data.is_empty() {
            assert_eq!(dest, r(0, PAGE_SIZE), "{:?}", segment.names);
            continue;
        }
        let is_safe = safe.ram().iter().any(|run| run.covers(&dest));
        assert!(
            is_safe || low.covers(&dest),
            "{:?} at {dest}",
            segment.names
        );
        if !segment.names.iter().any(|name| name == "handoff") {
            let pages = (segment.data.len() as u64).div_ceil(PAGE_SIZE) * PAGE_SIZE;
            assert_eq!(dest.len(), pages, "{:?}", segment.names);
        }
    }
}

#[test]
fn with_enough_safe_memory_everything_is_loaded_in_place() {
    let host = dom0(vec![owned(512 * MIB, 1024 * MIB)]);
    let request = xen_request();
    let plan = plan(&request, &host).unwrap();
    assert!(plan.report.moves.is_empty());
    assert_xen_takes(&plan, &host);
    assert_complete(&plan, &request);
    assert_eq!(plan.report.image.base, Hex(1022 * MIB - 2 * MIB));
    // Xen's image has 0x3a7000 bytes, 0x2000 of them loaded
    let clear: Vec<u64> = plan
        .report
        .clear
        .iter()
        .map(|c| c.end.0 - c.start.0)
        .collect();
    assert_eq!(clear, [0x3a5000]);
    assert!(!plan.report.warnings.iter().any(|w| w.contains("DANGER")));
}

#[test]
fn a_fixed_image_outside_safe_memory_is_staged() {
    // its address, 2 MiB, may be free
    let host = dom0(vec![owned(512 * MIB, 520 * MIB)]);
    let mut request = Request::new(payload());
    request.modules = vec![module("a", "", vec![1; 5000])];
    let plan = plan(&request, &host).unwrap();
    assert_xen_takes(&plan, &host);
    assert_complete(&plan, &request);
    assert_eq!(plan.report.image.base, Hex(2 * MIB));
    assert!(
        plan.report
            .moves
            .iter()
            .any(|moved| moved.name == "payload")
    );
}

#[test]
fn segments_are_staged_in_safe_memory_above_4_gib() {
    let mut host = dom0(vec![
        owned(5 << 30, (5 << 30) + 6 * MIB),
        owned(6 << 30, (6 << 30) + MIB),
    ]);
    host.memory_map
        .push(entry(FOUR_GIB, 7 << 30, MemoryKind::Ram));
    let mut request = xen_request();
    request.modules.push(module("big", "", vec![5; 6 << 20]));
    let plan = plan(&request, &host).unwrap();
    assert_xen_takes(&plan, &host);
    assert_complete(&plan, &request);
    // no safe memory below 4 GiB except low memory
    let handoff = dest(&plan, "handoff");
    assert!(r(0x1_0000, 0x8_f000).covers(&handoff), "{handoff}");
    assert!(plan.segments.iter().any(|s| s.name == "module 2: big (2)"));
    for moved in &plan.report.moves {
        assert!(moved.from.0 >= FOUR_GIB && moved.to.0 + moved.len <= FOUR_GIB);
    }
    // the memory of the running Xen, where CPUs are parked, is not written
    for moved in &plan.report.moves {
        let to = r(moved.to.0, moved.to.0 + moved.len);
        assert!(!to.overlaps(&r(0x7fa0_0000, 0x7fe0_0000)), "{to}");
    }
}

#[test]
fn without_safe_memory_there_is_a_warning_and_verification() {
    let mut host = dom0(vec![]);
    host.xen.as_mut().unwrap().owned_unknown = Some("no /dev/xen/privcmd".to_owned());
    let mut request = xen_request();
    request.verify = handoff::spec::Verify::None;
    let plan = plan(&request, &host).unwrap();
    assert_complete(&plan, &request);
    assert_eq!(plan.report.handoff.verify, "crc32");
    let text = plan.report.warnings.join("\n");
    for part in ["DANGER", "no /dev/xen/privcmd", "crashkernel=", "dom0_mem="] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(dest(&plan, "handoff").end <= 0x8_f000);
}

#[test]
fn too_little_safe_memory_is_reported() {
    let host = dom0(vec![owned(512 * MIB, 513 * MIB)]);
    let mut request = xen_request();
    request.modules.push(module("big", "", vec![5; 3 << 20]));
    let plan = plan(&request, &host).unwrap();
    let text = plan.report.warnings.join("\n");
    assert!(
        text.contains("DANGER") && text.contains("the 13 largest safe ranges have"),
        "{text}"
    );
}

#[test]
fn a_heap_that_is_too_small_is_refused_with_numbers() {
    let mut host = dom0(vec![owned(512 * MIB, 1024 * MIB)]);
    host.xen.as_mut().unwrap().heap_free = Some(10 * PAGE_SIZE);
    assert_error!(
        refused(&xen_request(), &host),
        PlanError::Check(CheckError::HeapTooSmall { free: 10, .. })
    );
}

#[test]
fn a_drill_loads_half_of_the_data_into_possibly_free_memory() {
    let host = dom0(vec![owned(512 * MIB, 1024 * MIB)]);
    let mut request = xen_request();
    request.modules.push(module("big", "", vec![5; 3 << 20]));
    request.drill_heap = true;
    let plan = plan(&request, &host).unwrap();
    assert_complete(&plan, &request);
    // Xen loads segments in this order
    let loaded = plan.kernel_segments.iter().filter(|s| !s.data.is_empty());
    let safe: Vec<bool> = loaded
        .map(|s| r(512 * MIB, 1024 * MIB).covers(&s.dest))
        .collect();
    assert!(
        !safe[0] && safe.contains(&true) && safe.is_sorted(),
        "{safe:?}"
    );
    let text = plan.report.warnings.join("\n");
    assert!(
        text.contains("DRILL") && text.contains("load more"),
        "{text}"
    );
    let mut unknown = host.clone();
    unknown.xen.as_mut().unwrap().owned_unknown = Some("why".to_owned());
    assert_error!(
        refused(&request, &unknown),
        PlanError::Drill { why } if why == "why"
    );
}

#[test]
fn a_crash_image_has_a_zero_length_segment_at_page_0_and_stays_in_its_area() {
    let mut host = dom0(vec![SafeRun {
        kind: Safe::CrashArea,
        ..owned(256 * MIB, 384 * MIB)
    }]);
    host.crash_regions = vec![RawRange {
        start: 256 * MIB,
        end: 384 * MIB,
    }];
    let mut request = Request::new(relocatable(Preference::Lowest));
    request.crash = Some(r(256 * MIB, 384 * MIB));
    let plan = plan(&request, &host).unwrap();
    let (empty, loaded): (Vec<_>, Vec<_>) = plan
        .kernel_segments
        .iter()
        .partition(|segment| segment.data.is_empty());
    assert!(empty.iter().any(|segment| segment.dest == r(0, PAGE_SIZE)));
    for segment in loaded {
        assert!(request.crash.unwrap().covers(&segment.dest));
    }
}

prop_compose! {
    /// 48 MiB of RAM, of which arbitrary pages are safe, and RAM above 4 GiB.
    fn machine()(
        runs in proptest::collection::vec((0_u64..800, 1_u64..600), 0..24),
        high in proptest::collection::vec((0_u64..64, 1_u64..300), 0..4),
        crash in proptest::option::of((0x100_u64..0x2000, 1_u64..0x800)),
        heap in 0_u64..16,
    ) -> Host {
        let mut memory_map = vec![
            entry(0, 0x9fc00, MemoryKind::Ram),
            entry(0x9fc00, 0xa0000, MemoryKind::Reserved),
            entry(0xf0000, MIB, MemoryKind::Reserved),
            entry(MIB, 48 * MIB, MemoryKind::Ram),
        ];
        let mut safe = Vec::new();
        let mut at = MIB;
        for (gap, pages) in runs {
            let start = at + gap * PAGE_SIZE;
            let end = (start + pages * PAGE_SIZE).min(48 * MIB);
            if start < end {
                safe.push(r(start, end));
            }
            at = end.max(at);
        }
        let mut at = FOUR_GIB;
        for (gap, pages) in high {
            let start = at + gap * PAGE_SIZE;
            at = start + pages * PAGE_SIZE;
            safe.push(r(start, at));
        }
        if at > FOUR_GIB {
            memory_map.push(entry(FOUR_GIB, at, MemoryKind::Ram));
        }
        let crash_regions: Vec<RawRange> = crash
            .map(|(at, pages)| RawRange { start: at << 12, end: (at + pages) << 12 })
            .into_iter()
            .collect();
        let safe = crate::host::xen::bounded(&memory_map, &crash_regions, &safe);
        let heap_free = Some(heap * MIB).filter(|_| heap > 0);
        let xen = XenHost { safe, heap_free, ..XenHost::default() };
        Host { memory_map, crash_regions, xen: Some(xen), ..bios() }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// With arbitrary safe ranges, the plan is refused, or warns that it is
    /// unprotected, or loads only into safe memory. Memory is correct in the
    /// end, and the report can be replayed.
    #[test]
    fn random_machines_load_the_request_or_refuse_it(
        host in machine(),
        which in 0_usize..4,
        sizes in proptest::collection::vec(1_usize..1 << 20, 0..4),
        window in proptest::option::of((MIB..20 * MIB, 20 * MIB..64 * MIB)),
    ) {
        let image = match which {
            0 => payload(),
            1 => relocatable(Preference::Lowest),
            2 => relocatable(Preference::Highest),
            _ => xen(),
        };
        let mut request = Request::new(image);
        if which == 3 {
            request.modules.push(kernel());
        }
        for (n, size) in sizes.into_iter().enumerate() {
            let mut data = vec![0; size];
            for (i, eight) in data.chunks_mut(8).enumerate() {
                eight.fill(i as u8 ^ (i >> 9) as u8 ^ n as u8);
            }
            request.modules.push(module(&format!("m{n}"), "", data));
        }
        if let Some((min, max)) = window {
            (request.mem_min, request.mem_max) = (min, Some(max));
        }
        let Ok(plan) = plan(&request, &host) else { return Ok(()) };
        assert_complete(&plan, &request);
        let danger = plan.report.warnings.iter().any(|text| text.contains("DANGER"));
        if !danger {
            assert_xen_takes(&plan, &host);
        }
        let ram = machine_ram(&host);
        for segment in &plan.segments {
            let empty = segment.data.is_empty();
            prop_assert!(empty || ram.iter().any(|run| run.covers(&segment.dest)));
        }
        for moved in &plan.report.moves {
            let to = r(moved.to.0, moved.to.0 + moved.len);
            prop_assert!(ram.iter().any(|run| run.covers(&to)) && to.end <= FOUR_GIB);
        }
        let json = serde_json::to_vec(&plan.report).unwrap();
        let again = crate::host::replay::from_json(&json).unwrap();
        let replayed = super::super::plan(&request, &again).unwrap();
        prop_assert_eq!(serde_json::to_vec(&replayed.report).unwrap(), json);
    }
}
