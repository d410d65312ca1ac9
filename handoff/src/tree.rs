//! Finds a console and the firmware's conduit in a device tree, without memory of its own
//! (Devicetree Specification 0.4, chapter 5).

use crate::abi::{PSCI_HVC, PSCI_NONE, PSCI_SMC};

/// First word of a tree.
const MAGIC: u32 = 0xd00d_feed;
/// Offsets in its header.
const TOTAL_SIZE: usize = 4;
const STRUCTURE: usize = 8;
const STRINGS: usize = 12;
/// Tokens of the structure block.
const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const NOP: u32 = 4;
/// Deepest node and longest path that are followed.
const DEPTH: usize = 16;
const PATH: usize = 256;
/// Largest tree that is read, in bytes.
pub const LARGEST: usize = 2 << 20;

/// What a program that is started with a tree needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeFacts {
    /// Registers of a PL011: that of `stdout-path`, else the first, of those that are not disabled and that the CPUs reach
    /// at the address in `reg`.
    pub pl011: Option<u64>,
    /// How firmware is called: `PSCI_*`.
    pub psci: u32,
}

/// A property of a node.
struct Property<'t> {
    /// Path of the node.
    path: &'t [u8],
    /// `#address-cells` of its parent.
    cells: u32,
    /// Addresses of its parent's children are those of the CPUs: the parent is the root, or a bus with an empty `ranges`
    /// on such a one.
    mapped: bool,
    name: &'t [u8],
    value: &'t [u8],
}

/// What is known of a node that may be a UART.
#[derive(Default)]
struct UartNode {
    is_pl011: bool,
    disabled: bool,
    at: Option<u64>,
}

impl UartNode {
    fn registers(&self) -> Option<u64> {
        self.at.filter(|_| self.is_pl011 && !self.disabled)
    }
}

/// Returns the size that a tree has by its header; `None` for another thing.
#[must_use]
pub fn size(header: &[u8]) -> Option<usize> {
    let size = word(header, TOTAL_SIZE)? as usize;
    (word(header, 0)? == MAGIC && size <= LARGEST).then_some(size)
}

/// Looks for what is needed.
#[must_use]
pub fn find(tree: &[u8]) -> TreeFacts {
    let mut found = TreeFacts {
        pl011: None,
        psci: PSCI_NONE,
    };
    let mut wanted: &[u8] = &[];
    walk(tree, &mut |p| {
        if p.path == b"/chosen" && p.name == b"stdout-path" {
            wanted = position(tree, before(p.value, b':'));
        }
    });
    if !wanted.starts_with(b"/") {
        let alias = wanted;
        walk(tree, &mut |p| {
            if p.path == b"/aliases" && p.name == alias {
                wanted = position(tree, before(p.value, b':'));
            }
        });
    }
    // the properties of a node come together, before its children
    let mut node = ([0; PATH], 0);
    let mut uart = UartNode::default();
    let mut chosen = false;
    let mut keep = |uart: &UartNode, path: &[u8], pl011: &mut Option<u64>| {
        if let Some(at) = uart.registers().filter(|_| !chosen) {
            chosen = path == wanted;
            if chosen || pl011.is_none() {
                *pl011 = Some(at);
            }
        }
    };
    walk(tree, &mut |p| {
        if node.0.get(..node.1) != Some(p.path) {
            keep(
                &uart,
                node.0.get(..node.1).unwrap_or_default(),
                &mut found.pl011,
            );
            node.1 = p.path.len();
            if let Some(kept) = node.0.get_mut(..node.1) {
                copy(kept, p.path);
            }
            uart = UartNode::default();
        }
        match p.name {
            b"compatible" => uart.is_pl011 = has_string(p.value, b"arm,pl011"),
            b"reg" if p.mapped => uart.at = address(p.value, p.cells),
            b"status" => uart.disabled = !matches!(before(p.value, 0), b"okay" | b"ok"),
            b"method" if p.path == b"/psci" => {
                found.psci = match before(p.value, 0) {
                    b"smc" => PSCI_SMC,
                    b"hvc" => PSCI_HVC,
                    _ => PSCI_NONE,
                };
            }
            _ => {}
        }
    });
    keep(
        &uart,
        node.0.get(..node.1).unwrap_or_default(),
        &mut found.pl011,
    );
    found
}

