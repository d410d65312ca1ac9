//! The tree for Xen.

use crate::fdt::testing::virt;
use crate::fdt::{DeviceTree, DtValueProblem, XenChosen};
use handoff::addr::PhysRange;
use xen_shim::arm::ArmModule;

#[test]
fn an_error_leaves_the_tree_as_it_was() {
    let before = virt();
    let range = PhysRange::from_len(0x4000_0000, 0x1000).unwrap();
    let modules = [(ArmModule::Kernel, range)];
    let boot = XenChosen {
        modules: &modules,
        ..XenChosen::default()
    };
    let failed = |boot: &XenChosen<'_>, tree: &DeviceTree| {
        let mut changed = tree.clone();
        let error = changed.for_xen(boot).unwrap_err();
        assert_eq!(&changed, tree);
        error
    };
    for boot in [
        XenChosen {
            bootargs: "a\0b",
            ..boot
        },
        XenChosen {
            dom0_bootargs: "\0",
            ..boot
        },
    ] {
        let error = failed(&boot, &before);
        assert!(matches!(error.problem, DtValueProblem::NoText { .. }));
    }
    // memory above what the root's cells can express
    let mut narrow = before.clone();
    narrow.root.set("#address-cells", 1_u32.to_be_bytes());
    let high = [PhysRange::from_len(1 << 32, 0x1000).unwrap()];
    let boot = XenChosen {
        memory: Some(&high),
        ..boot
    };
    let error = failed(&boot, &narrow);
    assert!(matches!(error.problem, DtValueProblem::TooWide { .. }));
}

#[test]
fn a_tree_without_chosen_gets_one_and_a_second_boot_is_the_same() {
    let mut tree = virt();
    tree.root.children.retain(|node| node.name != "chosen");
    let range = PhysRange::from_len(0x4000_0000, 0x1234).unwrap();
    let modules = [(ArmModule::Kernel, range)];
    let boot = XenChosen {
        bootargs: "console=dtuart",
        dom0_bootargs: "console=hvc0",
        modules: &modules,
        ..XenChosen::default()
    };
    let changes = tree.for_xen(&boot).unwrap();
    assert_eq!(changes, Default::default());
    let once = tree.clone();
    let changes = tree.for_xen(&boot).unwrap();
    assert_eq!(
        (tree, changes.nodes),
        (once, vec!["module@40000000".to_owned()])
    );
}
