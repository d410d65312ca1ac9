use super::super::testing::{FakeHost, FakeXen, load_cases};
use super::super::{Arch, LoadProblem, Meaning, XenMachine, XenSegment};
use super::*;
use crate::fix::Fix;
use handoff::addr::MIB;

fn range(start: u64, end: u64) -> PhysRange {
    PhysRange { start, end }
}

/// The first byte of the fake's crash area.
const AREA: u64 = 256 * MIB;

/// An image of one segment in the crash area.
fn load(kexec: &Kexec<'_>, kind: ImageKind, data: &[u8], start: u64) -> Result<(), HypercallError> {
    let dest = range(start, start + 4 * MIB);
    kexec.load(&LoadImage {
        kind,
        arch: Arch::X86_64,
        entry: start,
        segments: &[XenSegment::new(data, dest)],
    })
}

#[test]
fn every_row_of_the_table() {
    let xen = FakeXen::default();
    let kexec = Kexec::new(&xen);
    let area = kexec.range(KexecRange::Crash).unwrap();
    let cases = load_cases(area);
    assert!(cases.len() > 50);
    for case in cases {
        let answer = case.run(&kexec).err();
        let errno = answer.as_ref().map(|error| error.errno().unwrap());
        assert_eq!(errno, case.expected, "{}: {answer:?}", case.name);
        // every refusal has an explanation
        if let Some(HypercallError::Load { problem, .. }) = answer {
            assert_ne!(problem, LoadProblem::Unknown, "{}", case.name);
        }
    }
    assert_eq!(xen.panicked(), None);
    let heap = XenMachine::new(&xen).free_heap().unwrap();
    assert_eq!(heap, Some(200 * MIB), "all of it has come back");
}

#[test]
fn each_refusal_names_its_rule() {
    let page = |n: u64| range(0x1100_0000 + n * 0x1000, 0x1100_1000 + n * 0x1000);
    let area = range(AREA, 2 * AREA);
    let halves = range(0x1100_0800, 0x1100_1800);
    for (name, errno, expected) in [
        (
            "default-16-segments",
            Errno::EINVAL,
            LoadProblem::TooManySegments(16),
        ),
        (
            "crash-start-in-page",
            Errno::EADDRNOTAVAIL,
            LoadProblem::Unaligned(0, halves),
        ),
        (
            "default-mapped-overlaps-mapped",
            Errno::EINVAL,
            LoadProblem::Overlap(0, 1, range(0x1100_0000, 0x1100_4000)),
        ),
        (
            "default-too-much-data",
            Errno::EINVAL,
            LoadProblem::TooMuchData {
                segment: 0,
                data: 0x1001,
                dest: page(0),
            },
        ),
        (
            "crash-neither-data-nor-size",
            Errno::ENOMEM,
            LoadProblem::Empty(0, range(page(0).start, page(0).start)),
        ),
        ("default-arch-arm", Errno::EINVAL, LoadProblem::Arch(40)),
        ("live-update", Errno::EINVAL, LoadProblem::Kind(2)),
        (
            "crash-entry-outside",
            Errno::EADDRNOTAVAIL,
            LoadProblem::EntryOutside {
                entry: 0x2000_1000,
                area,
            },
        ),
        (
            "crash-data-to-mmio",
            Errno::EADDRNOTAVAIL,
            LoadProblem::DataOutside {
                segment: 0,
                dest: range(0xfee0_0000, 0xfee0_1000),
                area,
            },
        ),
        (
            "crash-area-full",
            Errno::ENOMEM,
            LoadProblem::CrashAreaFull(area),
        ),
    ] {
        let xen = FakeXen::default();
        let cases = load_cases(area);
        let case = cases.iter().find(|case| case.name == name).expect(name);
        let error = case.run(&Kexec::new(&xen)).unwrap_err();
        let expected = HypercallError::Load {
            errno,
            problem: expected,
        };
        assert_eq!(error, expected, "{name}");
    }
}

fn problem(error: HypercallError) -> LoadProblem {
    match error {
        HypercallError::Load { problem, .. } => problem,
        other => panic!("{other}"),
    }
}

