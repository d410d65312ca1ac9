use super::*;
use crate::arch::Architecture;
use crate::fdt::testing::virt;
use crate::host::device_tree::TreeBlob;
use crate::host::{MapEntry, MemoryKind, RawRange};
use crate::image::Image;
use crate::plan::{GivenTree, Module, PlanError, plan};
use handoff::addr::MIB;
use proptest::prelude::*;

const RAM: PhysRange = PhysRange {
    start: 0x8006_0000,
    end: 0xc000_0000,
};
const REGION: PhysRange = PhysRange {
    start: 0xa000_0000,
    end: 0xb000_0000,
};

/// QEMU's "virt" machine with 1 GiB, as Linux shows it.
fn host() -> Host {
    Host {
        arch: Architecture::Riscv64,
        memory_map: vec![MapEntry::new(RAM, MemoryKind::Ram)],
        crash_regions: vec![RawRange::from(REGION)],
        device_tree: Some(TreeBlob(virt().write().unwrap())),
        ..Host::default()
    }
}

/// A kernel like Debian's, of a few pages.
fn kernel() -> Image {
    kernel_of(0x1e6_c000)
}

fn kernel_of(image_size: u64) -> Image {
    let mut file = b"MZ\0\0\0\0\0\0".to_vec();
    for field in [0x20_0000_u64, image_size, 0] {
        file.extend(field.to_le_bytes());
    }
    file.extend(2_u32.to_le_bytes());
    file.resize(0x38, 0);
    file.extend(b"RSC\x05");
    file.resize(0x3123, 0xa5);
    Image::parse_as(&file, "/boot/vmlinux-6.12", crate::image::As::Auto).unwrap()
}

fn request(initrd: Option<usize>) -> Request {
    let mut request = Request::new(kernel());
    request.cmdline = "console=ttyS0 root=/dev/vda1".to_owned();
    request.modules = initrd
        .map(|len| Module {
            name: "initrd.img".to_owned(),
            cmdline: String::new(),
            data: vec![0x5a; len].into(),
        })
        .into_iter()
        .collect();
    request
}

fn segment<'a>(plan: &'a Plan, name: &str) -> &'a Segment {
    let found = plan.segments.iter().find(|segment| segment.name == name);
    found.unwrap_or_else(|| panic!("no {name}"))
}

/// `/chosen` as the image gets it.
fn chosen(plan: &Plan, name: &str) -> Option<Vec<u8>> {
    let blob = &segment(plan, "device tree").data;
    let tree = DeviceTree::read(blob).unwrap();
    assert_eq!(Some(&tree), plan.device_tree.as_ref());
    let node = tree.root.child("chosen").unwrap();
    node.property(name).map(<[u8]>::to_vec)
}

fn address(value: Option<Vec<u8>>) -> u64 {
    u64::from_be_bytes(value.unwrap().try_into().unwrap())
}

#[test]
fn everything_has_its_place_and_the_tree_says_where() {
    let plan = plan(&request(Some(5000)), &host()).unwrap();
    assert_eq!(plan.arch, Architecture::Riscv64);
    let image = segment(&plan, "vmlinux-6.12");
    // 2 MiB from the start of RAM, with the memory that it needs; nothing else is in its last page of 2 MiB
    assert_eq!(
        image.dest,
        PhysRange::from_len(0x8020_0000, 0x1e6_c000).unwrap()
    );
    assert_eq!(image.data.len(), 0x3123);
    let own = PhysRange::from_len(0x8020_0000, 0x200_0000).unwrap();
    let others = plan.segments.iter().filter(|one| one.name != image.name);
    assert!(others.clone().count() == 3 && others.clone().all(|one| !one.dest.overlaps(&own)));
    let initrd = segment(&plan, "initrd: initrd.img");
    assert_eq!(
        address(chosen(&plan, "linux,initrd-start")),
        initrd.dest.start
    );
    assert_eq!(
        address(chosen(&plan, "linux,initrd-end")),
        initrd.dest.start + 5000
    );
    assert_eq!(
        chosen(&plan, "bootargs").unwrap(),
        b"console=ttyS0 root=/dev/vda1\0"
    );
    assert_eq!(chosen(&plan, "rng-seed"), None);
    let registers = &plan.report.exit.registers;
    assert_eq!(
        registers.get("a1"),
        segment(&plan, "device tree").dest.start
    );
    assert_eq!(registers.entry(), image.dest.start);
    // the loading kernel finds the tree at the start of a segment
    let first_bytes = |segment: &crate::plan::KernelSegment| {
        segment.data.first_chunk() == Some(&0xd00d_feed_u32.to_be_bytes())
    };
    assert_eq!(
        plan.kernel_segments
            .iter()
            .filter(|one| first_bytes(one))
            .count(),
        1
    );
    assert_eq!(plan.kernel_segments.len(), plan.segments.len());
    // firmware's memory is not loaded to
    assert!(
        plan.segments
            .iter()
            .all(|segment| RAM.covers(&segment.dest))
    );
}

