//! Blobs that are refused.

use super::Raw;
use crate::abi::fdt::{BEGIN_NODE, END, END_NODE, MAGIC, PROP};
use crate::fdt::{DEPTH_MAX, DeviceTree, DtNode, FdtError, NAME_MAX, SIZE_MAX};

fn refused(blob: &[u8]) -> FdtError {
    DeviceTree::read(blob).unwrap_err()
}

fn good() -> Raw {
    Raw::new().begin("").begin("a@1").property(0, &[9]).end(2)
}

#[test]
fn the_base_of_these_tests_is_good() {
    let tree = DeviceTree::read(&good().blob()).unwrap();
    assert_eq!(tree.root.children[0].property("reg"), Some(&[9][..]));
}

#[test]
fn other_files() {
    assert_eq!(refused(&[]), FdtError::Short { len: 0, header: 40 });
    let blob = good().blob();
    assert_eq!(
        refused(&blob[..39]),
        FdtError::Short {
            len: 39,
            header: 40
        }
    );
    let mut swapped = blob.clone();
    swapped[..4].reverse();
    let found = MAGIC.swap_bytes();
    assert_eq!(refused(&swapped), FdtError::Magic { found });
    for (version, last_compatible) in [(15, 15), (1, 0), (18, 18)] {
        let mut raw = good();
        (raw.header[5], raw.header[6]) = (version, last_compatible);
        let expected = FdtError::Version {
            version,
            last_compatible,
        };
        assert_eq!(refused(&raw.blob()), expected);
    }
    // a later version that says that it can be read
    let mut raw = good();
    raw.header[5] = 99;
    assert!(DeviceTree::read(&raw.blob()).is_ok());
}

#[test]
fn sizes_and_offsets_outside_of_the_file() {
    let blob = good().blob();
    let len = blob.len();
    let with = |field: usize, value: u32| {
        let mut blob = blob.clone();
        blob[field * 4..field * 4 + 4].copy_from_slice(&value.to_be_bytes());
        blob
    };
    let total = u32::try_from(len).unwrap();
    for found in [0, 39, total + 1, u32::MAX] {
        let expected = FdtError::TotalSize {
            found,
            len,
            header: 40,
        };
        assert_eq!(refused(&with(1, found)), expected);
    }
    let structure = total - 56 - 11;
    for (block, field, offset, size) in [
        ("structure", 2, total, structure),
        ("structure", 2, u32::MAX, structure),
        ("structure", 9, 56, u32::MAX),
        ("structure", 9, 56, total - 55),
        ("strings", 3, total - 10, 11),
        ("strings", 8, total - 11, u32::MAX),
    ] {
        let value = if field < 8 { offset } else { size };
        let expected = FdtError::Block {
            block,
            offset,
            size,
            total,
        };
        assert_eq!(refused(&with(field, value)), expected);
    }
    for offset in [total, total - 15, u32::MAX] {
        let expected = FdtError::ReservationsEnd { offset, total };
        assert_eq!(refused(&with(4, offset)), expected);
    }
    let mut raw = good();
    raw.reservations = vec![0x1000, 0x1000, u64::MAX, 2, 0, 0];
    let expected = FdtError::Reservation {
        offset: 56,
        address: u64::MAX,
        size: 2,
    };
    assert_eq!(refused(&raw.blob()), expected);
    let mut large = blob.clone();
    large.resize(SIZE_MAX + 1, 0);
    let size = u32::try_from(large.len()).unwrap();
    large[4..8].copy_from_slice(&size.to_be_bytes());
    let size = large.len();
    assert_eq!(
        refused(&large),
        FdtError::TooLarge {
            size,
            max: SIZE_MAX
        }
    );
}

#[test]
fn the_structure_ends_early() {
    let raw = good();
    let start = raw.start();
    // "" at 0, "a@1" at 8, reg at 16, two ends, the end
    for (len, node, part, offset) in [
        (0, "/", "a token", 0),
        (4, "/", "the name of a node", 0),
        (8, "/", "a token", 8),
        (15, "/", "the name of a node", 8),
        (16, "/a@1", "a token", 16),
        (24, "/a@1", "a property", 16),
        (28, "/a@1", "a property", 16),
        (32, "/a@1", "a token", 32),
        (36, "/", "a token", 36),
        (40, "/", "a token", 40),
        (43, "/", "a token", 40),
    ] {
        let mut raw = raw.clone();
        raw.structure.truncate(len);
        let expected = FdtError::Cut {
            node: node.to_owned(),
            part,
            offset: start + offset,
            end: start + len,
        };
        assert_eq!(refused(&raw.blob()), expected, "{len}");
    }
    let mut raw = Raw::new()
        .begin("")
        .token(PROP)
        .token(u32::MAX)
        .token(0)
        .end(1);
    raw.strings = b"reg\0".to_vec();
    assert!(matches!(
        refused(&raw.blob()),
        FdtError::Cut {
            part: "a property",
            ..
        }
    ));
}

