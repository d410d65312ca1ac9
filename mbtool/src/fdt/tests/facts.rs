//! Facts of a tree.

use super::{cells, node, range, virt};
use crate::fdt::{
    Cpu, DeviceTree, DtHypervisor, DtNode, DtUart, DtValueProblem, DynamicReservation, MmuMode,
    ReservedMemory, UartModel,
};

/// The node at a path, to change it.
fn at<'a>(tree: &'a mut DeviceTree, path: &str) -> &'a mut DtNode {
    let names = path.split('/').filter(|name| !name.is_empty());
    names.fold(&mut tree.root, |node, name| node.child_or_new(name))
}

fn reserved(name: &str, start: u64, end: u64) -> ReservedMemory {
    ReservedMemory {
        name: name.to_owned(),
        range: range(start, end),
        no_map: true,
        reusable: false,
    }
}

#[test]
fn memory_of_available_nodes() {
    let mut tree = virt();
    assert_eq!(tree.memory().unwrap(), [range(0x8000_0000, 0xc000_0000)]);
    let more = |name: &str, status: &[u8]| {
        let reg = cells([1, 0, 0, 0x1000, 2, 0, 0, 0, 3, 0, 1, 0]);
        let reg = ("reg", &reg[..]);
        node(
            name,
            &[("device_type", b"memory\0"), reg, ("status", status)],
            &[],
        )
    };
    tree.root.children.push(more("memory@1", b"disabled\0"));
    tree.root.children.push(more("memory@2", b"okay\0"));
    let all = [
        range(0x8000_0000, 0xc000_0000),
        range(0x1_0000_0000, 0x1_0000_1000),
        range(0x3_0000_0000, 0x4_0000_0000),
    ];
    assert_eq!(tree.memory().unwrap(), all);
    at(&mut tree, "memory@2").set("linux,usable-memory", cells([0, 0x1000, 0, 0x1000]));
    assert_eq!(tree.memory().unwrap(), [all[0], range(0x1000, 0x2000)]);

    let problem = |value: Vec<u8>| {
        let mut tree = virt();
        at(&mut tree, "memory@80000000").set("reg", value);
        let error = tree.memory().unwrap_err();
        assert_eq!(
            (&*error.node, &*error.property),
            ("/memory@80000000", "reg")
        );
        error.problem
    };
    let entries = DtValueProblem::Entries {
        found: 12,
        entry: 16,
        cells: "2 cells, 2 cells".to_owned(),
    };
    assert_eq!(problem(cells([0, 1, 2])), entries);
    let overflow = DtValueProblem::Overflow {
        address: u64::MAX,
        size: 1,
    };
    assert_eq!(problem(cells([u32::MAX, u32::MAX, 0, 1])), overflow);
}

#[test]
fn reservations_of_the_header_and_of_nodes() {
    let mut tree = virt();
    tree.reservations = vec![range(0x9000_0000, 0x9000_1000)];
    let firmware = [
        reserved(
            "/reserved-memory/mmode_resv1@80000000",
            0x8000_0000,
            0x8004_0000,
        ),
        reserved(
            "/reserved-memory/mmode_resv0@80040000",
            0x8004_0000,
            0x8006_0000,
        ),
    ];
    let header = ReservedMemory {
        no_map: false,
        ..reserved("/memreserve/", 0x9000_0000, 0x9000_1000)
    };
    assert_eq!(
        tree.reserved().unwrap(),
        [&[header.clone()], &firmware[..]].concat()
    );
    assert_eq!(tree.dynamic_reservations().unwrap(), []);

    let cma = [("reusable", &b""[..]), ("size", &cells([0, 0x400_0000]))];
    let pool = [
        ("reusable", &b""[..]),
        ("reg", &cells([0, 0xa000_0000, 0, 0x1000])),
    ];
    let off = [
        ("status", &b"disabled\0"[..]),
        ("reg", &cells([0, 0, 0, 0x1000])),
    ];
    let parent = at(&mut tree, "reserved-memory");
    parent.children.push(node("linux,cma", &cma, &[]));
    parent.children.push(node("pool@a0000000", &pool, &[]));
    parent.children.push(node("off@0", &off, &[]));
    let pool = ReservedMemory {
        no_map: false,
        reusable: true,
        ..reserved("/reserved-memory/pool@a0000000", 0xa000_0000, 0xa000_1000)
    };
    let all = [&[header], &firmware[..], &[pool]].concat();
    assert_eq!(tree.reserved().unwrap(), all);
    let cma = DynamicReservation {
        name: "/reserved-memory/linux,cma".to_owned(),
        size: 0x400_0000,
    };
    assert_eq!(tree.dynamic_reservations().unwrap(), [cma]);

    at(&mut tree, "reserved-memory").set("#size-cells", cells([1]));
    let error = tree.reserved().unwrap_err();
    let unlike = DtValueProblem::UnlikeRoot {
        found: 1,
        expected: 2,
    };
    assert_eq!((error.problem, &*error.property), (unlike, "#size-cells"));
    assert_eq!(DeviceTree::default().reserved().unwrap(), []);
}