#[test]
fn random_bytes_are_made_anew() {
    let mut request = request(None);
    request.seed = Some([7; 72]);
    let plan = plan(&request, &host()).unwrap();
    assert_eq!(chosen(&plan, "kaslr-seed").unwrap(), [7; 8]);
    assert_eq!(chosen(&plan, "rng-seed").unwrap(), [7; 64]);
}

#[test]
fn a_given_tree_is_the_one_that_is_passed_on() {
    let mut tree = virt();
    tree.root.set_string("model", "another one");
    let mut request = request(None);
    request.device_tree = Some(GivenTree {
        name: "other.dtb".to_owned(),
        tree,
    });
    let nothing = Host {
        device_tree: None,
        ..host()
    };
    let plan = super::super::plan(&request, &nothing).unwrap();
    let tree = plan.device_tree.unwrap();
    assert_eq!(tree.root.property("model").unwrap(), b"another one\0");
    request.device_tree = None;
    assert!(matches!(
        super::super::plan(&request, &nothing),
        Err(PlanError::NoDeviceTree)
    ));
}

#[test]
fn a_crash_kernel_stays_in_its_region() {
    let mut request = request(Some(3 << 20));
    request.crash = Some(REGION);
    request.cmdline = "console=ttyS0 crashkernel=256M panic=5".to_owned();
    let plan = plan(&request, &host()).unwrap();
    assert!(plan.crash);
    assert!(
        plan.segments
            .iter()
            .all(|segment| REGION.covers(&segment.dest))
    );
    assert_eq!(
        chosen(&plan, "bootargs").unwrap(),
        b"console=ttyS0 panic=5\0"
    );
    let pair = |start: u64, len: u64| [start.to_be_bytes(), len.to_be_bytes()].concat();
    let usable = chosen(&plan, "linux,usable-memory-range").unwrap();
    assert_eq!(usable, pair(REGION.start, REGION.len()));
    let header = segment(&plan, "elfcorehdr");
    let expected = pair(header.dest.start, header.data.len() as u64);
    assert_eq!(chosen(&plan, "linux,elfcorehdr").unwrap(), expected);
    // ELF64, little endian, EM_RISCV; the loads leave the region out
    assert_eq!(header.data[18..20], 243_u16.to_le_bytes());
    let file = elf::ElfBytes::<elf::endian::LittleEndian>::minimal_parse(&header.data).unwrap();
    let loads: Vec<(u64, u64)> = file
        .segments()
        .unwrap()
        .iter()
        .map(|load| (load.p_paddr, load.p_paddr + load.p_memsz))
        .collect();
    assert_eq!(loads, [(RAM.start, REGION.start), (REGION.end, RAM.end)]);
    // pages for the loading kernel are left
    let taken: u64 = plan.segments.iter().map(|segment| segment.dest.len()).sum();
    assert!(REGION.len() - taken >= 64 * PAGE_SIZE);
}

#[test]
fn the_sizes_of_2023_have_a_place() {
    // an initrd of 102,381,140 bytes in a region of 512 MiB
    let region = PhysRange::from_len(0x9000_0000, 512 * MIB).unwrap();
    let mut request = request(Some(102_381_140));
    request.crash = Some(region);
    let host = Host {
        crash_regions: vec![RawRange::from(region)],
        ..host()
    };
    let plan = plan(&request, &host).unwrap();
    assert!(
        plan.segments
            .iter()
            .all(|segment| region.covers(&segment.dest))
    );
}

#[test]
fn the_advised_size_of_a_region_is_sufficient() {
    for (initrd, image_size) in [
        (1 << 20, 0x20_0000),
        (9 << 20, 0x1e6_c000),
        (40 << 20, 0x300_0000),
    ] {
        let mut request = request(Some(initrd));
        request.image = kernel_of(image_size);
        let advice = crate::plan::advice(&request, &host()).unwrap();
        let names: Vec<&str> = advice
            .estimate
            .parts
            .iter()
            .map(|part| &*part.name)
            .collect();
        assert_eq!(
            names,
            [
                "/boot/vmlinux-6.12",
                "initrd",
                "device tree",
                "core header",
                "handoff",
                "loading kernel's own pages"
            ]
        );
        // its size on disk, as it is no archive, and what it may unpack to
        assert_eq!(advice.files, 3 * initrd as u64);
        let with = |bytes: u64| {
            let region = PhysRange::from_len(0x9001_0000, bytes).unwrap();
            let mut request = request.clone();
            request.crash = Some(region);
            let crash_regions = vec![RawRange::from(region)];
            plan(
                &request,
                &Host {
                    crash_regions,
                    ..host()
                },
            )
        };
        with(advice.reserve.bytes).unwrap();
        let Err(PlanError::CrashRegionTooSmall { reserve, load, .. }) = with(2 * MIB) else {
            panic!("2 MiB are enough");
        };
        assert_eq!(reserve, Some(advice.reserve));
        assert_eq!(load, advice.estimate.to_load());
        assert!(!advice.reserve.xen);
    }
}

