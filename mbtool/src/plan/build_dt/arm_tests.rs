use super::*;
use crate::arch::Architecture;
use crate::fdt::testing::virt;
use crate::host::arm::{ArmFacts, BootLevel, PsciMethod};
use crate::host::device_tree::TreeBlob;
use crate::host::{MapEntry, MemoryKind, RawRange};
use crate::image::{As, Image, synth};
use crate::plan::{Module, PlanError, plan};
use handoff::addr::{FOUR_GIB, MIB};

const RAM: PhysRange = PhysRange {
    start: 0x4000_0000,
    end: 0x6800_0000,
};
const REGION: PhysRange = PhysRange {
    start: 0x5800_0000,
    end: 0x6400_0000,
};

/// A machine with 640 MiB, whose kernel was started in Hyp mode.
fn host_of(edit: impl FnOnce(&mut DeviceTree)) -> Host {
    let mut tree = virt();
    edit(&mut tree);
    Host {
        arch: Architecture::Arm,
        memory_map: vec![MapEntry::new(RAM, MemoryKind::Ram)],
        crash_regions: vec![RawRange::from(REGION)],
        device_tree: Some(TreeBlob(tree.write().unwrap())),
        arm: Some(ArmFacts {
            level: Some(BootLevel::Hyp),
            kvm: None,
            psci: Some(PsciMethod::Smc),
        }),
        ..Host::default()
    }
}

fn host() -> Host {
    host_of(|_| {})
}

fn request(initrd: usize) -> Request {
    let file = synth::zimage(0x10_0000, 0x15b_9b64);
    let image = Image::parse_as(&file, "/boot/vmlinuz-6.12-armmp", As::Auto).unwrap();
    let mut request = Request::new(image);
    request.cmdline = "console=ttyAMA0".to_owned();
    request.modules = vec![Module {
        name: "initrd.img".to_owned(),
        cmdline: String::new(),
        data: vec![0x5a; initrd].into(),
    }];
    request
}

fn segment<'a>(plan: &'a Plan, name: &str) -> &'a Segment {
    let found = plan.segments.iter().find(|segment| segment.name == name);
    found.unwrap_or_else(|| panic!("no {name}"))
}

fn chosen(plan: &Plan, name: &str) -> Option<Vec<u8>> {
    let tree = DeviceTree::read(&segment(plan, "device tree").data).unwrap();
    tree.root
        .child("chosen")?
        .property(name)
        .map(<[u8]>::to_vec)
}

#[test]
fn a_zimage_lies_above_the_kernel_that_it_unpacks() {
    let plan = plan(&request(5000), &host()).unwrap();
    assert_eq!(plan.arch, Architecture::Arm);
    let image = segment(&plan, "vmlinuz-6.12-armmp").dest;
    // 0x208000 + 0x15b9b64 + 0x6a62c and a page, up to the next MiB
    assert_eq!(image.start, 0x4190_0000);
    let report = &plan.report;
    assert_eq!(
        (report.exit.mode, report.image.base.0),
        ("linux-arm", 0x4000_3000)
    );
    assert_eq!(report.exit.registers.entry(), image.start);
    let tree = segment(&plan, "device tree").dest;
    assert_eq!(report.exit.registers.get("r2"), tree.start);
    let kernel = PhysRange {
        start: 0x4000_3000,
        end: image.end,
    };
    let others = plan.segments.iter().filter(|one| one.dest != image);
    assert!(others.clone().count() == 3 && others.clone().all(|one| !one.dest.overlaps(&kernel)));
    let spec_end = plan.segments.iter().map(|one| one.dest.end).max();
    assert!(spec_end <= Some(FOUR_GIB));
}

#[test]
fn a_crash_kernel_has_no_memory_where_its_core_header_is() {
    let mut request = request(5000);
    request.crash = Some(REGION);
    let plan = plan(&request, &host()).unwrap();
    let header = segment(&plan, "elfcorehdr");
    assert_eq!(header.dest.start, REGION.end - MIB);
    // ELF32, EM_ARM
    assert_eq!((header.data[4], header.data[18]), (1, 40));
    let pair = |start: u64, len: u64| [start, len].map(u64::to_be_bytes).concat();
    let usable = chosen(&plan, "linux,usable-memory-range").unwrap();
    assert_eq!(usable, pair(REGION.start, REGION.len() - MIB));
    let place = chosen(&plan, "linux,elfcorehdr").unwrap();
    assert_eq!(place[..8], header.dest.start.to_be_bytes());
    for part in plan
        .segments
        .iter()
        .filter(|part| part.name != "elfcorehdr")
    {
        assert!(
            part.dest.start >= REGION.start && part.dest.end <= REGION.end - MIB,
            "{}",
            part.name
        );
    }
    assert!(
        !plan
            .report
            .warnings
            .iter()
            .any(|text| text.contains("ELF32"))
    );
    let mut large = host();
    let high = PhysRange::from_len(FOUR_GIB, MIB).unwrap();
    large.memory_map.push(MapEntry::new(high, MemoryKind::Ram));
    let warnings = super::super::plan(&request, &large)
        .unwrap()
        .report
        .warnings;
    assert!(warnings.iter().any(|text| text.contains("ELF32")));
    // what is advised is enough, and a MiB less is not
    let advice = crate::plan::advice(&request, &host()).unwrap();
    let size = advice.estimate.to_load();
    let fits = |len: u64| {
        let region = PhysRange::from_len(REGION.start, len).unwrap();
        let mut request = request.clone();
        request.crash = Some(region);
        let host = Host {
            crash_regions: vec![RawRange::from(region)],
            ..host()
        };
        super::super::plan(&request, &host)
    };
    fits(size).unwrap();
    fits(28 * MIB).unwrap_err();
}

#[test]
fn ram_may_begin_at_0_and_what_is_above_4_gib_is_not_used() {
    let at = |start: u64, len: u64| Host {
        memory_map: vec![MapEntry::new(
            PhysRange::from_len(start, len).unwrap(),
            MemoryKind::Ram,
        )],
        ..host()
    };
    let plan = |host: &Host| super::super::plan(&request(5000), host);
    let low = plan(&at(0, 1024 * MIB)).unwrap();
    assert_eq!(low.report.image.base.0, 0x3000);
    let high = plan(&at(0x8_0000_0000, 1024 * MIB)).unwrap_err();
    assert!(matches!(high, PlanError::DtPlace { .. }), "{high}");
    let end = plan(&at(u64::MAX - 0xffff, 0xffff)).unwrap_err();
    assert!(matches!(end, PlanError::DtPlace { .. }), "{end}");
}

#[test]
fn a_tree_with_addresses_of_one_cell_is_enough() {
    let host = host_of(|tree| {
        *tree = DeviceTree::default();
        for name in ["#address-cells", "#size-cells"] {
            tree.root.set(name, 1_u32.to_be_bytes().to_vec());
        }
    });
    let mut request = request(5000);
    request.crash = Some(REGION);
    let plan = plan(&request, &host).unwrap();
    let usable = chosen(&plan, "linux,usable-memory-range").unwrap();
    let expected = [0x5800_0000_u32, 0x0bf0_0000]
        .map(u32::to_be_bytes)
        .concat();
    assert_eq!(usable, expected);
}
