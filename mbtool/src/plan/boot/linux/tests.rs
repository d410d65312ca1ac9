use super::*;
use crate::abi::boot_params::{SetupHeader, XLoadFlags};
use crate::host::boot_facts::{BootFacts, Raw};
use crate::host::efi::Runtime;
use crate::host::{FoundRsdp, Host, LowMemory, MapEntry, MemoryKind};
use crate::image::synth::bzimage;
use crate::image::{As, Image, Protocol};
use crate::plan::{Bytes, Module, Plan, PlanError, Request, plan};
use handoff::addr::{FOUR_GIB, MIB};
use proptest::prelude::*;

fn r(start: u64, end: u64) -> PhysRange {
    PhysRange::new(start, end).unwrap()
}

fn image() -> Image {
    Image::parse_as(&bzimage(), "/boot/vmlinuz", As::Auto).unwrap()
}

fn setup() -> Setup {
    match image().protocol {
        Protocol::Linux(setup) => setup,
        other => panic!("{other:?}"),
    }
}

fn efi() -> Efi {
    Efi {
        systab: 0x1_7f5e_c018,
        fw_vendor: 0x7f51_c818,
        runtime: 0x7f5e_cb98,
        config_table: 0x7f5e_c898,
        smbios: 0x7f51_8000,
        runtime_map: vec![
            Runtime {
                kind: 6,
                phys: 0x7f4e_b000,
                virt: 0xffff_fffe_ff4e_b000,
                pages: 0x100,
                attribute: 0x8000_0000_0000_000f,
            };
            3
        ],
    }
}

/// 2 GiB, booted by UEFI.
fn host() -> Host {
    let entry = |start, end, kind| MapEntry { start, end, kind };
    Host {
        memory_map: vec![
            entry(0, 0xa0000, MemoryKind::Ram),
            entry(MIB, 0x7f4e_b000, MemoryKind::Ram),
            entry(0x7f4e_b000, 0x7f77_f000, MemoryKind::Reserved),
            entry(0x7f77_f000, 0x8000_0000, MemoryKind::Ram),
            entry(FOUR_GIB, FOUR_GIB + MIB, MemoryKind::Pmem),
            entry(FOUR_GIB + MIB, FOUR_GIB + 2 * MIB, MemoryKind::SoftReserved),
        ],
        low_memory: LowMemory {
            rsdp: Some(FoundRsdp {
                addr: 0x7f77_e014,
                revision: 2,
            }),
            efi: true,
            ..LowMemory::default()
        },
        boot_facts: BootFacts {
            screen: Raw(vec![
                0, 0, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x70, 0, 0, 0, 5,
            ]),
            edd: vec![Raw(vec![0x80, 1]), Raw(vec![0x81])],
            mbr_signatures: vec![0xdead_beef],
            secure_boot: 2,
            efi: Some(efi()),
            ..BootFacts::default()
        },
        ..Host::default()
    }
}

fn initrd(name: &str) -> Module {
    Module {
        name: name.to_owned(),
        cmdline: String::new(),
        data: Bytes::from(vec![7; 5000]),
    }
}

fn request() -> Request {
    let mut request = Request::new(image());
    request.cmdline = "console=ttyS0 quiet".to_owned();
    request.modules = vec![initrd("initrd.img")];
    request
}

fn boot_params(plan: &Plan) -> (&[u8], BootParamsReport) {
    let segment = plan.segments.iter().find(|s| s.name == "boot_params");
    let segment = segment.unwrap();
    (
        &segment.data,
        report::decode(&segment.data, segment.dest.start),
    )
}

