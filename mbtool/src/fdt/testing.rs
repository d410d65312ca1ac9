//! A machine's tree for tests.

use super::{DeviceTree, DtNode};

/// Big-endian cells.
pub(crate) fn cells<const N: usize>(cells: [u32; N]) -> Vec<u8> {
    cells.iter().flat_map(|cell| cell.to_be_bytes()).collect()
}

/// A node with properties and children.
pub(crate) fn node(name: &str, properties: &[(&str, &[u8])], children: &[DtNode]) -> DtNode {
    let mut node = DtNode::new(name);
    for (name, value) in properties {
        node.set(name, *value);
    }
    node.children = children.to_vec();
    node
}

/// A tree like the one that QEMU's riscv64 "virt" machine gives with OpenSBI: 1 GiB at 2 GiB, two harts.
pub(crate) fn virt() -> DeviceTree {
    let two = cells([2]);
    let hart = |id: u32| {
        node(
            &format!("cpu@{id}"),
            &[
                ("phandle", &cells([1 + id])),
                ("device_type", b"cpu\0"),
                ("reg", &cells([id])),
                ("status", b"okay\0"),
                ("compatible", b"riscv\0"),
                ("riscv,isa", b"rv64imafdc_zicsr_sstc\0"),
                ("mmu-type", b"riscv,sv57\0"),
            ],
            &[],
        )
    };
    let root = node(
        "",
        &[
            ("#address-cells", &two),
            ("#size-cells", &two),
            ("compatible", b"riscv-virtio\0"),
            ("model", b"riscv-virtio,qemu\0"),
        ],
        &[
            node(
                "reserved-memory",
                &[
                    ("#address-cells", &two),
                    ("#size-cells", &two),
                    ("ranges", b""),
                ],
                &[
                    node(
                        "mmode_resv1@80000000",
                        &[
                            ("reg", &cells([0, 0x8000_0000, 0, 0x4_0000])),
                            ("no-map", b""),
                        ],
                        &[],
                    ),
                    node(
                        "mmode_resv0@80040000",
                        &[
                            ("reg", &cells([0, 0x8004_0000, 0, 0x2_0000])),
                            ("no-map", b""),
                        ],
                        &[],
                    ),
                ],
            ),
            node(
                "memory@80000000",
                &[
                    ("device_type", b"memory\0"),
                    ("reg", &cells([0, 0x8000_0000, 0, 0x4000_0000])),
                ],
                &[],
            ),
            node(
                "cpus",
                &[
                    ("#address-cells", &cells([1])),
                    ("#size-cells", &cells([0])),
                    ("timebase-frequency", &cells([10_000_000])),
                ],
                &[hart(0), hart(1), node("cpu-map", &[], &[])],
            ),
            node(
                "soc",
                &[
                    ("#address-cells", &two),
                    ("#size-cells", &two),
                    ("compatible", b"simple-bus\0"),
                    ("ranges", b""),
                ],
                &[node(
                    "serial@10000000",
                    &[
                        ("interrupts", &cells([10])),
                        ("clock-frequency", &cells([3_686_400])),
                        ("reg", &cells([0, 0x1000_0000, 0, 0x100])),
                        ("compatible", b"ns16550a\0"),
                    ],
                    &[],
                )],
            ),
            node("aliases", &[("serial0", b"/soc/serial@10000000\0")], &[]),
            node(
                "chosen",
                &[
                    ("stdout-path", b"/soc/serial@10000000\0"),
                    ("bootargs", b"console=ttyS0\0"),
                    ("linux,initrd-start", &cells([0, 0x8820_0000])),
                    ("linux,initrd-end", &cells([0, 0x8900_0123])),
                    ("rng-seed", &[7; 32]),
                    ("kaslr-seed", &cells([1, 2])),
                ],
                &[],
            ),
        ],
    );
    DeviceTree {
        root,
        ..DeviceTree::default()
    }
}
