//! The tree that a Linux gets.

use super::{cells, range, virt};
use crate::fdt::{ChosenChanges, DeviceTree, DtValueError, DtValueProblem, LinuxChosen, Seeds};

/// The value of a property of `/chosen`.
fn chosen<'a>(tree: &'a DeviceTree, name: &str) -> Option<&'a [u8]> {
    tree.root.child("chosen").unwrap().property(name)
}

#[test]
fn a_normal_kernel() {
    let mut tree = virt();
    let before = tree.clone();
    let changes = tree
        .for_linux(&LinuxChosen {
            bootargs: "root=/dev/vda1",
            initrd: Some(range(0x8420_0000, 0x8420_1001)),
            ..LinuxChosen::default()
        })
        .unwrap();
    assert_eq!(chosen(&tree, "bootargs"), Some(&b"root=/dev/vda1\0"[..]));
    assert_eq!(
        chosen(&tree, "linux,initrd-start"),
        Some(&cells([0, 0x8420_0000])[..])
    );
    assert_eq!(
        chosen(&tree, "linux,initrd-end"),
        Some(&cells([0, 0x8420_1001])[..])
    );
    assert_eq!(chosen(&tree, "linux,booted-from-kexec"), Some(&[][..]));
    // random bytes are used once
    let expected = ChosenChanges {
        properties: vec!["kaslr-seed", "rng-seed"],
        nodes: vec![],
        reservations: vec![],
    };
    assert_eq!(changes, expected);
    assert!(chosen(&tree, "kaslr-seed").is_none() && chosen(&tree, "rng-seed").is_none());
    assert_eq!(chosen(&tree, "stdout-path"), chosen(&before, "stdout-path"));
    // nothing else changes
    let others = |tree: &DeviceTree| {
        let mut root = tree.root.clone();
        root.children.retain(|node| node.name != "chosen");
        root
    };
    assert_eq!(others(&tree), others(&before));
}

#[test]
fn a_crash_kernel_and_the_kernel_after_it() {
    let mut tree = virt();
    let (initrd, header) = (
        range(0xa820_0000, 0xae3a_3874),
        range(0xbfff_e000, 0xbfff_e400),
    );
    let region = range(0xa000_0000, 0xc000_0000);
    let crash = LinuxChosen {
        initrd: Some(initrd),
        elfcorehdr: Some(header),
        usable: &[region],
        ..LinuxChosen::default()
    };
    tree.for_linux(&crash).unwrap();
    assert_eq!(
        chosen(&tree, "linux,elfcorehdr"),
        Some(&cells([0, 0xbfff_e000, 0, 0x400])[..])
    );
    assert_eq!(
        chosen(&tree, "linux,usable-memory-range"),
        Some(&cells([0, 0xa000_0000, 0, 0x2000_0000])[..])
    );
    assert_eq!(chosen(&tree, "bootargs"), Some(&b"\0"[..]));

    // as its tree reads when it loads the next kernel
    tree.reservations = vec![
        range(0xbfff_e000, 0xbfff_f000),
        initrd,
        range(0x8000_0000, 0x8002_0000),
        range(0xbff0_0000, 0xbff0_3000),
    ];
    let changes = tree
        .for_linux(&LinuxChosen {
            stale: &[range(0xbff0_0000, 0xbff0_2f10)],
            ..LinuxChosen::default()
        })
        .unwrap();
    assert_eq!(tree.reservations, [range(0x8000_0000, 0x8002_0000)]);
    assert_eq!(
        changes.properties,
        [
            "linux,initrd-start",
            "linux,initrd-end",
            "linux,elfcorehdr",
            "linux,usable-memory-range",
        ]
    );
    assert_eq!(
        changes.reservations,
        [
            range(0xbfff_e000, 0xbfff_f000),
            initrd,
            range(0xbff0_0000, 0xbff0_3000),
        ]
    );
    assert!(chosen(&tree, "linux,elfcorehdr").is_none());
}

#[test]
fn a_reservation_that_only_overlaps_the_old_initrd_stays() {
    let mut tree = virt();
    let kept = vec![
        range(0x8820_0000, 0x8820_1000),
        range(0x8820_0000, 0x8900_2000),
        range(0x8800_0000, 0x8900_0123),
    ];
    tree.reservations.clone_from(&kept);
    tree.reservations.push(range(0x8820_0000, 0x8900_1000));
    tree.for_linux(&LinuxChosen::default()).unwrap();
    assert_eq!(tree.reservations, kept);
}

#[test]
fn new_random_bytes_replace_old_ones() {
    let mut tree = virt();
    let seeds = Seeds {
        kaslr: 0x0102_0304_0506_0708,
        rng: [9; 64],
    };
    let changes = tree
        .for_linux(&LinuxChosen {
            seeds: Some(seeds),
            ..LinuxChosen::default()
        })
        .unwrap();
    assert_eq!(
        chosen(&tree, "kaslr-seed"),
        Some(&[1, 2, 3, 4, 5, 6, 7, 8][..])
    );
    assert_eq!(chosen(&tree, "rng-seed"), Some(&[9; 64][..]));
    assert_eq!(
        changes.properties,
        ["linux,initrd-start", "linux,initrd-end"]
    );
}

#[test]
fn values_have_the_cells_of_the_root() {
    let crash = LinuxChosen {
        usable: &[range(0x8000_0000, 0x1_0000_0000), range(0x1000, 0x2000)],
        ..LinuxChosen::default()
    };
    let usable = "linux,usable-memory-range";
    let mut tree = virt();
    tree.root.set("#address-cells", cells([1]));
    tree.root.set("#size-cells", cells([1]));
    tree.for_linux(&crash).unwrap();
    let expected = cells([0x8000_0000, 0x8000_0000, 0x1000, 0x1000]);
    assert_eq!(chosen(&tree, usable), Some(&expected[..]));

    let error = |tree: &mut DeviceTree, range| {
        let before = tree.clone();
        let error = tree.for_linux(&LinuxChosen {
            elfcorehdr: Some(range),
            ..crash
        });
        assert_eq!(*tree, before);
        error.unwrap_err()
    };
    let expected = DtValueError {
        node: "/chosen".to_owned(),
        property: "linux,elfcorehdr".to_owned(),
        problem: DtValueProblem::TooWide {
            value: 0x1_0000_0000,
            of: "#address-cells",
            cells: 1,
        },
    };
    let high = range(0x1_0000_0000, 0x1_0000_1000);
    assert_eq!(error(&mut tree, high), expected);
    tree.root.set("#address-cells", cells([3]));
    let problem = error(&mut tree, high).problem;
    assert_eq!(problem, DtValueProblem::Cells { found: 3, max: 2 });
    tree.root.remove("#size-cells");
    assert_eq!(error(&mut tree, high).problem, DtValueProblem::Missing);
    // no address is written
    tree.for_linux(&LinuxChosen::default()).unwrap();
}

#[test]
fn a_tree_without_chosen_gets_one() {
    let mut tree = DeviceTree::default();
    let boot = LinuxChosen {
        bootargs: "quiet",
        ..LinuxChosen::default()
    };
    tree.for_linux(&boot).unwrap();
    assert_eq!(chosen(&tree, "bootargs"), Some(&b"quiet\0"[..]));
    let hidden = LinuxChosen {
        bootargs: "a\0b",
        ..LinuxChosen::default()
    };
    let error = tree.for_linux(&hidden).unwrap_err();
    let value = "\"a\\x00b\"".to_owned();
    assert_eq!(error.problem, DtValueProblem::NoText { value });
    assert_eq!(chosen(&tree, "bootargs"), Some(&b"quiet\0"[..]));
}
