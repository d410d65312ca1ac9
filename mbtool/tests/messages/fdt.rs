//! Errors about device trees.

use super::{messages, range};
use handoff::addr::MIB;
use mbtool::fdt::{DtValueError, DtValueProblem, FdtError, NAME_MAX, SIZE_MAX};
use mbtool::image::linux::{DtImageError, ZImageError};
use mbtool::plan::place::dt::{DtPlaceError, TREE_MAX};

#[test]
fn blobs() {
    let node = || "/soc/serial@10000000".to_owned();
    messages!(FdtError {
        Short: [FdtError::Short {
            len: 12,
            header: 40
        }],
        Magic: [FdtError::Magic { found: 0x1f8b_0800 }],
        Version: [FdtError::Version {
            version: 3,
            last_compatible: 1
        }],
        TotalSize: [FdtError::TotalSize {
            found: 0x2000,
            len: 0x1800,
            header: 40
        }],
        TooLarge: [FdtError::TooLarge {
            size: SIZE_MAX + 1,
            max: SIZE_MAX
        }],
        Block: [FdtError::Block {
            block: "strings",
            offset: 0x1f00,
            size: 0x200,
            total: 0x2000
        }],
        ReservationsEnd: [FdtError::ReservationsEnd {
            offset: 0x28,
            total: 0x2000
        }],
        Reservation: [FdtError::Reservation {
            offset: 0x38,
            address: u64::MAX,
            size: 2
        }],
        Cut: [FdtError::Cut {
            node: node(),
            part: "a property",
            offset: 0x1ef0,
            end: 0x1f00
        }],
        Token: [FdtError::Token {
            node: "/".to_owned(),
            offset: 0x38,
            found: 9,
            expected: "1 (the root node)"
        }],
        PropertyAfterChild: [FdtError::PropertyAfterChild {
            node: node(),
            property: "reg".to_owned(),
            offset: 0x100
        }],
        NameOffset: [FdtError::NameOffset {
            node: node(),
            offset: 0x100,
            found: 0x300,
            strings: 0x200
        }],
        Name: [FdtError::Name {
            node: node(),
            what: "property",
            offset: 0x100,
            name: "a\\x1b[2J".to_owned(),
            max: NAME_MAX
        }],
        Depth: [FdtError::Depth {
            node: "/a/b/c".to_owned(),
            offset: 0x100,
            max: 64
        }],
    });
}

#[test]
fn values() {
    messages!(DtValueProblem, no fix {
        Missing: [DtValueProblem::Missing],
        Size: [DtValueProblem::Size { found: 3, expected: "4 or 8" }],
        Entries: [DtValueProblem::Entries {
            found: 12,
            entry: 16,
            cells: "2 cells, 2 cells".to_owned()
        }],
        Cells: [DtValueProblem::Cells { found: 3, max: 2 }],
        NoText: [DtValueProblem::NoText { value: "\"ttyS0\"".to_owned() }],
        Overflow: [DtValueProblem::Overflow { address: u64::MAX, size: 2 }],
        TooWide: [DtValueProblem::TooWide {
            value: 1 << 32,
            of: "#address-cells",
            cells: 1
        }],
        NoNode: [DtValueProblem::NoNode { target: "\"serial9\"".to_owned() }],
        Untranslated: [DtValueProblem::Untranslated {
            address: 0x200,
            bus: "/soc/bus@1000".to_owned()
        }],
        Number: [DtValueProblem::Number { found: 3, expected: "1, 2 or 4" }],
        UnlikeRoot: [DtValueProblem::UnlikeRoot { found: 1, expected: 2 }],
    });
    let error = DtValueError {
        node: "/memory@80000000".to_owned(),
        property: "reg".to_owned(),
        problem: DtValueProblem::Missing,
    };
    let text = "device tree: /memory@80000000: reg is missing";
    assert_eq!(error.to_string(), text);
}

#[test]
fn images() {
    messages!(DtImageError {
        NoHeader: [DtImageError::NoHeader { found: *b"\x7fELF" }],
        Version: [DtImageError::Version { version: 0x1_0000 }],
        BigEndian: [DtImageError::BigEndian { flags: 1 }],
        NoSize: [DtImageError::NoSize],
        TooSmall: [DtImageError::TooSmall {
            image_size: 0x1000,
            file_size: 0x1db_9400
        }],
        Offset: [DtImageError::Offset {
            found: 0x1000,
            align: 0x20_0000,
            max: 0x800_0000
        }],
    });
    messages!(ZImageError {
        Truncated: [ZImageError::Truncated {
            len: 0x1000,
            end: 0x5c_b200
        }],
        BigEndian: [ZImageError::BigEndian { found: 0x0102_0304 }],
        Size: [ZImageError::Size {
            kernel: 0x4000_0000,
            end: 0x4020_8000
        }],
    });
}

#[test]
fn places() {
    let free = vec![
        range(0xa000_0000, 0xa400_0000),
        range(0xb000_0000, 0xb100_0000),
    ];
    messages!(DtPlaceError {
        TreeTooLarge: [DtPlaceError::TreeTooLarge {
            len: TREE_MAX + 1,
            max: TREE_MAX
        }],
        Part: [
            DtPlaceError::Part {
                name: "initrd",
                len: 102_381_140,
                align: 0x1000,
                floor: 0,
                ceiling: u64::MAX,
                largest: Some(free[0]),
                free: free.clone()
            },
            DtPlaceError::Part {
                name: "kernel",
                len: 30 * MIB,
                align: 2 * MIB,
                floor: 0xa000_0000,
                ceiling: 0xb000_0000,
                largest: None,
                free: vec![]
            },
        ],
        Together: [DtPlaceError::Together {
            parts: vec![("kernel", 30 * MIB), ("initrd", 60 * MIB)],
            total: 90 * MIB,
            largest: Some(free[0]),
            free
        }],
    });
}
