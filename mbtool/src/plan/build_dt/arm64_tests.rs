use super::*;
use crate::arch::Architecture;
use crate::fdt::testing::virt;
use crate::host::arm::{ArmFacts, BootLevel, KvmMode, PsciMethod};
use crate::host::device_tree::TreeBlob;
use crate::host::{MapEntry, MemoryKind, RawRange};
use crate::image::{As, Image, synth};
use crate::plan::{Module, PlanError, plan};
use handoff::addr::MIB;
use proptest::prelude::*;
use xen_shim::arm::ArmContractError;

const RAM: PhysRange = PhysRange {
    start: 0x4000_0000,
    end: 0x8000_0000,
};
const REGION: PhysRange = PhysRange {
    start: 0x6000_0000,
    end: 0x6c00_0000,
};

/// A machine with 1 GiB, whose kernel was started at EL2.
fn host() -> Host {
    host_of(|_| {})
}

fn host_of(edit: impl FnOnce(&mut DeviceTree)) -> Host {
    let mut tree = virt();
    edit(&mut tree);
    Host {
        arch: Architecture::Arm64,
        memory_map: vec![MapEntry::new(RAM, MemoryKind::Ram)],
        device_tree: Some(TreeBlob(tree.write().unwrap())),
        arm: Some(ArmFacts {
            level: Some(BootLevel::El2),
            kvm: Some(KvmMode::Nvhe),
            psci: Some(PsciMethod::Smc),
        }),
        ..Host::default()
    }
}

fn kernel() -> Vec<u8> {
    synth::arm64_image(0x250_0000, b"")
}

fn xen() -> Image {
    Image::parse_as(&synth::xen_arm64(), "/boot/xen-4.20-arm64", As::Auto).unwrap()
}

fn module(name: &str, cmdline: &str, data: Vec<u8>) -> Module {
    Module {
        name: name.to_owned(),
        cmdline: cmdline.to_owned(),
        data: data.into(),
    }
}

fn linux_request(initrd: usize) -> Request {
    let file = kernel();
    let image = Image::parse_as(&file, "/boot/vmlinuz-6.12", As::Auto).unwrap();
    let mut request = Request::new(image);
    request.cmdline = "console=ttyAMA0".to_owned();
    request.modules = vec![module("initrd.img", "", vec![0x5a; initrd])];
    request
}

fn xen_request(initrd: usize) -> Request {
    let mut request = Request::new(xen());
    request.cmdline = "console=dtuart dom0_mem=512M".to_owned();
    request.modules = vec![
        module("vmlinuz-6.12", "console=hvc0", kernel()),
        module("initrd.img", "", vec![0x5a; initrd]),
    ];
    request
}

fn segment<'a>(plan: &'a Plan, name: &str) -> &'a Segment {
    let found = plan.segments.iter().find(|segment| segment.name == name);
    found.unwrap_or_else(|| panic!("no {name}"))
}

/// `/chosen` as the image gets it.
fn chosen(plan: &Plan) -> crate::fdt::DtNode {
    let blob = &segment(plan, "device tree").data;
    let tree = DeviceTree::read(blob).unwrap();
    tree.root.child("chosen").unwrap().clone()
}

fn pair(start: u64, len: u64) -> Vec<u8> {
    [start, len].map(u64::to_be_bytes).concat()
}

#[test]
fn linux_begins_at_the_start_of_ram() {
    let plan = plan(&linux_request(5000), &host()).unwrap();
    assert_eq!(plan.arch, Architecture::Arm64);
    let image = segment(&plan, "vmlinuz-6.12");
    assert_eq!(
        image.dest,
        PhysRange::from_len(0x4000_0000, 0x250_0000).unwrap()
    );
    let exit = &plan.report.exit;
    assert_eq!(exit.mode, "linux-arm64");
    assert_eq!(
        exit.registers.get("x0"),
        segment(&plan, "device tree").dest.start
    );
    assert_eq!(exit.registers.entry(), image.dest.start);
    let initrd = segment(&plan, "initrd: initrd.img").dest.start;
    let start = chosen(&plan)
        .property("linux,initrd-start")
        .unwrap()
        .to_vec();
    assert_eq!(start, initrd.to_be_bytes());
}

#[test]
fn a_crash_kernel_uses_all_regions_and_begins_in_its_own() {
    let low = PhysRange::from_len(0x5000_0000, 16 * MIB).unwrap();
    let mut host = host();
    host.crash_regions = vec![RawRange::from(low), RawRange::from(REGION)];
    let mut request = linux_request(3 << 20);
    request.crash = Some(REGION);
    let plan = plan(&request, &host).unwrap();
    assert!(
        plan.segments
            .iter()
            .all(|segment| REGION.covers(&segment.dest))
    );
    let usable = chosen(&plan)
        .property("linux,usable-memory-range")
        .unwrap()
        .to_vec();
    let expected = [pair(REGION.start, REGION.len()), pair(low.start, low.len())].concat();
    assert_eq!(usable, expected);
    // EM_AARCH64
    let header = segment(&plan, "elfcorehdr");
    assert_eq!(header.data[18..20], 183_u16.to_le_bytes());
}

