use super::*;
use crate::backend::{Choice, LoadDestination};
use crate::plan::KernelSegment;
use crate::sys::testing::put;
use fixtures::*;
pub(crate) use fixtures::{Dom0, load_at};
use handoff::addr::MIB;
use std::cell::Cell;
use xen_shim::hypercall::testing::{FakeHost, FakeXen};
use xen_shim::hypercall::{Errno, HypercallError, LoadProblem, Meaning};

mod fixtures;
mod others;
mod owned;

#[test]
fn a_plan_is_passed_to_xen_unchanged() {
    let dom0 = Dom0::new(FakeHost::default());
    assert!(dom0.xen().ready(false).unwrap().is_empty());
    let done = load_at(&dom0.xen(), OWNED).unwrap();
    assert_eq!((done.segments, done.bytes), (2, 5000));
    let loaded = |replaced| LoadDestination::Xen {
        version: Some("4.17.7-fake".to_owned()),
        crash: false,
        replaced,
    };
    assert_eq!(done.destination, loaded(false));
    let image = dom0.fake.image(ImageKind::Default).unwrap();
    assert_eq!((image.entry, image.arch), (OWNED + 0x10, 62));
    assert_eq!(image.segments[0], (None, range(0, 0x1000)));
    assert_eq!(
        image.segments[1],
        (Some(vec![7; 5000]), range(OWNED, OWNED + 0x2000))
    );
    assert!(image.lost.is_empty());

    let slot = dom0.record().default;
    assert_eq!(slot.status, Some(true));
    let loaded = slot.loaded.unwrap();
    assert_eq!(loaded.image, "vmlinuz");
    assert_eq!((loaded.damaged, loaded.exposed), (None, None));
    assert_eq!(loaded.segments[1].range(), range(OWNED, OWNED + 0x2000));
    assert_eq!(
        (loaded.segments[0].bytes, loaded.segments[1].bytes),
        (0, 5000)
    );
}

#[test]
fn load_replace_unload_load_does_not_crash_the_host() {
    let dom0 = Dom0::new(FakeHost::default());
    load_at(&dom0.xen(), OWNED).unwrap();
    load_at(&dom0.xen(), OWNED + 0x10_0000).unwrap();
    assert!(dom0.xen().unload(IMAGE).unwrap());
    assert_eq!(dom0.fake.image(ImageKind::Default), None);
    assert_eq!(dom0.record().default.loaded, None);
    // Xen's status is 1 now, and no image is loaded
    assert_eq!(dom0.record().default.status, Some(true));
    assert!(!dom0.xen().unload(IMAGE).unwrap());
    load_at(&dom0.xen(), OWNED).unwrap();
    assert!(dom0.fake.image(ImageKind::Default).is_some());
    assert_eq!(dom0.fake.panicked(), None);
    let loads = |command| {
        let all = dom0.fake.kexec_commands();
        all.iter().filter(|c| **c == command).count()
    };
    assert_eq!((loads(LOAD), loads(UNLOAD)), (3, 1));
}

#[test]
fn a_domain_without_kexec_is_refused_without_a_hypercall() {
    for (guest, capabilities, expected) in [
        ("PVH", "control_d\n", Hypervisor::XenPvhDom0),
        ("PV", "\n", Hypervisor::XenPvGuest),
        ("HVM", "\n", Hypervisor::XenHvmGuest),
    ] {
        let dom0 = Dom0::new(FakeHost::default());
        put(dom0.root(), "sys/hypervisor/guest_type", guest);
        put(dom0.root(), "proc/xen/capabilities", capabilities);
        refused!(
            load_at(&dom0.xen(), OWNED),
            XenError::NotDom0 { hypervisor } if *hypervisor == expected
        );
        refused!(
            dom0.xen().ready(true),
            BackendError::Xen(XenError::NotDom0 { hypervisor }) if *hypervisor == expected
        );
        assert!(dom0.xen().unload(FORCE).is_err());
        assert!(dom0.fake.calls().is_empty());
    }
    let dom0 = Dom0::new(FakeHost::default());
    put(dom0.root(), "proc/self/status", "CapEff:\t0\n");
    refused!(load_at(&dom0.xen(), OWNED), XenError::NotRoot);
    assert!(dom0.fake.calls().is_empty());
    // kexec compiled out of Xen
    let dom0 = Dom0::new(FakeHost {
        no_kexec: true,
        ..FakeHost::default()
    });
    refused!(
        dom0.xen().ready(false),
        BackendError::Xen(XenError::Hypercall(HypercallError::Call {
            meaning: Meaning::AsForLoad(LoadProblem::NoKexec),
            ..
        }))
    );
}