fn dest(plan: &Plan, name: &str) -> PhysRange {
    plan.segments.iter().find(|s| s.name == name).unwrap().dest
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

#[test]
fn fields_of_the_page_are_as_in_the_boot_protocol() {
    let plan = plan(&request(), &host()).unwrap();
    let (page, sent) = boot_params(&plan);
    let (image, at) = (dest(&plan, "vmlinuz"), dest(&plan, "boot_params").start);
    // placed high, aligned, the initrd below the header's limit
    assert!(image.start.is_multiple_of(0x20_0000) && image.start > 0x7000_0000);
    let initrd = dest(&plan, "initrd: initrd.img");
    assert!(initrd.end <= 0x8000_0000 && !initrd.overlaps(&image));
    assert_eq!(plan.report.exit.mode, "linux-64");
    assert_eq!(plan.report.exit.registers.get("rsi"), at);
    assert_eq!(plan.report.exit.registers.get("rip"), image.start + 0x200);
    // the setup header of the file, with the fields of the loader filled in
    assert_eq!(page[0x202..0x20e], bzimage()[0x202..0x20e]);
    assert_eq!(page[0x22c..0x250], bzimage()[0x22c..0x250]);
    assert_eq!(page[0x258..0x26c], bzimage()[0x258..0x26c]);
    assert_eq!((page[0x210], page[0x211]), (0xd0, 1));
    assert_eq!(u64::from(u32_at(page, 0x214)), image.start);
    assert_eq!(u64::from(u32_at(page, 0x218)), initrd.start);
    assert_eq!(u32_at(page, 0x21c), 5000);
    assert_eq!(
        page[0x1ef], 0,
        "the sentinel of a page that was not cleared"
    );
    // facts of the machine
    assert_eq!(page[0xf], 0x70);
    assert_eq!(&page[2..4], &0xfc00_u16.to_le_bytes());
    assert_eq!(u32_at(page, 0x1e0), (0x7f4e_b000 - 0x10_0000) >> 10);
    assert_eq!(u32_at(page, 0x70), 0x7f77_e014);
    assert_eq!(
        (page[0x1e9], page[0xd00], page[0xd00 + 82]),
        (2, 0x80, 0x81)
    );
    assert_eq!((page[0x1ea], u32_at(page, 0x290)), (1, 0xdead_beef));
    assert_eq!(page[0x1ec], 2);
    assert_eq!(&page[0x1c0..0x1c4], b"EL64");
    assert_eq!((u32_at(page, 0x1c4), u32_at(page, 0x1d8)), (0x7f5e_c018, 1));
    assert_eq!((u32_at(page, 0x1c8), u32_at(page, 0x1d4)), (40, 120));
    let map = (u64::from(u32_at(page, 0x1d0)) - at) as usize;
    assert_eq!(u32_at(page, map), 6);
    assert_eq!(u32_at(page, map + 80 + 8), 0x7f4e_b000, "the third region");
    // decoded again
    assert_eq!(sent.cmdline, "console=ttyS0 quiet");
    assert_eq!((sent.protocol.as_str(), sent.cmdline_size), ("2.15", 2047));
    let kinds: Vec<u32> = sent.e820.iter().map(|area| area.kind).collect();
    assert_eq!(
        kinds,
        [1, 1, 2, 1, 7, 0xefff_ffff],
        "Linux knows persistent memory"
    );
    let efi = sent.efi.unwrap();
    assert_eq!(
        (efi.regions, efi.config_table.0, efi.smbios.0),
        (3, 0x7f5e_c898, 0x7f51_8000)
    );
    assert!(
        plan.report.warnings.is_empty(),
        "{:?}",
        plan.report.warnings
    );
}

#[test]
fn a_plan_is_a_recorded_machine() {
    let made = plan(&request(), &host()).unwrap();
    let json = serde_json::to_vec(&made.report).unwrap();
    let recorded = crate::host::replay::from_json(&json).unwrap();
    let again = plan(&request(), &recorded).unwrap();
    assert_eq!(serde_json::to_vec(&again.report).unwrap(), json);
}

#[test]
fn unknown_facts_are_left_zero() {
    let mut host = host();
    host.boot_facts = BootFacts::default();
    host.low_memory = LowMemory::default();
    let mut request = request();
    request.modules.clear();
    let plan = plan(&request, &host).unwrap();
    let (page, sent) = boot_params(&plan);
    assert!(sent.efi.is_none() && sent.acpi_rsdp.is_none() && sent.initrd.is_none());
    assert!(sent.setup_data.is_empty());
    assert_eq!(page[0x1c0..0x1e0], [0; 32]);
    assert_eq!(plan.segments.len(), 3, "image, boot_params and handoff");
}

#[test]
fn a_long_memory_map_continues_in_setup_data() {
    let mut host = host();
    let many = (0..300).map(|n| MapEntry {
        start: (8 + n) << 32,
        end: ((8 + n) << 32) + MIB,
        kind: MemoryKind::Ram,
    });
    host.memory_map.extend(many);
    let mut request = request();
    request.seed = Some([0xa5; 72]);
    let plan = plan(&request, &host).unwrap();
    let (page, sent) = boot_params(&plan);
    assert_eq!(page[0x1e8], 128);
    assert_eq!(sent.e820.len(), 306);
    assert_eq!(sent.e820[305].base.0, (8 + 299) << 32);
    let chain: Vec<_> = sent
        .setup_data
        .iter()
        .map(|data| (data.name, data.len))
        .collect();
    assert_eq!(
        chain,
        [("e820-ext", 178 * 20), ("efi", 96), ("rng-seed", 32)]
    );
    let seed = &sent.setup_data[2];
    let at = (seed.addr.0 - dest(&plan, "boot_params").start) as usize;
    assert_eq!(page[at + 16..at + 48], [0xa5; 32]);
}

#[test]
fn a_command_line_must_fit() {
    let mut request = request();
    request.cmdline = "x".repeat(2047);
    assert!(plan(&request, &host()).is_ok());
    request.cmdline.push('x');
    assert!(matches!(
        plan(&request, &host()),
        Err(PlanError::Linux(LinuxError::LongCmdline {
            len: 2048,
            max: 2047
        }))
    ));
    request.cmdline = "a\0b".to_owned();
    assert!(matches!(
        plan(&request, &host()),
        Err(PlanError::Linux(LinuxError::Nul { at: 1 }))
    ));
}

#[test]
fn only_one_initrd_without_arguments() {
    let mut two = request();
    two.modules.push(initrd("second"));
    assert!(matches!(
        plan(&two, &host()),
        Err(PlanError::Linux(LinuxError::Modules { name })) if name == "module 1: second"
    ));
    let mut with_args = request();
    with_args.modules[0].cmdline = "a b".to_owned();
    assert!(matches!(
        plan(&with_args, &host()),
        Err(PlanError::Linux(LinuxError::InitrdArguments { args, .. })) if args == "a b"
    ));
    let mut empty = request();
    empty.modules[0].data = Bytes::default();
    assert!(matches!(
        plan(&empty, &host()),
        Err(PlanError::EmptyModule { name }) if name == "initrd: initrd.img"
    ));
}

#[test]
fn an_initrd_that_the_kernel_cannot_reach_is_refused() {
    let mut request = request();
    let Protocol::Linux(setup) = &mut request.image.protocol else {
        panic!()
    };
    setup.initrd_addr_max = 0x37ff_ffff;
    // initrd_addr_max binds only loaders that place nothing above 4 GiB
    let high = dest(&plan(&request, &host()).unwrap(), "initrd: initrd.img");
    assert!(high.start >= 0x3800_0000, "{high}");
    let Protocol::Linux(setup) = &mut request.image.protocol else {
        panic!()
    };
    setup.xloadflags.remove(XLoadFlags::CAN_BE_LOADED_ABOVE_4G);
    let low = dest(&plan(&request, &host()).unwrap(), "initrd: initrd.img");
    assert_eq!(low.end, 0x3800_0000, "as high as it may");
    request.mem_min = 0x3800_0000;
    assert!(matches!(
        plan(&request, &host()),
        Err(PlanError::Window { .. })
    ));
}

#[test]
fn a_framebuffer_with_a_changed_mode_is_omitted() {
    let mut host = host();
    host.boot_facts.screen_driver = Some("i915drmfb".to_owned());
    let plan = plan(&request(), &host).unwrap();
    assert_eq!(boot_params(&plan).1.screen.0, 0);
    assert!(plan.report.warnings[0].contains("i915drmfb has changed the mode"));
    // text mode is at the same address with any driver
    host.boot_facts.screen = Raw(vec![0, 0, 0, 0, 0, 0, 3, 80, 0, 0, 0, 0, 0, 0, 25, 1, 16]);
    let plan = super::super::super::plan(&request(), &host).unwrap();
    assert_eq!(boot_params(&plan).1.screen.0, 1);
}

#[test]
fn efi_is_passed_only_to_kernels_that_support_it() {
    let efi = |change: &dyn Fn(&mut Setup, &mut Host)| {
        let (mut request, mut host) = (request(), host());
        let Protocol::Linux(setup) = &mut request.image.protocol else {
            panic!()
        };
        change(setup, &mut host);
        let plan = plan(&request, &host).unwrap();
        (boot_params(&plan).1, plan.report.warnings)
    };
    let (sent, warnings) = efi(&|setup, _| setup.xloadflags.remove(XLoadFlags::EFI_KEXEC));
    assert!(sent.efi.is_none() && sent.acpi_rsdp.is_some());
    assert!(
        warnings[0].contains("xloadflags bit 4 is clear"),
        "{warnings:?}"
    );
    let (sent, warnings) = efi(&|setup, host| {
        setup.kernel_version = Some("5.4.0-1 (x) #1".to_owned());
        host.boot_facts.efi.as_mut().unwrap().runtime = 0;
    });
    assert!(sent.efi.is_none());
    assert!(warnings[0].contains("older than Linux 5.7"), "{warnings:?}");
    for release in ["5.7", "5.10.0-1", "6.1.0", "7.2"] {
        let (sent, _) = efi(&|setup, host| {
            setup.kernel_version = Some(format!("{release} (x) #1"));
            host.boot_facts.efi.as_mut().unwrap().runtime = 0;
        });
        assert!(sent.efi.is_some(), "{release}");
    }
}

#[test]
fn an_old_kernel_gets_acpi_rsdp_on_its_command_line() {
    let line = |version: u16, efi: bool, given: &str| {
        let (mut request, mut host) = (request(), host());
        let Protocol::Linux(setup) = &mut request.image.protocol else {
            panic!()
        };
        setup.version = version;
        if !efi {
            host.boot_facts.efi = None;
        }
        request.cmdline = given.to_owned();
        boot_params(&plan(&request, &host).unwrap()).1.cmdline
    };
    assert_eq!(line(0x20d, false, "a"), "a acpi_rsdp=0x7f77e014");
    assert_eq!(line(0x20d, false, ""), "acpi_rsdp=0x7f77e014");
    assert_eq!(line(0x20d, false, "acpi_rsdp=0x1"), "acpi_rsdp=0x1");
    assert_eq!(line(0x20d, true, "a"), "a");
    assert_eq!(line(0x20f, false, "a"), "a");
}

#[test]
fn five_level_page_tables_need_kernel_support() {
    let (mut request, mut host) = (request(), host());
    host.boot_facts.five_level_paging = true;
    assert!(plan(&request, &host).is_ok());
    let Protocol::Linux(setup) = &mut request.image.protocol else {
        panic!()
    };
    setup.xloadflags.remove(XLoadFlags::FIVE_LEVEL);
    assert!(matches!(
        plan(&request, &host),
        Err(PlanError::Linux(LinuxError::FiveLevels { .. }))
    ));
}

#[test]
fn a_vmlinux_gets_a_synthetic_setup_header() {
    let setup = Setup {
        bzimage: false,
        header: Box::new(SetupHeader::new_zeroed()),
        ..setup()
    };
    let bytes = build(&ZeroPageInputs {
        setup: &setup,
        base: 0x100_0000,
        at: 0x10_0000,
        cmdline: "",
        areas: &[(r(0, 4096), 1)],
        mem_upper: 0,
        initrd: None,
        rsdp: None,
        chosen: &Chosen::default(),
    })
    .unwrap();
    assert_eq!(&bytes[0x202..0x206], b"HdrS");
    assert_eq!(&bytes[0x1fe..0x200], &[0x55, 0xaa]);
    assert_eq!(&bytes[0x206..0x208], &[0x0f, 2]);
    assert_eq!((bytes[0x210], bytes[0x211]), (0xd0, 1));
}

proptest! {
    /// The size depends on no address, and decoding returns all fields.
    #[test]
    fn decoding_returns_all_fields(
        areas in prop::collection::vec((0_u64..1 << 40, 1_u64..1 << 30, 1_u32..8), 0..300),
        cmdline in "[ -~]{0,2047}",
        regions in prop::collection::vec(any::<[u64; 4]>(), 0..40),
        seed in any::<Option<[u8; 32]>>(),
        at in (0x100_u64..0xff000).prop_map(|page| page << 12),
        raw in (prop::collection::vec(any::<u8>(), 0..64), prop::collection::vec(any::<u32>(), 0..16)),
    ) {
        let setup = setup();
        let areas: Vec<_> = areas.iter().map(|&(start, len, kind)| (r(start, start + len), kind)).collect();
        let chosen = Chosen {
            screen: raw.0,
            mbr_signatures: raw.1,
            seed,
            efi: (!regions.is_empty()).then(|| Efi {
                runtime_map: regions.iter().map(|words| Runtime {
                    kind: 5, phys: words[0], virt: words[1], pages: words[2], attribute: words[3],
                }).collect(),
                ..efi()
            }),
            ..Chosen::default()
        };
        let at_address = |at| build(&ZeroPageInputs {
            setup: &setup, base: 0x100_0000, at, cmdline: &cmdline, areas: &areas,
            mem_upper: 12345, initrd: Some(r(0x200_0000, 0x200_1234)), rsdp: Some(0xf_5000),
            chosen: &chosen,
        });
        let bytes = at_address(at).unwrap();
        prop_assert_eq!(at_address(0).unwrap().len(), bytes.len());
        let sent = report::decode(&bytes, at);
        prop_assert_eq!(&sent.cmdline, &cmdline);
        prop_assert_eq!(sent.e820.len(), areas.len());
        for (area, (range, kind)) in sent.e820.iter().zip(&areas) {
            prop_assert_eq!((area.base.0, area.length, area.kind), (range.start, range.len(), *kind));
        }
        prop_assert_eq!(sent.efi.map(|efi| efi.regions), (!regions.is_empty()).then_some(regions.len()));
        prop_assert_eq!(sent.setup_data.iter().any(|data| data.kind == SETUP_RNG_SEED), seed.is_some());
        let initrd = sent.initrd.unwrap();
        prop_assert_eq!((initrd.start.0, initrd.end.0), (0x200_0000, 0x200_1234));
        // setup data ends at the end of the bytes, and no byte belongs to two
        // items
        for data in &sent.setup_data {
            prop_assert!(data.addr.0 >= at + 4096);
            prop_assert!(data.addr.0 + 16 + u64::from(data.len) <= at + bytes.len() as u64);
        }
    }
}