#[test]
fn reserved_memory_is_left_alone_up_to_the_end_of_the_address_space() {
    let last = PhysRange {
        start: 0x8000_0000,
        end: u64::MAX,
    };
    let mut tree = virt();
    tree.reservations.push(last);
    let host = Host {
        device_tree: Some(TreeBlob(tree.write().unwrap())),
        ..host()
    };
    let refused = |request: &Request| match plan(request, &host) {
        Err(PlanError::DtPlace {
            error:
                DtPlaceError::Part {
                    name: "kernel",
                    largest: None,
                    ..
                },
            window,
        }) => window,
        other => panic!("{other:?}"),
    };
    let mut request = request(None);
    assert_eq!(refused(&request), DtWindow::Ram);
    request.crash = Some(REGION);
    assert_eq!(refused(&request), DtWindow::CrashRegion);
}

#[test]
fn other_machines_and_their_options_are_refused() {
    let x86 = Host {
        arch: Architecture::X86_64,
        ..host()
    };
    assert!(matches!(
        plan(&request(None), &x86),
        Err(PlanError::OtherMachine {
            image: Architecture::Riscv64,
            host: Architecture::X86_64,
            ..
        })
    ));
    assert!(matches!(
        crate::plan::advice(&request(None), &x86),
        Err(PlanError::OtherMachine { .. })
    ));
    let mut protected = request(None);
    protected.drill = handoff::spec::Drill::FaultProtected;
    assert!(matches!(
        plan(&protected, &host()),
        Err(PlanError::NotOnThisMachine {
            option: "--drill fault-protected",
            ..
        })
    ));
    let mut guarded = request(None);
    guarded.guard = true;
    assert!(matches!(
        plan(&guarded, &host()),
        Err(PlanError::NotOnThisMachine {
            option: "--guard",
            ..
        })
    ));
}

#[test]
fn a_window_without_room_names_the_largest_range() {
    let mut request = request(Some(64 << 20));
    request.mem_max = Some(0x8300_0000);
    let Err(PlanError::DtPlace { error, window }) = plan(&request, &host()) else {
        panic!("no place was expected");
    };
    let DtPlaceError::Part { name, largest, .. } = error else {
        panic!("{error}");
    };
    assert_eq!((name, window), ("initrd", DtWindow::Options));
    assert_eq!(largest.unwrap().end, 0x8300_0000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever the region and the sizes: a plan without overlaps in the region, or an error with the largest free range.
    #[test]
    fn it_fits_or_the_error_names_the_largest_range(
        start in 0_u64..0x2000,
        pages in 1_u64..0x6000,
        initrd in 1_usize..40_000_000,
        image_pages in 4_u64..0x3000,
        reserved in proptest::option::of((0_u64..0x6000, 1_u64..0x1000)),
    ) {
        let start = RAM.start + start * PAGE_SIZE;
        let region = PhysRange { start, end: (start + pages * PAGE_SIZE).min(RAM.end) };
        let mut request = request(Some(initrd));
        request.image = kernel_of(image_pages * PAGE_SIZE);
        request.crash = Some(region);
        let hole = reserved.map(|(at, pages)| {
            let start = region.start + at * PAGE_SIZE;
            PhysRange { start, end: start + pages * PAGE_SIZE }
        });
        let mut tree = virt();
        tree.reservations.extend(hole);
        let host = Host {
            crash_regions: vec![RawRange::from(region)],
            device_tree: Some(TreeBlob(tree.write().unwrap())),
            ..host()
        };
        match plan(&request, &host) {
            Ok(plan) => {
                prop_assert!(plan.segments.iter().all(|segment| region.covers(&segment.dest)));
                let outside = |segment: &Segment| hole.is_none_or(|hole| !hole.overlaps(&segment.dest));
                prop_assert!(plan.segments.iter().all(outside));
                let image = segment(&plan, "vmlinux-6.12").dest.start;
                prop_assert!(image.is_multiple_of(2 * MIB));
            }
            Err(PlanError::DtPlace {
                error: DtPlaceError::Part { largest, .. } | DtPlaceError::Together { largest, .. },
                window,
            }) => {
                prop_assert_eq!(window, DtWindow::CrashRegion);
                let parts = runs::without([region], hole);
                prop_assert_eq!(largest, parts.into_iter().max_by_key(PhysRange::len));
            }
            // the whole region is less than the sum
            Err(PlanError::CrashRegionTooSmall { region: found, load, reserve, .. }) => {
                prop_assert_eq!(found, region);
                prop_assert!(load > region.len());
                prop_assert!(reserve.is_some_and(|reserve| reserve.bytes > load));
            }
            Err(error) => prop_assert!(false, "{}", error),
        }
    }
}