#[test]
fn harts() {
    let mut tree = virt();
    let hart = |id: u64| Cpu {
        name: format!("/cpus/cpu@{id}"),
        id,
        available: true,
        mmu: Some(MmuMode::Sv57),
        isa: Some("rv64imafdc_zicsr_sstc".to_owned()),
    };
    assert_eq!(tree.cpus().unwrap(), [hart(0), hart(1)]);
    assert_eq!(tree.timebase().unwrap(), Some(10_000_000));
    let second = at(&mut tree, "cpus/cpu@1");
    second.set_string("status", "disabled");
    second.remove("riscv,isa");
    second.set_string("riscv,isa-base", "rv64i");
    second.set("riscv,isa-extensions", b"i\0m\0zicsr\0".as_slice());
    for (text, mode) in [
        ("riscv,none", Some(MmuMode::None)),
        ("riscv,sv32", Some(MmuMode::Sv32)),
        ("riscv,sv39", Some(MmuMode::Sv39)),
        ("riscv,sv48", Some(MmuMode::Sv48)),
        ("riscv,sv57", Some(MmuMode::Sv57)),
        ("riscv,sv64", None),
    ] {
        at(&mut tree, "cpus/cpu@1").set_string("mmu-type", text);
        let expected = Cpu {
            available: false,
            isa: Some("rv64i_m_zicsr".to_owned()),
            mmu: mode,
            ..hart(1)
        };
        assert_eq!(tree.cpus().unwrap(), [hart(0), expected]);
    }
    assert!(MmuMode::Sv39 < MmuMode::Sv48);
    at(&mut tree, "cpus/cpu@1").remove("reg");
    let error = tree.cpus().unwrap_err();
    assert_eq!(
        (&*error.node, error.problem),
        ("/cpus/cpu@1", DtValueProblem::Missing)
    );
    assert_eq!(DeviceTree::default().cpus().unwrap(), []);
}

fn uart() -> DtUart {
    DtUart {
        name: "/soc/serial@10000000".to_owned(),
        model: UartModel::Ns16550,
        address: 0x1000_0000,
        shift: 0,
        width: 1,
        big_endian: false,
        clock: Some(3_686_400),
        baud: None,
        available: true,
    }
}

#[test]
fn the_console_of_a_virtual_machine() {
    let mut tree = virt();
    assert_eq!(tree.stdout().unwrap(), Some(uart()));
    at(&mut tree, "chosen").set_string("stdout-path", "serial0:9600n8");
    let expected = DtUart {
        baud: Some(9600),
        ..uart()
    };
    assert_eq!(tree.stdout().unwrap(), Some(expected.clone()));
    at(&mut tree, "chosen").remove("stdout-path");
    assert_eq!(tree.stdout().unwrap(), None);
    at(&mut tree, "chosen").set_string("linux,stdout-path", "serial0:9600n8");
    assert_eq!(tree.stdout().unwrap(), Some(expected));
    assert_eq!(DeviceTree::default().stdout().unwrap(), None);
}

/// A board: a bus behind a bus, with translation, and a UART with registers of 32 bits.
#[test]
fn the_console_of_a_board() {
    let mut tree = virt();
    let serial = node(
        "serial@200",
        &[
            ("compatible", b"vendor,uart\0snps,dw-apb-uart\0"),
            ("reg", &cells([0x200, 0x100])),
            ("reg-shift", &cells([2])),
            ("reg-io-width", &cells([4])),
            ("reg-offset", &cells([0x10])),
            ("clocks", &cells([7, 0])),
            ("current-speed", &cells([1_500_000])),
            ("status", b"disabled\0"),
            ("big-endian", b""),
        ],
        &[],
    );
    let inner = node(
        "bus@1000",
        &[
            ("#address-cells", &cells([1])),
            ("#size-cells", &cells([1])),
            ("ranges", &cells([0, 0x9000, 0x100, 0x200, 0x1000, 0x400])),
        ],
        &[serial],
    );
    let outer = node(
        "bus@f0000000",
        &[
            ("#address-cells", &cells([1])),
            ("#size-cells", &cells([1])),
            ("ranges", &cells([0, 0xf, 0xf000_0000, 0x1_0000])),
        ],
        &[inner],
    );
    let clock = node(
        "clock",
        &[
            ("compatible", b"fixed-clock\0"),
            ("phandle", &cells([7])),
            ("clock-frequency", &cells([24_000_000])),
        ],
        &[],
    );
    tree.root.children.extend([outer, clock]);
    let path = "/bus@f0000000/bus@1000/serial@200";
    at(&mut tree, "chosen").set_string("stdout-path", path);
    let expected = DtUart {
        name: path.to_owned(),
        model: UartModel::Ns16550,
        address: 0xf_f000_1010,
        shift: 2,
        width: 4,
        big_endian: true,
        clock: Some(24_000_000),
        baud: Some(1_500_000),
        available: false,
    };
    assert_eq!(tree.stdout().unwrap(), Some(expected));

    // an address beyond the ranges of a bus, then a bus without ranges
    at(&mut tree, path).set("reg", cells([0x600, 0x100]));
    let bus = |address, bus: &str| DtValueProblem::Untranslated {
        address,
        bus: bus.to_owned(),
    };
    let problem = |tree: &DeviceTree| tree.stdout().unwrap_err().problem;
    assert_eq!(problem(&tree), bus(0x600, "/bus@f0000000/bus@1000"));
    at(&mut tree, path).set("reg", cells([0x5ff, 0x100]));
    assert_eq!(tree.stdout().unwrap().unwrap().address, 0xf_f000_140f);
    at(&mut tree, "bus@f0000000").remove("ranges");
    assert_eq!(problem(&tree), bus(0x5ff, "/bus@f0000000"));
}