#[test]
fn the_linux_backend_never_loads_inside_xen() {
    let dom0 = Dom0::new(FakeHost::default());
    let linux = crate::backend::select(&Choice::Linux, dom0.root());
    let hypervisor = Hypervisor::XenPvDom0;
    refused!(
        linux.ready(false),
        BackendError::XenGuest { hypervisor: found } if *found == hypervisor
    );
    refused!(
        linux.unload(CRASH),
        BackendError::XenGuest { hypervisor: found } if *found == hypervisor
    );
    let xen = crate::backend::select(&Choice::Auto, dom0.root());
    assert_eq!(xen.name(), "xen");
}

#[test]
fn a_heap_that_is_too_small_is_reported_without_a_hypercall() {
    let dom0 = Dom0::new(FakeHost {
        free_pages: 100,
        ..FakeHost::default()
    });
    refused!(
        load_at(&dom0.xen(), OWNED),
        XenError::Heap { free: 0x6_4000, .. }
    );
    assert!(!dom0.fake.kexec_commands().contains(&LOAD));
    // the crash image is not kept in the heap
    load_crash(&dom0.xen(), AREA, 5000).unwrap();
}

#[test]
fn errors_of_xen_are_explained_and_not_recorded() {
    for (errno, expected) in [
        (Errno::ENOMEM, LoadProblem::NoMemory),
        (Errno::EPERM, LoadProblem::NotAllowed),
        (Errno::EBUSY, LoadProblem::Busy),
        (Errno::EFAULT, LoadProblem::Fault),
    ] {
        let dom0 = Dom0::new(FakeHost::default());
        dom0.fake.fail_next(KEXEC, LOAD, errno);
        refused!(
            load_at(&dom0.xen(), OWNED),
            XenError::Hypercall(HypercallError::Load { problem, .. }) if *problem == expected
        );
        assert_eq!(dom0.record().default, record::RecordedSlot::default());
    }
}

#[test]
fn an_invalid_list_is_not_passed_to_xen() {
    let dom0 = Dom0::new(FakeHost::default());
    let list: Vec<_> = (0..16).map(|n| segment(OWNED + n * 0x2000, 1, 1)).collect();
    refused!(
        dom0.xen().load_segments("x", OWNED, &list, false, &safe()),
        XenError::Segments(SegmentListError::TooMany { count: 16 })
    );
    assert!(!dom0.fake.kexec_commands().contains(&LOAD));
}

#[test]
fn a_crash_image_stays_in_the_area_and_can_be_replaced() {
    let dom0 = Dom0::new(FakeHost::default());
    load_crash(&dom0.xen(), AREA, 5000).unwrap();
    refused!(
        load_crash(&dom0.xen(), OWNED, 5000),
        XenError::Segments(SegmentListError::OutsideCrashArea { .. })
    );
    // over the pages that hold Xen's page list of the first image
    let list = [segment(256 * MIB, 64, 64 << 12)];
    dom0.xen()
        .load_segments("crash", 256 * MIB, &list, true, &[])
        .unwrap();
    assert_eq!(dom0.fake.panicked(), None);
    assert_eq!(dom0.record().crash.loaded.unwrap().image, "crash");

    dom0.fake.fail_next(KEXEC, LOAD, Errno::ENOMEM);
    refused!(
        load_crash(&dom0.xen(), AREA, 5000),
        XenError::CrashImageLost { .. }
    );
    assert_eq!(dom0.record().crash.loaded, None);
    assert!(!dom0.xen().unload(CRASH).unwrap());

    let dom0 = Dom0::new(FakeHost {
        crash: range(0, 0),
        ..FakeHost::default()
    });
    refused!(
        dom0.xen().ready(true),
        BackendError::Xen(XenError::NoCrashArea)
    );
    refused!(load_crash(&dom0.xen(), AREA, 5000), XenError::NoCrashArea);
}

