//! Ownership of destinations, and changes of it.

use super::*;

#[test]
fn memory_that_became_free_since_the_plan_is_refused() {
    let dom0 = Dom0::new(FakeHost::default());
    dom0.fake
        .set_owned(vec![range(OWNED + 0x1000, OWNED + MIB)]);
    refused!(
        load_at(&dom0.xen(), OWNED),
        XenError::Unsafe { list } if *list == [range(OWNED, OWNED + 0x2000)]
    );
    assert!(!dom0.fake.kexec_commands().contains(&LOAD));
    assert_eq!(dom0.record().default.loaded, None);
}

#[test]
fn memory_that_becomes_free_during_the_load_marks_the_image_permanently() {
    let dom0 = Dom0::new(FakeHost {
        owned_after_load: Some(vec![range(OWNED + 0x1000, OWNED + MIB)]),
        ..FakeHost::default()
    });
    refused!(load_at(&dom0.xen(), OWNED), XenError::Damaged { .. });
    // it can never be unloaded, replaced or executed
    assert!(dom0.fake.image(ImageKind::Default).is_some());
    refused!(dom0.xen().to_run(), XenError::NotToRun { .. });
    refused!(
        load_at(&dom0.xen(), OWNED),
        XenError::NotToFree { unload: false, .. }
    );
    refused!(
        dom0.xen().ready(false),
        BackendError::Xen(XenError::NotToFree { unload: false, .. })
    );
    refused!(
        dom0.xen().unload(IMAGE),
        BackendError::Xen(XenError::NotToFree { unload: true, .. })
    );
    assert!(!dom0.fake.kexec_commands().contains(&UNLOAD));
    // except with --force
    assert!(dom0.xen().unload(FORCE).unwrap());
    assert_eq!(dom0.fake.image(ImageKind::Default), None);
}

#[test]
fn a_destination_that_was_never_safe_is_run_but_not_freed() {
    let dom0 = Dom0::new(FakeHost::default());
    load_at(&dom0.xen(), FREE).unwrap();
    assert_eq!(dom0.fake.image(ImageKind::Default).unwrap().lost.len(), 2);
    let ready = dom0.xen().to_run().unwrap();
    let exposed = ready.loaded.exposed.unwrap();
    assert!(exposed.contains("0x70000000"));
    refused!(
        dom0.xen().unload(IMAGE),
        BackendError::Xen(XenError::NotToFree { why, unload: true }) if *why == exposed
    );
    assert!(load_at(&dom0.xen(), OWNED).is_err());
    assert_eq!(dom0.fake.panicked(), None);
    // the fake panics too: the risk is real
    dom0.xen().unload(FORCE).unwrap();
    assert!(dom0.fake.panicked().is_some());
}

#[test]
fn an_image_with_unknown_ownership_after_the_load_is_not_trusted() {
    let dom0 = Dom0::new(FakeHost {
        owned_after_load: Some(vec![]),
        ..FakeHost::default()
    });
    refused!(load_at(&dom0.xen(), OWNED), XenError::Damaged { .. });
    assert!(dom0.record().default.loaded.unwrap().damaged.is_some());
}
