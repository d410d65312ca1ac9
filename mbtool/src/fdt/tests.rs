//! Trees and blobs for tests.

mod blob;
mod chosen;
mod facts;
mod hostile;
mod text;
mod uart;
mod xen;

use super::testing::{cells, node, virt};
use super::{DeviceTree, DtNode};
use crate::abi::fdt::{
    BEGIN_NODE, COMPATIBLE, END, END_NODE, FdtHeader, MAGIC, PROP, TOKEN_ALIGN, VERSION,
};
use handoff::addr::PhysRange;
use zerocopy::IntoBytes;

fn range(start: u64, end: u64) -> PhysRange {
    PhysRange::new(start, end).unwrap()
}

/// The node at a path, to change it.
fn at<'a>(tree: &'a mut DeviceTree, path: &str) -> &'a mut DtNode {
    let names = path.split('/').filter(|name| !name.is_empty());
    names.fold(&mut tree.root, |node, name| node.child_or_new(name))
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
