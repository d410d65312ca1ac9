//! The console of a tree.

use super::{at, cells, node, virt};
use crate::fdt::{DeviceTree, DtUart, DtValueProblem, UartModel};

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
