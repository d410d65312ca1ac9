use super::*;
use crate::sys::testing::put;
use handoff::addr::PhysRange;
use std::cell::RefCell;

/// Entry, destinations and flags of one call.
type Seen = (u64, Vec<(u64, u64, usize)>, u64);

/// A kernel with a fixed answer, and a change of sysfs before it.
struct Fake<'a> {
    answer: Result<(), i32>,
    seen: &'a RefCell<Vec<Seen>>,
    effect: &'a dyn Fn(),
}

impl LoadCall for Fake<'_> {
    fn kexec_load(
        &self,
        entry: u64,
        segments: &[KernelSegment],
        flags: KexecFlags,
    ) -> Result<(), i32> {
        let list = segments
            .iter()
            .map(|s| (s.dest.start, s.dest.len(), s.data.len()))
            .collect();
        self.seen.borrow_mut().push((entry, list, flags.bits()));
        (self.effect)();
        self.answer
    }
}

const CRASH: Unload = Unload {
    crash: true,
    force: false,
};

fn list() -> Vec<KernelSegment> {
    let dest = PhysRange {
        start: 0x20_0000,
        end: 0x20_2000,
    };
    vec![KernelSegment {
        dest,
        data: vec![1; 5000].into(),
        names: vec!["xen".into()],
    }]
}

fn willing(root: &Path) {
    put(root, "sys/kernel/kexec_loaded", "0\n");
    put(root, "sys/kernel/kexec_crash_loaded", "1\n");
    put(root, "sys/kernel/kexec_crash_size", "268435456\n");
}

#[test]
fn a_plan_is_passed_to_the_kernel_unchanged() {
    let root = tempfile::tempdir().unwrap();
    willing(root.path());
    let seen = RefCell::default();
    let call = Fake {
        answer: Ok(()),
        seen: &seen,
        effect: &|| (),
    };
    let linux = Linux::with_call(root.path(), call);
    let done = linux.load_segments(0x20_0010, &list(), false).unwrap();
    assert_eq!((done.segments, done.bytes), (1, 5000));
    let loaded = |crash, replaced| LoadDestination::Linux { crash, replaced };
    assert_eq!(done.destination, loaded(false, false));
    let done = linux.load_segments(0x20_0010, &list(), true).unwrap();
    assert_eq!(done.destination, loaded(true, true));
    let list = vec![(0x20_0000, 0x2000, 5000)];
    assert_eq!(
        seen.take(),
        [
            (0x20_0010, list.clone(), 0x3e_0000),
            (0x20_0010, list, 0x3e_0001)
        ]
    );
}

#[test]
fn a_load_that_cannot_succeed_is_not_attempted() {
    let root = tempfile::tempdir().unwrap();
    willing(root.path());
    put(root.path(), "sys/hypervisor/type", "xen\n");
    put(root.path(), "proc/xen/capabilities", "control_d\n");
    let seen = RefCell::default();
    let call = Fake {
        answer: Ok(()),
        seen: &seen,
        effect: &|| (),
    };
    let linux = Linux::with_call(root.path(), call);
    let err = linux.load_segments(0x20_0010, &list(), true).unwrap_err();
    assert!(matches!(err, BackendError::XenGuest { .. }), "{err}");
    assert!(matches!(
        linux.unload(CRASH),
        Err(BackendError::XenGuest { .. })
    ));
    assert!(seen.borrow().is_empty());
}

#[test]
fn a_lost_crash_image_is_reported() {
    let root = tempfile::tempdir().unwrap();
    willing(root.path());
    let seen = RefCell::default();
    let freed = || put(root.path(), "sys/kernel/kexec_crash_loaded", "0\n");
    let call = Fake {
        answer: Err(libc::ENOMEM),
        seen: &seen,
        effect: &freed,
    };
    let linux = Linux::with_call(root.path(), call);
    let err = linux.load_segments(0x20_0010, &list(), true).unwrap_err();
    assert!(
        matches!(&err, BackendError::CrashImageLost { cause }
            if matches!(**cause, BackendError::NoMemory { crash: true })),
        "{err}"
    );
    // no previous image to lose
    let err = linux.load_segments(0x20_0010, &list(), true).unwrap_err();
    assert!(
        matches!(err, BackendError::NoMemory { crash: true }),
        "{err}"
    );
    let err = linux.load_segments(0x20_0010, &list(), false).unwrap_err();
    assert!(
        matches!(err, BackendError::NoMemory { crash: false }),
        "{err}"
    );
}

#[test]
fn a_load_for_which_memory_is_missing_is_not_tried() {
    let root = tempfile::tempdir().unwrap();
    willing(root.path());
    put(root.path(), "proc/meminfo", "MemAvailable: 4 kB\n");
    let seen = RefCell::default();
    let call = Fake {
        answer: Ok(()),
        seen: &seen,
        effect: &|| {},
    };
    let linux = Linux::with_call(root.path(), call);
    let needed: u64 = list().iter().map(|segment| segment.dest.len()).sum();
    let err = linux.load_segments(0x20_0010, &list(), false).unwrap_err();
    assert!(
        matches!(err, BackendError::TooLittleMemory { needed: n, available: 4096 } if n == needed),
        "{err}"
    );
    assert!(seen.borrow().is_empty());
    // a crash image goes to memory that is reserved
    linux.load_segments(0x20_0010, &list(), true).unwrap();
}

#[test]
fn unload_reports_whether_an_image_was_loaded() {
    let root = tempfile::tempdir().unwrap();
    willing(root.path());
    let seen = RefCell::default();
    let call = Fake {
        answer: Ok(()),
        seen: &seen,
        effect: &|| (),
    };
    let linux = Linux::with_call(root.path(), call);
    assert!(!linux.unload(Unload::default()).unwrap());
    assert!(linux.unload(CRASH).unwrap());
    assert_eq!(seen.take(), [(0, vec![], 0x3e_0001)]);
}
