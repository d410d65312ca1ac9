//! Trees and blobs for tests.

mod blob;
mod chosen;
mod facts;
mod hostile;
mod text;
mod uart;

use super::{DeviceTree, DtNode};
use crate::abi::fdt::{
    BEGIN_NODE, COMPATIBLE, END, END_NODE, FdtHeader, MAGIC, PROP, TOKEN_ALIGN, VERSION,
};
use handoff::addr::PhysRange;
use zerocopy::IntoBytes;

fn range(start: u64, end: u64) -> PhysRange {
    PhysRange::new(start, end).unwrap()
}

/// Big-endian cells.
fn cells<const N: usize>(cells: [u32; N]) -> Vec<u8> {
    cells.iter().flat_map(|cell| cell.to_be_bytes()).collect()
}

/// A node with properties and children.
fn node(name: &str, properties: &[(&str, &[u8])], children: &[DtNode]) -> DtNode {
    let mut node = DtNode::new(name);
    for (name, value) in properties {
        node.set(name, *value);
    }
    node.children = children.to_vec();
    node
}

/// The node at a path, to change it.
fn at<'a>(tree: &'a mut DeviceTree, path: &str) -> &'a mut DtNode {
    let names = path.split('/').filter(|name| !name.is_empty());
    names.fold(&mut tree.root, |node, name| node.child_or_new(name))
}

/// A tree like the one that QEMU's riscv64 "virt" machine gives with OpenSBI: 1 GiB at 2 GiB, two harts.
fn virt() -> DeviceTree {
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

/// A blob made by hand.
#[derive(Clone)]
struct Raw {
    header: [u32; 10],
    reservations: Vec<u64>,
    structure: Vec<u8>,
    strings: Vec<u8>,
}

impl Raw {
    /// An empty tree without an end.
    fn new() -> Self {
        let mut header = [0; 10];
        (header[0], header[5], header[6]) = (MAGIC, VERSION, COMPATIBLE);
        Self {
            header,
            reservations: vec![0, 0],
            structure: Vec::new(),
            strings: b"reg\0status\0".to_vec(),
        }
    }

    fn token(mut self, token: u32) -> Self {
        self.structure.extend(token.to_be_bytes());
        self
    }

    fn padded(mut self, bytes: &[u8]) -> Self {
        self.structure.extend(bytes);
        let len = self.structure.len().next_multiple_of(TOKEN_ALIGN);
        self.structure.resize(len, 0);
        self
    }

    fn begin(self, name: &str) -> Self {
        self.token(BEGIN_NODE)
            .padded(&[name.as_bytes(), &[0]].concat())
    }

    fn property(self, name: u32, value: &[u8]) -> Self {
        let len = u32::try_from(value.len()).unwrap();
        self.token(PROP).token(len).token(name).padded(value)
    }

    /// Ends so many nodes, and the tree.
    fn end(mut self, nodes: usize) -> Self {
        for _ in 0..nodes {
            self = self.token(END_NODE);
        }
        self.token(END)
    }

    /// Offset of the structure block.
    fn start(&self) -> usize {
        40 + self.reservations.len() * 8
    }

    /// The blob, with the offsets and sizes of its header set.
    fn blob(&self) -> Vec<u8> {
        let mut raw = self.clone();
        let number = |number: usize| u32::try_from(number).unwrap();
        let start = self.start();
        let strings = start + self.structure.len();
        raw.header[1] = number(strings + self.strings.len());
        raw.header[2] = number(start);
        raw.header[3] = number(strings);
        raw.header[4] = 40;
        raw.header[8] = number(self.strings.len());
        raw.header[9] = number(self.structure.len());
        raw.as_is()
    }

    /// The blob with the header as it is.
    fn as_is(&self) -> Vec<u8> {
        let header = zerocopy::transmute!(self.header.map(zerocopy::big_endian::U32::new));
        let header: FdtHeader = header;
        let mut blob = header.as_bytes().to_vec();
        blob.extend(self.reservations.iter().flat_map(|part| part.to_be_bytes()));
        blob.extend(&self.structure);
        blob.extend(&self.strings);
        blob
    }
}
