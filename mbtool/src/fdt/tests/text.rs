//! Trees as text, and their differences.

use super::{cells, node, range, virt};
use crate::fdt::{DeviceTree, LinuxChosen, TreeDiff};

#[test]
fn values_are_strings_cells_or_bytes() {
    let mut tree = DeviceTree {
        root: node(
            "",
            &[
                ("text", b"say \"a\\b\"\0"),
                ("list", b"one\0two\0"),
                ("cells", &cells([0, 0x1000_0000])),
                ("present", b""),
                ("bytes", &[1, 2, 0xff]),
                // no strings: nothing between the NULs, or not printable
                ("zeros", &[0; 4]),
                ("gap", b"ab\0\0"),
                ("escape", b"\x1b[2\0"),
                ("no-end", b"text"),
            ],
            &[node("a@1", &[("reg", &cells([1]))], &[])],
        ),
        reservations: vec![range(0x8000_0000, 0x8002_0000)],
        boot_cpu: 2,
    };
    tree.root.child_or_new("a@1").child_or_new("x{};\"");
    let expected = r#"/dts-v1/;

/memreserve/ 0x80000000 0x20000;
// boot CPU 0x2
/ {
	text = "say \"a\\b\"";
	list = "one", "two";
	cells = <0x0 0x10000000>;
	present;
	bytes = [01 02 ff];
	zeros = <0x0>;
	gap = <0x61620000>;
	escape = <0x1b5b3200>;
	no-end = <0x74657874>;
	a@1 {
		reg = <0x1>;
		x\x7b\x7d\x3b\x22 {
		};
	};
};
"#;
    assert_eq!(tree.to_string(), expected);
}

#[test]
fn what_a_linux_gets_differs_by_its_boot_parameters() {
    let old = virt();
    let same = old.clone();
    let diff = |old, new| TreeDiff { old, new }.to_string();
    assert_eq!(diff(&old, &same), "");
    let mut new = virt();
    let boot = LinuxChosen {
        bootargs: "quiet",
        usable: &[range(0xa000_0000, 0xb000_0000)],
        ..LinuxChosen::default()
    };
    new.for_linux(&boot).unwrap();
    new.reservations.push(range(0x1000, 0x2000));
    new.boot_cpu = 1;
    new.root
        .child_or_new("soc")
        .child_or_new("new@1")
        .set("reg", cells([1]));
    new.root.children.retain(|node| node.name != "aliases");
    // order does not count
    new.root.children.reverse();
    let expected = r#"+/memreserve/ 0x1000 0x1000;
-// boot CPU 0x0
+// boot CPU 0x1
/:
-aliases {
-	serial0 = "/soc/serial@10000000";
-};
/soc:
+new@1 {
+	reg = <0x1>;
+};
/chosen:
-bootargs = "console=ttyS0";
+bootargs = "quiet";
-linux,initrd-start = <0x0 0x88200000>;
-linux,initrd-end = <0x0 0x89000123>;
-rng-seed = <0x7070707 0x7070707 0x7070707 0x7070707 0x7070707 0x7070707 0x7070707 0x7070707>;
-kaslr-seed = <0x1 0x2>;
+linux,usable-memory-range = <0x0 0xa0000000 0x0 0x10000000>;
+linux,booted-from-kexec;
"#;
    assert_eq!(diff(&old, &new), expected);
}

#[test]
fn nodes_and_properties_of_one_name_are_compared_by_number() {
    let twice = |values: [u8; 2]| {
        let mut tree = DeviceTree::default();
        for value in values {
            tree.root.children.push(node("n", &[("x", &[value])], &[]));
        }
        tree
    };
    let (old, new) = (twice([1, 2]), twice([1, 3]));
    let diff = TreeDiff {
        old: &old,
        new: &new,
    };
    assert_eq!(diff.to_string(), "/n:\n-x = [02];\n+x = [03];\n");
}