/// Calls `visit` for every property; ends at the first thing that is no tree.
fn walk(tree: &[u8], visit: &mut impl FnMut(&Property<'_>)) -> Option<()> {
    let mut at = word(tree, STRUCTURE)? as usize;
    let strings = word(tree, STRINGS)? as usize;
    let mut path = [0; PATH];
    // lengths of the path, and address cells that a node gives its children
    let mut lengths = [0_usize; DEPTH];
    let mut cells = [2_u32; DEPTH];
    // children have addresses of the CPUs
    let mut mapped = [false; DEPTH];
    let mut depth = 0_usize;
    while at < tree.len() {
        let token = word(tree, at)?;
        at += 4;
        match token {
            BEGIN_NODE => {
                let name = before(tree.get(at..)?, 0);
                at = (at + name.len() + 4) & !3;
                let parent = match depth {
                    0 => 0,
                    _ => *lengths.get(depth - 1)?,
                };
                let length = match depth {
                    0 => 0,
                    _ => {
                        *path.get_mut(parent)? = b'/';
                        copy(path.get_mut(parent + 1..parent + 1 + name.len())?, name);
                        parent + 1 + name.len()
                    }
                };
                *lengths.get_mut(depth)? = length;
                *cells.get_mut(depth)? = 2;
                *mapped.get_mut(depth)? = depth == 0;
                depth += 1;
            }
            END_NODE => depth = depth.checked_sub(1)?,
            PROPERTY => {
                let length = word(tree, at)? as usize;
                let name = strings.checked_add(word(tree, at + 4)? as usize)?;
                let name = before(tree.get(name..)?, 0);
                at += 8;
                let value = tree.get(at..at.checked_add(length)?)?;
                at = (at + length + 3) & !3;
                let here = depth.checked_sub(1)?;
                if name == b"#address-cells" {
                    *cells.get_mut(here)? = word(value, 0)?;
                }
                let above = |list: &[bool]| here.checked_sub(1).and_then(|p| list.get(p).copied());
                if name == b"ranges" && value.is_empty() {
                    *mapped.get_mut(here)? = above(&mapped).unwrap_or(true);
                }
                visit(&Property {
                    path: path.get(..*lengths.get(here)?)?,
                    cells: here
                        .checked_sub(1)
                        .and_then(|p| cells.get(p).copied())
                        .unwrap_or(2),
                    mapped: above(&mapped).unwrap_or(true),
                    name,
                    value,
                });
            }
            NOP => {}
            _ => return Some(()),
        }
    }
    None
}

/// Returns `part`, which is a part of the tree, with the tree's lifetime.
fn position<'t>(tree: &'t [u8], part: &[u8]) -> &'t [u8] {
    let from = (part.as_ptr() as usize).wrapping_sub(tree.as_ptr() as usize);
    tree.get(from..from.wrapping_add(part.len()))
        .unwrap_or_default()
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(
        bytes
            .iter()
            .fold(0, |word, byte| word << 8 | u32::from(*byte)),
    )
}

/// Returns what stands before the first `end`, or a NUL.
fn before(text: &[u8], end: u8) -> &[u8] {
    let ends = |byte: &u8| *byte == end || *byte == 0;
    let length = text.iter().position(ends).unwrap_or(text.len());
    text.get(..length).unwrap_or_default()
}

fn has_string(list: &[u8], wanted: &[u8]) -> bool {
    list.split(|byte| *byte == 0).any(|text| text == wanted)
}

/// Returns the first address of `reg`.
fn address(reg: &[u8], cells: u32) -> Option<u64> {
    match cells {
        1 => word(reg, 0).map(u64::from),
        2 => Some(u64::from(word(reg, 0)?) << 32 | u64::from(word(reg, 4)?)),
        _ => None,
    }
}

fn copy(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

#[cfg(test)]
mod tests;