#[test]
fn the_balloon_frees_memory_before_a_load_and_is_restored_by_unload() {
    let dom0 = Dom0::new(FakeHost {
        free_pages: 20 * MIB / 4096,
        ..FakeHost::default()
    });
    assert_eq!(dom0.xen().free_memory(10 * MIB).unwrap(), None);
    // the fake's heap does not grow: refused, and restored
    let xen = dom0.xen();
    refused!(
        xen.free_memory(50 * MIB),
        BackendError::Xen(XenError::HeapTooSmall {
            why: NoBalloon::Stalled,
            ..
        })
    );
    assert_eq!(dom0.waited.get(), 100);
    assert_eq!(dom0.target(), "1048576");
    assert_eq!(xen.give_back_memory(), None);

    // memory was freed, but the load fails: restored
    let balloon = Balloon::of(dom0.root(), 1_048_576, 1_000_000);
    put(
        dom0.root(),
        "sys/devices/system/xen_memory/xen_memory0/target_kb",
        "1000000",
    );
    *xen.balloon.borrow_mut() = Some(balloon.clone());
    dom0.fake.fail_next(KEXEC, LOAD, Errno::ENOMEM);
    load_at(&xen, OWNED).unwrap_err();
    assert!(xen.give_back_memory().is_some());
    assert_eq!(dom0.target(), "1048576");

    // the load succeeds: kept until the unload
    put(
        dom0.root(),
        "sys/devices/system/xen_memory/xen_memory0/target_kb",
        "1000000",
    );
    *xen.balloon.borrow_mut() = Some(balloon);
    load_at(&xen, OWNED).unwrap();
    assert_eq!(xen.give_back_memory(), None);
    assert_eq!(dom0.record().balloon_kib, Some(1_048_576));
    // a crash image does not affect the balloon
    load_crash(&dom0.xen(), AREA, 5000).unwrap();
    dom0.xen().unload(CRASH).unwrap();
    assert_eq!(dom0.target(), "1000000");
    dom0.xen().unload(IMAGE).unwrap();
    assert_eq!(dom0.target(), "1048576");
    assert_eq!(dom0.record().balloon_kib, None);
}

#[test]
fn an_image_that_cannot_be_recorded_is_not_loaded() {
    let dom0 = Dom0::new(FakeHost::default());
    put(dom0.root(), "run", "no directory");
    refused!(
        load_at(&dom0.xen(), OWNED),
        XenError::Record { path, .. } if path.ends_with("xen.json")
    );
    assert!(!dom0.fake.kexec_commands().contains(&LOAD));
}

#[test]
fn the_image_is_started_by_the_hypercall() {
    let dom0 = Dom0::new(FakeHost::default());
    refused!(
        dom0.xen().to_run(),
        XenError::NotLoaded {
            others: false,
            crash: false
        }
    );
    load_crash(&dom0.xen(), AREA, 5000).unwrap();
    refused!(
        dom0.xen().to_run(),
        XenError::NotLoaded {
            others: false,
            crash: true
        }
    );
    load_at(&dom0.xen(), OWNED).unwrap();
    let ready = dom0.xen().to_run().unwrap();
    // the fake returns, the real hypercall would not
    let err = ready.exec();
    assert!(
        matches!(err, XenError::Hypercall(HypercallError::Nonsense { .. })),
        "{err:?}"
    );
    assert_eq!(dom0.fake.started(), Some(ImageKind::Default));
}

#[test]
fn status_has_the_record_and_xens_status() {
    let dom0 = Dom0::new(FakeHost::default());
    let read =
        |problems: &mut Vec<String>| status::XenKexec::read_by(dom0.root(), dom0.open(), problems);
    let mut problems = vec![];
    let state = read(&mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(state.version.as_deref(), Some("4.17.7-fake"));
    assert_eq!(state.heap_free, Some(200 * MIB));
    assert_eq!(state.crash_area, Some(range(256 * MIB, 512 * MIB).into()));
    assert_eq!(state.image, Some(FakeHost::default().image.into()));
    assert_eq!(state.default.is_loaded(), Some(false));

    load_at(&dom0.xen(), OWNED).unwrap();
    let state = read(&mut problems);
    assert_eq!(state.default.is_loaded(), Some(true));
    assert_eq!(state.crash.is_loaded(), Some(false));
    let time = state.default.loaded.as_ref().unwrap().time;
    for (later, age) in [(5, "5 s"), (600, "10 min"), (7200, "2 h")] {
        let text = state.default.describe(time + later);
        assert!(text.contains("vmlinuz") && text.contains(age), "{text}");
    }
    let json = serde_json::to_value(&state).unwrap();
    assert_eq!(json["default"]["loaded"]["entry"], OWNED + 0x10);
    assert_eq!(json["default"]["xen_status"], true);

    Kexec::new(&*dom0.fake).unload(ImageKind::Default).unwrap();
    let state = read(&mut problems);
    assert_eq!(state.default.is_loaded(), None);

    // a Xen that does not answer
    put(dom0.root(), "proc/self/status", "CapEff:\t0\n");
    let state = read(&mut problems);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(state.heap_free, None);
    assert_eq!(state.default.is_loaded(), Some(true), "by our word alone");
    assert_eq!(state.crash.is_loaded(), None);
}
