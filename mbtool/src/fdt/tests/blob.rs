//! Blobs that are good: read, written, and compared with another reader.

use super::{Raw, range, virt};
use crate::abi::fdt::NOP;
use crate::fdt::{DeviceTree, DtNode, DtProperty};
use dtoolkit::fdt::{Fdt, FdtNode};
use dtoolkit::{Node, Property};
use handoff::addr::PhysRange;
use proptest::prelude::*;

/// The tree as the crate dtoolkit reads it.
fn other_reader(blob: &[u8]) -> DeviceTree {
    fn node(from: FdtNode<'_>) -> DtNode {
        DtNode {
            name: from.name().to_owned(),
            properties: from
                .properties()
                .map(|property| DtProperty {
                    name: property.name().to_owned(),
                    value: property.value().to_vec(),
                })
                .collect(),
            children: from.children().map(node).collect(),
        }
    }
    let fdt = Fdt::new(blob).unwrap();
    let reservations = fdt.memory_reservations();
    DeviceTree {
        root: node(fdt.root()),
        reservations: reservations
            .map(|one| PhysRange::from_len(one.address(), one.size()).unwrap())
            .collect(),
        boot_cpu: fdt.boot_cpuid_phys(),
    }
}

#[test]
fn a_machines_tree_survives() {
    let mut tree = virt();
    tree.boot_cpu = 3;
    tree.reservations = vec![range(0x8000_0000, 0x8002_0000)];
    let blob = tree.write().unwrap();
    assert_eq!(DeviceTree::read(&blob).unwrap(), tree);
    assert_eq!(other_reader(&blob), tree);
    // in a larger file
    let padded = [&blob[..], &[0; 100]].concat();
    assert_eq!(DeviceTree::read(&padded).unwrap(), tree);
}

#[test]
fn an_empty_tree_is_one() {
    let blob = DeviceTree::default().write().unwrap();
    assert_eq!(DeviceTree::read(&blob).unwrap(), DeviceTree::default());
    assert_eq!(other_reader(&blob), DeviceTree::default());
}

#[test]
fn what_means_nothing_is_skipped() {
    let mut raw = Raw::new()
        .token(NOP)
        .begin("")
        .token(NOP)
        .property(4, b"okay\0")
        .token(NOP)
        .begin("a")
        .end(1);
    // the end of the tree becomes nothing: more of it follows
    let end = raw.structure.len() - 4;
    raw.structure.truncate(end);
    let mut raw = raw
        .token(NOP)
        .begin("b")
        .token(2)
        .token(2)
        .token(NOP)
        .token(9)
        .token(77);
    raw.reservations = vec![0x1000, 0, 0x2000, 0x1000, 0, 0, 5, 5];
    let tree = DeviceTree::read(&raw.blob()).unwrap();
    let mut root = DtNode::new("");
    root.set_string("status", "okay");
    root.children = vec![DtNode::new("a"), DtNode::new("b")];
    assert_eq!(tree.root, root);
    assert_eq!(tree.reservations, [range(0x2000, 0x3000)]);
    let again = DeviceTree::read(&tree.write().unwrap()).unwrap();
    assert_eq!(again, tree);
}

#[test]
fn a_header_of_version_16_has_no_size_of_the_structure() {
    let mut raw = Raw::new().begin("").property(0, &[1, 2, 3]).end(1);
    raw.header[5] = 16;
    let mut blob = raw.blob();
    blob[36..40].copy_from_slice(&u32::MAX.to_be_bytes());
    let tree = DeviceTree::read(&blob).unwrap();
    assert_eq!(tree.root.property("reg"), Some(&[1, 2, 3][..]));
}

#[test]
fn blocks_may_come_in_any_order_and_share_bytes() {
    // strings before the structure, at an offset that is no multiple of 4
    let good = Raw::new().begin("").property(4, b"okay\0").end(1);
    let mut blob = good.blob();
    let strings = blob.len();
    blob.extend(b"zstatus\0");
    let total = u32::try_from(blob.len()).unwrap();
    blob[4..8].copy_from_slice(&total.to_be_bytes());
    blob[12..16].copy_from_slice(&u32::try_from(strings - 3).unwrap().to_be_bytes());
    blob[32..36].copy_from_slice(&11_u32.to_be_bytes());
    let tree = DeviceTree::read(&blob).unwrap();
    assert_eq!(tree.root.property("status"), Some(&b"okay\0"[..]));
}