#[test]
fn kinds_of_uarts() {
    for (compatible, model, shift, width) in [
        (&b"arm,pl011\0arm,primecell\0"[..], UartModel::Pl011, 2, 4),
        (b"arm,sbsa-uart\0", UartModel::Pl011, 2, 4),
        (
            b"sifive,fu740-c000-uart\0sifive,uart0\0",
            UartModel::SiFive,
            2,
            4,
        ),
        (b"ns8250\0", UartModel::Ns16550, 0, 1),
        (
            b"fsl,imx-uart\0",
            UartModel::Other("fsl,imx-uart".to_owned()),
            2,
            4,
        ),
    ] {
        let mut tree = virt();
        at(&mut tree, "soc/serial@10000000").set("compatible", compatible);
        let expected = DtUart {
            model,
            shift,
            width,
            ..uart()
        };
        assert_eq!(tree.stdout().unwrap(), Some(expected));
    }
}

#[test]
fn consoles_that_make_no_sense() {
    let problem = |change: &dyn Fn(&mut DeviceTree)| {
        let mut tree = virt();
        change(&mut tree);
        tree.stdout().unwrap_err().problem
    };
    let serial = "soc/serial@10000000";
    let number = |found, expected| DtValueProblem::Number { found, expected };
    let found = problem(&|tree| at(tree, serial).set("reg-shift", cells([6])));
    assert_eq!(found, number(6, "0 to 5"));
    let found = problem(&|tree| at(tree, serial).set("reg-io-width", cells([3])));
    assert_eq!(found, number(3, "1, 2 or 4"));
    let found = problem(&|tree| at(tree, serial).set("reg-io-width", [1]));
    let size = DtValueProblem::Size {
        found: 1,
        expected: "4",
    };
    assert_eq!(found, size);
    let found = problem(&|tree| {
        at(tree, serial).remove("reg");
    });
    assert_eq!(found, DtValueProblem::Missing);
    let found = problem(&|tree| at(tree, "soc").set("#address-cells", cells([3])));
    assert_eq!(found, DtValueProblem::Cells { found: 3, max: 2 });
    let found = problem(&|tree| at(tree, "chosen").set_string("stdout-path", "/nope\x1b"));
    let target = "\"/nope\\x1b\"".to_owned();
    assert_eq!(found, DtValueProblem::NoNode { target });
    for value in [&b"no end"[..], b"", b"a\0b\0", b"\xff\0"] {
        let found = problem(&|tree| at(tree, "chosen").set("stdout-path", value));
        assert!(matches!(found, DtValueProblem::NoText { .. }), "{found:?}");
    }
}

#[test]
fn hypervisors() {
    let platform = virt().platform();
    assert_eq!(platform.model.as_deref(), Some("riscv-virtio,qemu"));
    assert_eq!(platform.compatible, ["riscv-virtio"]);
    let virt_name = DtHypervisor::Virtual("riscv-virtio".to_owned());
    assert_eq!(platform.hypervisor, Some(virt_name));
    for (compatible, expected) in [
        (
            &b"xen,xen-4.20\0xen,xen\0"[..],
            DtHypervisor::Xen(Some("4.20".to_owned())),
        ),
        (b"xen,xen\0", DtHypervisor::Xen(None)),
        (b"linux,kvm\0", DtHypervisor::Kvm),
        (b"acme,hv\0", DtHypervisor::Other("acme,hv".to_owned())),
    ] {
        let mut tree = virt();
        tree.root
            .child_or_new("hypervisor")
            .set("compatible", compatible);
        assert_eq!(tree.platform().hypervisor, Some(expected));
    }
    let mut board = DeviceTree::default();
    board.root.set_string("compatible", "starfive,jh7110");
    assert_eq!(board.platform().hypervisor, None);
}
