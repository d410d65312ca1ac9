//! Facts of a tree.

use super::{at, cells, node, range, virt};
use crate::fdt::{
    Cpu, DeviceTree, DtHypervisor, DtValueProblem, DynamicReservation, MmuMode, ReservedMemory,
};

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
        [std::slice::from_ref(&header), &firmware[..]].concat()
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