#[test]
fn names_longer_than_the_specifications_are_kept() {
    let mut tree = DeviceTree::default();
    let long = "a_label_that_is_longer_than_the_31_characters_of_a_name";
    tree.root
        .child_or_new("__symbols__")
        .set_string(long, "/soc");
    tree.root.child_or_new(long).set("x", []);
    let blob = tree.write().unwrap();
    assert_eq!(DeviceTree::read(&blob).unwrap(), tree);
}

#[test]
fn properties_are_set_in_place_and_removed() {
    let mut node = DtNode::new("n");
    for name in ["a", "b", "a"] {
        node.properties.push(DtProperty {
            name: name.to_owned(),
            value: vec![1],
        });
    }
    node.set("a", [2]);
    assert_eq!(node.property("a"), Some(&[2][..]));
    assert_eq!(node.properties.len(), 3);
    assert!(node.remove("a") && !node.remove("a"));
    assert_eq!(node.properties.len(), 1);
    assert!(!node.has("a") && node.has("b"));
}

#[test]
fn nodes_are_found_by_path_and_alias() {
    let tree = virt();
    for path in [
        "/soc/serial@10000000",
        "/soc/serial",
        "serial0",
        "//soc//serial",
    ] {
        let found = tree.resolve(path).unwrap();
        assert_eq!(found.to_string(), "/soc/serial@10000000", "{path}");
    }
    assert_eq!(tree.find("/").unwrap().to_string(), "/");
    assert_eq!(tree.by_phandle(2).unwrap().to_string(), "/cpus/cpu@1");
    // two of them
    for path in [
        "/cpus/cpu",
        "/cpus/cpu@",
        "soc",
        "serial1",
        "/soc/serial@1",
        "",
    ] {
        assert!(tree.resolve(path).is_none(), "{path}");
    }
    assert!(tree.by_phandle(9).is_none());
}

fn any_name() -> impl Strategy<Value = String> {
    "[a-zA-Z][a-zA-Z0-9,._+-]{0,9}(@[0-9a-f]{1,6})?"
}

fn any_node() -> impl Strategy<Value = DtNode> {
    let property = (
        "[a-z#?][a-z0-9,._+?#-]{0,9}",
        proptest::collection::vec(any::<u8>(), 0..9),
    );
    let properties = proptest::collection::btree_map(property.0, property.1, 0..4);
    let leaf = (any_name(), properties).prop_map(|(name, properties)| DtNode {
        name,
        properties: properties
            .into_iter()
            .map(|(name, value)| DtProperty { name, value })
            .collect(),
        children: Vec::new(),
    });
    let leaf = leaf.boxed();
    leaf.clone().prop_recursive(5, 40, 4, move |inner| {
        let children = proptest::collection::vec(inner, 0..4);
        (leaf.clone(), children).prop_map(|(node, children)| DtNode { children, ..node })
    })
}

fn any_tree() -> impl Strategy<Value = DeviceTree> {
    let reservation = (any::<u32>(), 1..u32::MAX);
    let reservations = proptest::collection::vec(reservation, 0..4);
    (any_node(), reservations, any::<u32>()).prop_map(|(root, reservations, boot_cpu)| DeviceTree {
        root: DtNode {
            name: String::new(),
            ..root
        },
        reservations: reservations
            .into_iter()
            .map(|(start, len)| PhysRange::from_len(start.into(), len.into()).unwrap())
            .collect(),
        boot_cpu,
    })
}

proptest! {
    #[test]
    fn a_tree_that_is_written_is_read_the_same(tree in any_tree()) {
        let blob = tree.write().unwrap();
        prop_assert_eq!(&DeviceTree::read(&blob).unwrap(), &tree);
        prop_assert_eq!(other_reader(&blob), tree);
    }

    #[test]
    fn damaged_blobs_are_refused_or_make_a_tree(
        tree in any_tree(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        keep in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let mut blob = tree.write().unwrap();
        for (at, byte) in damage {
            let at = at.index(blob.len());
            blob[at] = byte;
        }
        if cut {
            blob.truncate(keep.index(blob.len()));
        }
        if let Ok(tree) = DeviceTree::read(&blob) {
            // facts of it do not panic either
            let _ = (tree.memory(), tree.reserved(), tree.dynamic_reservations());
            let _ = (tree.cpus(), tree.timebase(), tree.stdout(), tree.platform());
            prop_assert_eq!(DeviceTree::read(&tree.write().unwrap()).unwrap(), tree);
        }
    }
}
