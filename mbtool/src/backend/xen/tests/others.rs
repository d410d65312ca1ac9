//! Images of other programs.

use super::*;
use xen_shim::hypercall::{Arch, LoadImage, XenSegment};

#[test]
fn an_image_of_another_program_is_named_before_it_is_replaced() {
    let dom0 = Dom0::new(FakeHost::default());
    let page = [7; 16];
    let segments = [XenSegment::new(&page, range(FREE, FREE + 0x1000))];
    let others = LoadImage {
        kind: ImageKind::Default,
        arch: Arch::I386,
        entry: FREE,
        segments: &segments,
    };
    Kexec::new(&*dom0.fake).load(&others).unwrap();
    let warnings = dom0.xen().ready(false).unwrap();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(dom0.xen().ready(true).unwrap().is_empty());
    refused!(
        dom0.xen().unload(IMAGE),
        BackendError::Xen(XenError::Foreign)
    );
    refused!(
        dom0.xen().to_run(),
        XenError::NotLoaded {
            others: true,
            crash: false
        }
    );
    assert!(!dom0.fake.kexec_commands().contains(&UNLOAD));
    dom0.xen().unload(FORCE).unwrap();
    assert!(dom0.fake.panicked().is_some());
}

#[test]
fn a_change_by_another_program_is_detected() {
    let dom0 = Dom0::new(FakeHost::default());
    load_at(&dom0.xen(), OWNED).unwrap();
    dom0.xen().to_run().unwrap();
    Kexec::new(&*dom0.fake).unload(ImageKind::Default).unwrap();
    refused!(
        dom0.xen().to_run(),
        XenError::Replaced { image } if image == "vmlinuz"
    );
    assert!(dom0.xen().unload(IMAGE).is_err());
    assert_eq!(dom0.xen().ready(false).unwrap().len(), 1);
    load_at(&dom0.xen(), OWNED).unwrap();
    dom0.xen().to_run().unwrap();
}

#[test]
fn a_crash_image_of_another_program_is_unloaded_without_force() {
    let dom0 = Dom0::new(FakeHost::default());
    let page = [7; 16];
    let segments = [XenSegment::new(&page, range(AREA, AREA + 0x1000))];
    let others = LoadImage {
        kind: ImageKind::Crash,
        arch: Arch::X86_64,
        entry: AREA,
        segments: &segments,
    };
    // loaded as by kexec-tools: without an unload before
    Kexec::new(&*dom0.fake)
        .load_numbers(&others, 1, 62)
        .unwrap();
    assert!(dom0.xen().unload(CRASH).unwrap());
    assert_eq!(dom0.fake.image(ImageKind::Crash), None);
}