fn meaning(error: HypercallError) -> Meaning {
    match error {
        HypercallError::Call { meaning, .. } => meaning,
        other => panic!("{other}"),
    }
}

#[test]
fn errors_without_a_violated_rule_are_explained() {
    let refused = |errno| {
        let xen = FakeXen::default();
        xen.fail_next(op::KEXEC, kexec_cmd::LOAD, errno);
        let error = load(&Kexec::new(&xen), ImageKind::Default, &[1], AREA).unwrap_err();
        assert_eq!(error.errno(), Some(errno));
        assert_eq!(xen.image(ImageKind::Default), None);
        problem(error)
    };
    for (errno, expected) in [
        (Errno::ENOMEM, LoadProblem::NoMemory),
        (Errno::EFAULT, LoadProblem::Fault),
        (Errno::ENOSYS, LoadProblem::NoKexec),
        (Errno::EPERM, LoadProblem::NotAllowed),
        (Errno::EBUSY, LoadProblem::Busy),
        (Errno::EIO, LoadProblem::Unknown),
    ] {
        assert_eq!(refused(errno), expected, "{errno}");
    }
    let none = FakeHost {
        crash: range(0, 0),
        ..FakeHost::default()
    };
    let xen = FakeXen::new(none);
    let error = load(&Kexec::new(&xen), ImageKind::Crash, &[1], AREA).unwrap_err();
    assert_eq!(problem(error), LoadProblem::NoCrashArea);
    let small = FakeHost {
        free_pages: 100,
        ..FakeHost::default()
    };
    let xen = FakeXen::new(small);
    let error = load(
        &Kexec::new(&xen),
        ImageKind::Default,
        &[1; MIB as usize],
        AREA,
    )
    .unwrap_err();
    assert_eq!(error.errno(), Some(Errno::ENOMEM));
}

#[test]
fn an_image_is_passed_unchanged() {
    let xen = FakeXen::default();
    let kexec = Kexec::new(&xen);
    let low = range(0, 0x1000);
    let place = range(AREA + MIB, AREA + 2 * MIB);
    kexec
        .load(&LoadImage {
            kind: ImageKind::Default,
            arch: Arch::I386,
            entry: place.start + 0x10,
            segments: &[
                XenSegment::new(&[], low),
                XenSegment::new(b"handoff", place),
            ],
        })
        .unwrap();
    let image = xen.image(ImageKind::Default).unwrap();
    assert_eq!((image.entry, image.arch), (place.start + 0x10, 3));
    let expected = [(None, low), (Some(b"handoff".to_vec()), place)];
    assert_eq!(image.segments, expected);
    assert_eq!(xen.image(ImageKind::Crash), None);
    kexec.unload(ImageKind::Default).unwrap();
    assert_eq!(xen.image(ImageKind::Default), None);
}

#[test]
fn a_crash_image_is_unloaded_before_the_next_is_copied_over_it() {
    let words = vec![8; 4 * MIB as usize];
    // as Xen does
    let replace = |by_load: bool| {
        let xen = FakeXen::default();
        let kexec = Kexec::new(&xen);
        load(&kexec, ImageKind::Crash, &words, AREA + 16 * MIB).unwrap();
        if by_load {
            load(&kexec, ImageKind::Crash, &words, AREA).unwrap();
        } else {
            let dest = range(AREA, AREA + 4 * MIB);
            let image = LoadImage {
                kind: ImageKind::Crash,
                arch: Arch::X86_64,
                entry: AREA,
                segments: &[XenSegment::new(&words, dest)],
            };
            kexec.load_numbers(&image, 1, 62).unwrap();
        }
        xen.panicked()
    };
    assert!(replace(false).unwrap().contains("list"));
    assert_eq!(replace(true), None);

    // an image that violates a rule does not remove the previous one
    let xen = FakeXen::default();
    let kexec = Kexec::new(&xen);
    load(&kexec, ImageKind::Crash, &[1], AREA).unwrap();
    load(&kexec, ImageKind::Crash, &[1], AREA + 1).unwrap_err();
    assert!(xen.image(ImageKind::Crash).is_some());
}