#[test]
fn tokens_in_the_wrong_place() {
    let start = Raw::new().start();
    let inside = "1 (node), 2 (end of node), 3 (property) or 4 (nothing)";
    let root = "1 (the root node)";
    let after = "9 (end of the tree), as the root node has ended";
    for (raw, node, offset, found, expected) in [
        (Raw::new().token(END), "/", 0, END, root),
        (Raw::new().token(END_NODE), "/", 0, END_NODE, root),
        (Raw::new().property(0, &[]), "/", 0, PROP, root),
        (Raw::new().begin("").token(END), "/", 8, END, inside),
        (
            Raw::new().begin("").begin("b").token(0),
            "/b",
            16,
            0,
            inside,
        ),
        (Raw::new().begin("").end(2), "/", 12, END_NODE, after),
        (
            Raw::new().begin("").token(END_NODE).begin(""),
            "/",
            12,
            BEGIN_NODE,
            after,
        ),
    ] {
        let expected = FdtError::Token {
            node: node.to_owned(),
            offset: start + offset,
            found,
            expected,
        };
        assert_eq!(refused(&raw.token(END).blob()), expected);
    }
    let late = Raw::new()
        .begin("")
        .begin("a")
        .token(END_NODE)
        .property(4, b"okay\0")
        .end(1);
    let expected = FdtError::PropertyAfterChild {
        node: "/".to_owned(),
        property: "status".to_owned(),
        offset: start + 20,
    };
    assert_eq!(refused(&late.blob()), expected);
}

#[test]
fn names() {
    let start = Raw::new().start();
    let bad = |what, offset: usize, name: &str| FdtError::Name {
        node: "/".to_owned(),
        what,
        offset: start + offset,
        name: name.to_owned(),
        max: NAME_MAX,
    };
    for (name, shown) in [
        ("", ""),
        ("a/b", "a/b"),
        ("a b", "a b"),
        ("\u{e4}\n", "\\xc3\\xa4\\n"),
    ] {
        let raw = Raw::new().begin("").begin(name).end(2);
        assert_eq!(refused(&raw.blob()), bad("node", 8, shown));
    }
    let long = "n".repeat(NAME_MAX + 1);
    let raw = Raw::new().begin("").begin(&long).end(2);
    let shown = format!("{}...", "n".repeat(40));
    assert_eq!(refused(&raw.blob()), bad("node", 8, &shown));
    // the root's name can be a slash, of old compilers
    let raw = Raw::new().begin("/").end(1);
    assert_eq!(
        DeviceTree::read(&raw.blob()).unwrap(),
        DeviceTree::default()
    );

    for (strings, nameoff, expected) in [
        (&b"\0"[..], 0, bad("property", 8, "")),
        (b"a\x1b[2J\0", 0, bad("property", 8, "a\\x1b[2J")),
        // no end
        (b"status", 2, bad("property", 8, "atus")),
        (
            b"status\0",
            7,
            FdtError::NameOffset {
                node: "/".to_owned(),
                offset: start + 8,
                found: 7,
                strings: 7,
            },
        ),
        (
            b"status\0",
            u32::MAX,
            FdtError::NameOffset {
                node: "/".to_owned(),
                offset: start + 8,
                found: u32::MAX,
                strings: 7,
            },
        ),
    ] {
        let mut raw = Raw::new().begin("").property(nameoff, &[]).end(1);
        raw.strings = strings.to_vec();
        assert_eq!(refused(&raw.blob()), expected);
    }
}

/// As many nodes, names and levels as fit in a blob. A reader that reads anything twice, or that calls itself for each
/// level, does not end here in time, or at all.
#[test]
fn large_trees() {
    let mut raw = Raw::new();
    for _ in 0..DEPTH_MAX + 1 {
        raw = raw.begin("");
        let at = raw.structure.len() - 4;
        raw.structure[at] = if at == 4 { 0 } else { b'd' };
    }
    let offset = raw.start() + DEPTH_MAX * 8;
    let node = format!("/{}", vec!["d"; DEPTH_MAX - 1].join("/"));
    let expected = FdtError::Depth {
        node,
        offset,
        max: DEPTH_MAX,
    };
    assert_eq!(refused(&raw.blob()), expected);

    // long names that overlap
    let mut raw = Raw::new().begin("");
    raw.strings = [&b"s".repeat(2000)[..], &[0]].concat();
    for at in 0..200_000 {
        raw = raw.property(2000 - 255 + at % 255, &[]);
    }
    let tree = DeviceTree::read(&raw.end(1).blob()).unwrap();
    assert_eq!(tree.root.properties.len(), 200_000);

    let mut raw = Raw::new().begin("");
    for _ in 0..200_000 {
        raw = raw.begin("abc").token(END_NODE);
    }
    let tree = DeviceTree::read(&raw.end(1).blob()).unwrap();
    assert_eq!(tree.root.children.len(), 200_000);
    assert_eq!(DeviceTree::read(&tree.write().unwrap()).unwrap(), tree);
}

#[test]
fn trees_that_have_no_blob() {
    let mut tree = DeviceTree::default();
    tree.root.child_or_new("a/b");
    assert!(matches!(
        tree.write().unwrap_err(),
        FdtError::Name { what: "node", .. }
    ));
    let mut tree = DeviceTree::default();
    tree.root.child_or_new("a").set("x\0", []);
    assert!(matches!(
        tree.write().unwrap_err(),
        FdtError::Name { what: "property", node, .. } if node == "/a"
    ));
    let mut tree = DeviceTree::default();
    for _ in 0..DEPTH_MAX {
        let below = std::mem::replace(&mut tree.root, DtNode::new("d"));
        tree.root.children.push(below);
    }
    assert!(matches!(tree.write().unwrap_err(), FdtError::Depth { .. }));
    let mut tree = DeviceTree::default();
    tree.root.set("x", vec![0; SIZE_MAX]);
    assert!(matches!(
        tree.write().unwrap_err(),
        FdtError::TooLarge { .. }
    ));
}