#[test]
fn a_long_line_is_cut_after_2047_bytes() {
    let warned = |len: usize| {
        let mut request = linux_request(1);
        request.cmdline = "x".repeat(len);
        let warnings = plan(&request, &host()).unwrap().report.warnings;
        warnings
            .iter()
            .any(|text| text.contains("cuts it after 2047"))
    };
    assert!(!warned(2047) && warned(2048));
}

#[test]
fn xen_finds_its_modules_by_the_tree() {
    let mut request = xen_request(5000);
    let policy = [&0xf97c_ff8c_u32.to_le_bytes()[..], &[1; 60]].concat();
    request.modules.push(module("flask", "", policy));
    request.seed = Some([7; 72]);
    let plan = plan(&request, &host()).unwrap();
    let image = segment(&plan, "xen-4.20-arm64");
    assert_eq!(image.dest.start % (2 * MIB), 0);
    let report = &plan.report;
    assert_eq!(
        (report.exit.mode, report.image.base.0),
        ("xen-arm64", image.dest.start)
    );
    let version = report.image.xen.as_ref().unwrap().version.as_deref();
    assert_eq!(version, Some("4.20.4-1"));
    // Xen maps all of its superpage
    let own = PhysRange::from_len(image.dest.start, 2 * MIB).unwrap();
    let others = plan.segments.iter().filter(|one| one.name != image.name);
    assert!(others.clone().count() == 5 && others.clone().all(|one| !one.dest.overlaps(&own)));

    let chosen = chosen(&plan);
    let text = |name: &str| chosen.property(name).map(<[u8]>::to_vec);
    assert_eq!(
        text("xen,xen-bootargs").unwrap(),
        b"console=dtuart dom0_mem=512M\0"
    );
    assert_eq!(text("xen,dom0-bootargs").unwrap(), b"console=hvc0\0");
    for name in ["#address-cells", "#size-cells"] {
        assert_eq!(text(name).unwrap(), 2_u32.to_be_bytes());
    }
    assert_eq!(text("rng-seed").unwrap(), [7; 64]);
    for name in [
        "bootargs",
        "linux,initrd-start",
        "linux,initrd-end",
        "linux,booted-from-kexec",
    ] {
        assert_eq!(text(name), None, "{name}");
    }
    let modules = [
        ("multiboot,kernel", "module 0: vmlinuz-6.12", 0x3123),
        ("multiboot,ramdisk", "module 1: initrd.img", 5000),
        ("xen,xsm-policy", "module 2: flask", 64),
    ];
    assert_eq!(chosen.children.len(), modules.len());
    for (node, (kind, name, len)) in chosen.children.iter().zip(modules) {
        let dest = segment(&plan, name).dest;
        assert_eq!(node.name, format!("module@{:x}", dest.start));
        let compatible: Vec<&str> = node.strings("compatible").collect();
        assert_eq!(compatible, [kind, "multiboot,module"]);
        assert_eq!(node.property("reg").unwrap(), pair(dest.start, len));
    }
}

#[test]
fn xen_needs_el2_and_a_tree_with_the_machine() {
    let facts = |level, kvm| ArmFacts {
        level: Some(level),
        kvm,
        psci: None,
    };
    for (facts, enough) in [
        (facts(BootLevel::El2, Some(KvmMode::Vhe)), true),
        (facts(BootLevel::El2, Some(KvmMode::Protected)), false),
        (facts(BootLevel::El1, None), false),
        (facts(BootLevel::Mixed, None), false),
        // unknown: the handoff refuses it
        (ArmFacts::default(), true),
    ] {
        let host = Host {
            arm: Some(facts),
            ..host()
        };
        match plan(&xen_request(1), &host) {
            Ok(_) => assert!(enough, "{facts:?}"),
            Err(PlanError::XenNeedsEl2 { facts: found }) => {
                assert!(!enough);
                assert_eq!(found, facts);
            }
            Err(error) => panic!("{error}"),
        }
        plan(&linux_request(1), &host).unwrap();
    }
    let of_acpi = host_of(|tree| tree.root.children.retain(|node| node.name != "cpus"));
    let found = plan(&xen_request(1), &of_acpi);
    assert!(matches!(found, Err(PlanError::XenNeedsTree)));
    let nodes = virt().reserved().unwrap().len();
    let many = host_of(|tree| {
        let ranges = (0..257).map(|at| PhysRange::from_len(at * MIB, 8).unwrap());
        tree.reservations = ranges.collect();
    });
    let found = plan(&xen_request(1), &many);
    let what = "reservations";
    let count = 257 + nodes - virt().reservations.len();
    let expected = ArmContractError::TooManyBanks { what, count };
    assert!(matches!(found, Err(PlanError::XenArm(error)) if error == expected));
}