#[test]
fn freeing_an_image_over_free_memory_panics_the_host() {
    for (start, safe) in [(1024 * MIB, true), (1600 * MIB, false)] {
        let xen = FakeXen::default();
        let kexec = Kexec::new(&xen);
        load(&kexec, ImageKind::Default, &[1], start).unwrap();
        let lost = xen.image(ImageKind::Default).unwrap().lost;
        assert_eq!(lost.is_empty(), safe);
        kexec.unload(ImageKind::Default).unwrap();
        assert_eq!(xen.panicked().is_none(), safe);
    }
}

#[test]
fn status_is_the_slot_only() {
    let xen = FakeXen::default();
    let kexec = Kexec::new(&xen);
    let mut seen = vec![kexec.status(ImageKind::Default).unwrap()];
    for loads in [true, true, false, false] {
        if loads {
            load(&kexec, ImageKind::Default, &[1], AREA).unwrap();
        } else {
            kexec.unload(ImageKind::Default).unwrap();
        }
        seen.push(kexec.status(ImageKind::Default).unwrap());
    }
    assert_eq!(seen, [false, true, false, true, false]);
    assert!(!kexec.status(ImageKind::Crash).unwrap());
}

#[test]
fn ranges_are_read() {
    let xen = FakeXen::default();
    let kexec = Kexec::new(&xen);
    assert_eq!(kexec.range(KexecRange::Crash), Ok(range(AREA, 2 * AREA)));
    let image = FakeHost::default().image;
    assert_eq!(kexec.range(KexecRange::Xen), Ok(image));
    assert_eq!(kexec.range(KexecRange::Cpu(0)).unwrap().len(), 0x1f4);
    assert_eq!(kexec.range(KexecRange::Cpu(1)).unwrap().len(), 0x194);
    assert_eq!(kexec.range(KexecRange::Vmcoreinfo).unwrap().len(), 0x1000);
    let error = kexec.range(KexecRange::Cpu(2)).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::ERANGE));
    assert_eq!(meaning(error), Meaning::NoSuchCpu(2));

    let xen = FakeXen::new(FakeHost {
        crash: range(0, 0),
        ..FakeHost::default()
    });
    let kexec = Kexec::new(&xen);
    assert!(kexec.range(KexecRange::Crash).unwrap().is_empty());
    let error = kexec.range(KexecRange::Cpu(0)).unwrap_err();
    assert_eq!(meaning(error), Meaning::NoCpuNotes);
    xen.fail_next(op::KEXEC, kexec_cmd::GET_RANGE, Errno::EINVAL);
    let error = kexec.range(KexecRange::Xen).unwrap_err();
    assert_eq!(meaning(error), Meaning::UnknownRange);
}

#[test]
fn failed_calls_have_a_reason() {
    let xen = FakeXen::default();
    let kexec = Kexec::new(&xen);
    let error = kexec.exec(ImageKind::Crash);
    assert_eq!(meaning(error), Meaning::NotLoaded(ImageKind::Crash));
    xen.fail_next(op::KEXEC, kexec_cmd::UNLOAD, Errno::EBUSY);
    let error = kexec.unload(ImageKind::Default).unwrap_err();
    assert_eq!(meaning(error), Meaning::AsForLoad(LoadProblem::Busy));
    load(&kexec, ImageKind::Default, &[1], AREA).unwrap();
    let error = kexec.exec(ImageKind::Default);
    assert!(matches!(error, HypercallError::Nonsense { .. }), "{error}");
    assert_eq!(xen.started(), Some(ImageKind::Default));

    let xen = FakeXen::new(FakeHost {
        no_kexec: true,
        ..FakeHost::default()
    });
    let kexec = Kexec::new(&xen);
    let errors = [
        kexec.range(KexecRange::Xen).unwrap_err(),
        kexec.status(ImageKind::Crash).unwrap_err(),
        kexec.unload(ImageKind::Crash).unwrap_err(),
        kexec.exec(ImageKind::Crash),
        load(&kexec, ImageKind::Crash, &[1], AREA).unwrap_err(),
        load(&kexec, ImageKind::Default, &[1], AREA).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.errno(), Some(Errno::ENOSYS));
        assert_eq!(error.fix(), LoadProblem::NoKexec.fix());
    }
}
