//! Ownership of destinations, and changes of it.

use super::*;

#[test]
fn memory_that_became_free_since_the_plan_is_refused() {
    let dom0 = Dom0::new(FakeHost::default());
    dom0.fake
        .set_owned(vec![range(OWNED + 0x1000, OWNED + MIB)]);
    let err = text(load_at(&dom0.xen(), OWNED));
    assert!(
        err.contains("belong to no domain any more") && err.contains("plans anew"),
        "{err}"
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
    let err = text(load_at(&dom0.xen(), OWNED));
    for part in ["must not be executed", "could panic", "`reboot`"] {
        assert!(err.contains(part), "{part}: {err}");
    }
    // it can never be unloaded, replaced or executed
    assert!(dom0.fake.image(ImageKind::Default).is_some());
    let err = text(dom0.xen().to_run());
    assert!(err.contains("must not be executed"), "{err}");
    let err = text(load_at(&dom0.xen(), OWNED));
    assert!(err.contains("must not be unloaded or replaced"), "{err}");
    let err = dom0.xen().ready(false).unwrap_err().to_string();
    assert!(!err.contains("--force"), "{err}");
    let err = dom0.xen().unload(IMAGE).unwrap_err().to_string();
    assert!(err.contains("mbtool unload --force"), "{err}");
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
    assert!(ready.loaded.exposed.unwrap().contains("0x70000000"));
    let err = dom0.xen().unload(IMAGE).unwrap_err().to_string();
    assert!(err.contains("free memory of Xen's heap"), "{err}");
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
    let err = text(load_at(&dom0.xen(), OWNED));
    assert!(err.contains("returned from a domain"), "{err}");
    assert!(dom0.record().default.loaded.unwrap().damaged.is_some());
}