#[test]
fn memory_that_only_efi_knows_is_in_xens_tree() {
    let mut host = host_of(|tree| {
        let chosen = tree.root.child_or_new("chosen");
        chosen.set("linux,uefi-system-table", [0; 8]);
        chosen.set("linux,uefi-mmap-size", [0; 4]);
    });
    let second = PhysRange::from_len(0x1_0000_0000, 64 * MIB).unwrap();
    host.memory_map.push(MapEntry::new(second, MemoryKind::Ram));
    let plan = plan(&xen_request(1), &host).unwrap();
    let tree = plan.device_tree.clone().unwrap();
    assert_eq!(tree.memory().unwrap(), [RAM, second]);
    let chosen = chosen(&plan);
    assert!(!chosen.has("linux,uefi-system-table") && !chosen.has("linux,uefi-mmap-size"));
    // Linux finds EFI's map by them
    let linux = super::super::plan(&linux_request(1), &host).unwrap();
    let tree = linux.device_tree.unwrap();
    assert!(
        tree.root
            .child("chosen")
            .unwrap()
            .has("linux,uefi-system-table")
    );
}

#[test]
fn loads_that_cannot_work_are_refused() {
    let mut request = xen_request(1);
    request.crash = Some(REGION);
    let found = plan(&request, &host());
    assert!(matches!(found, Err(PlanError::CrashXenArm)));
    let mut request = xen_request(1);
    request.real_mode = true;
    let found = plan(&request, &host());
    assert!(matches!(
        found,
        Err(PlanError::NotOnThisMachine {
            option: "--real-mode",
            ..
        })
    ));
    // the kernel takes 38 MiB with its zeros, the tree 2
    let mut request = xen_request(1);
    request.cmdline = "dom0_mem=40M".to_owned();
    let found = plan(&request, &host());
    let (have, need) = (40 << 20, 42 << 20);
    let expected = ArmContractError::Dom0TooSmall { have, need };
    assert!(matches!(found, Err(PlanError::XenArm(error)) if error == expected));
    let mut request = xen_request(1);
    request.modules.truncate(0);
    let found = plan(&request, &host());
    assert!(matches!(
        found,
        Err(PlanError::XenArm(ArmContractError::NoDom0))
    ));
}

#[test]
fn nodes_of_another_boot_are_dropped() {
    let host = host_of(|tree| {
        let chosen = tree.root.child_or_new("chosen");
        for (name, compatible) in [
            ("module@1000", "multiboot,module"),
            ("dom0@0", "xen,linux-zimage"),
            ("domU1", "xen,domain"),
            ("framebuffer@1", "simple-framebuffer"),
        ] {
            chosen
                .child_or_new(name)
                .set_string("compatible", compatible);
        }
    });
    let plan = plan(&xen_request(1), &host).unwrap();
    let names = chosen(&plan).children.into_iter().map(|node| node.name);
    let names: Vec<String> = names.filter(|name| !name.starts_with("module@4")).collect();
    assert_eq!(names, ["dom0@0", "framebuffer@1"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever memory is reserved: no part of Xen's load overlaps it or another one, Xen lies at 2 MiB, and the tree has the
    /// places; or the error names the largest free range.
    #[test]
    fn xen_and_its_modules_fit_or_the_error_names_the_largest_range(
        megabytes in 1_u64..200,
        initrd in 1_usize..60_000_000,
        reserved in proptest::collection::vec((0_u64..200, 1_u64..0x800), 0..4),
    ) {
        let ram = PhysRange::from_len(RAM.start, megabytes * MIB).unwrap();
        let holes: Vec<PhysRange> = reserved
            .into_iter()
            .filter_map(|(at, pages)| PhysRange::from_len(RAM.start + at * MIB, pages * PAGE_SIZE))
            .collect();
        let host = host_of(|tree| tree.reservations.extend(holes.iter().copied()));
        let mut request = xen_request(initrd);
        request.mem_max = Some(ram.end);
        match plan(&request, &host) {
            Ok(plan) => {
                for (index, one) in plan.segments.iter().enumerate() {
                    prop_assert!(ram.covers(&one.dest));
                    prop_assert!(holes.iter().all(|hole| !hole.overlaps(&one.dest)));
                    let others = &plan.segments[..index];
                    prop_assert!(others.iter().all(|other| !other.dest.overlaps(&one.dest)));
                }
                let xen = segment(&plan, "xen-4.20-arm64").dest;
                prop_assert_eq!(xen.start % (2 * MIB), 0);
                let tree = segment(&plan, "device tree").dest;
                prop_assert!(tree.len() <= xen_shim::arm::TREE_MAX);
                for node in &chosen(&plan).children {
                    let start = u64::from_be_bytes(node.property("reg").unwrap()[..8].try_into().unwrap());
                    prop_assert!(plan.segments.iter().any(|segment| segment.dest.start == start));
                }
            }
            Err(PlanError::DtPlace {
                error: DtPlaceError::Part { largest, .. } | DtPlaceError::Together { largest, .. },
                window,
            }) => {
                prop_assert_eq!(window, DtWindow::Options);
                let free = runs::without([ram], holes).into_iter();
                let free = free.filter_map(|run| run.align_inward(PAGE_SIZE));
                let most = free.map(|hole| hole.len()).max();
                prop_assert_eq!(largest.map(|hole| hole.len()), most.filter(|len| *len > 0));
            }
            Err(error) => prop_assert!(false, "{}", error),
        }
    }
}
