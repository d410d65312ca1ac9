use super::*;
use crate::backend::state::tests::put;
use handoff::addr::MIB;
use std::cell::Cell;
use xen_shim::hypercall::Errno;
use xen_shim::hypercall::testing::{FakeXen, Setup};

const KEXEC: u64 = 37;
const LOAD: u64 = 4;
const UNLOAD: u64 = 5;
/// Owned by dom0 in the fake, and free.
const OWNED: u64 = 0x3000_0000;
const FREE: u64 = 0x7000_0000;
/// Inside the fake's crash area.
const AREA: u64 = 0x1100_0000;

const IMAGE: Unload = Unload {
    crash: false,
    force: false,
};
const CRASH: Unload = Unload {
    crash: true,
    force: false,
};
const FORCE: Unload = Unload {
    crash: false,
    force: true,
};

/// A PV dom0 below `dir`, on a fake Xen.
pub(crate) struct Dom0 {
    pub dir: tempfile::TempDir,
    pub fake: Rc<FakeXen>,
    pub waited: Rc<Cell<u32>>,
}

impl Dom0 {
    pub(crate) fn new(setup: Setup) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        put(root, "sys/hypervisor/type", "xen\n");
        put(root, "sys/hypervisor/guest_type", "PV\n");
        put(root, "sys/hypervisor/version/major", "4\n");
        put(root, "proc/xen/capabilities", "control_d\n");
        put(root, "proc/self/status", "CapEff:\t000001ffffffffff\n");
        put(root, "proc/sys/kernel/random/boot_id", "11-22\n");
        put(root, "sys/kernel/kexec_loaded", "0\n");
        put(
            root,
            "sys/devices/system/xen_memory/xen_memory0/target_kb",
            "1048576\n",
        );
        put(root, "proc/meminfo", "MemAvailable: 900000 kB\n");
        Self {
            dir,
            fake: Rc::new(FakeXen::new(setup)),
            waited: Rc::default(),
        }
    }

    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn open(&self) -> Open {
        let fake = Rc::clone(&self.fake);
        Box::new(move || Ok(Rc::<FakeXen>::clone(&fake)))
    }

    /// Another run of mbtool.
    pub(crate) fn xen(&self) -> Xen {
        let waited = Rc::clone(&self.waited);
        let wait = move |_| waited.set(waited.get() + 1);
        Xen::with(self.root(), self.open(), Box::new(wait))
    }

    fn record(&self) -> Record {
        Record::read(self.root()).unwrap()
    }

    fn target(&self) -> String {
        let path = "sys/devices/system/xen_memory/xen_memory0/target_kb";
        std::fs::read_to_string(self.root().join(path)).unwrap()
    }
}

fn segment(start: u64, pages: u64, bytes: usize) -> KernelSegment {
    KernelSegment {
        dest: range(start, start + pages * 0x1000),
        data: vec![7; bytes].into(),
        names: vec!["xen".into()],
    }
}

fn range(start: u64, end: u64) -> PhysRange {
    PhysRange { start, end }
}

/// The fake's dom0, as a planner sees it.
fn safe() -> Vec<PhysRange> {
    Setup::default().owned
}

pub(crate) fn load_at(xen: &Xen, start: u64) -> Result<Done, XenError> {
    let list = [segment(0, 1, 0), segment(start, 2, 5000)];
    xen.load_segments("vmlinuz", start + 0x10, &list, false, &safe())
}

fn load_crash(xen: &Xen, start: u64, bytes: usize) -> Result<Done, XenError> {
    let pages = bytes.div_ceil(4096) as u64;
    let list = [segment(0, 0xa0, 0), segment(start, pages, bytes)];
    xen.load_segments("crash", start, &list, true, &[])
}

fn text<T: fmt::Debug>(result: Result<T, XenError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_plan_reaches_xen_as_it_is() {
    let dom0 = Dom0::new(Setup::default());
    assert!(dom0.xen().ready(false).unwrap().is_empty());
    let done = load_at(&dom0.xen(), OWNED).unwrap();
    assert_eq!((done.segments, done.bytes), (2, 5000));
    assert_eq!(
        done.summary,
        "image loaded through Xen 4.17.7-fake: 2 kernel segments, 5000 bytes"
    );
    let image = dom0.fake.image(Kind::Default).unwrap();
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
fn load_replace_unload_load_leaves_the_host_alive() {
    let dom0 = Dom0::new(Setup::default());
    load_at(&dom0.xen(), OWNED).unwrap();
    let done = load_at(&dom0.xen(), OWNED + 0x10_0000).unwrap();
    assert!(done.summary.contains("in place of the one before"));
    assert!(dom0.xen().unload(IMAGE).unwrap());
    assert_eq!(dom0.fake.image(Kind::Default), None);
    assert_eq!(dom0.record().default.loaded, None);
    // Xen's status says 1 by now, and nothing is there
    assert_eq!(dom0.record().default.status, Some(true));
    assert!(!dom0.xen().unload(IMAGE).unwrap());
    load_at(&dom0.xen(), OWNED).unwrap();
    assert!(dom0.fake.image(Kind::Default).is_some());
    assert_eq!(dom0.fake.panicked(), None);
    let loads = |command| {
        let all = dom0.fake.kexec_commands();
        all.iter().filter(|c| **c == command).count()
    };
    assert_eq!((loads(LOAD), loads(UNLOAD)), (3, 1));
}

#[test]
fn a_domain_without_kexec_hears_why_and_nothing_is_asked_of_xen() {
    for (guest, capabilities, part) in [
        ("PVH", "control_d\n", "without dom0=pvh"),
        ("PV", "\n", "run mbtool in dom0"),
        ("HVM", "\n", "--backend linux"),
    ] {
        let dom0 = Dom0::new(Setup::default());
        put(dom0.root(), "sys/hypervisor/guest_type", guest);
        put(dom0.root(), "proc/xen/capabilities", capabilities);
        assert!(text(load_at(&dom0.xen(), OWNED)).contains(part));
        let err = dom0.xen().ready(true).unwrap_err().to_string();
        assert!(err.contains(part), "{err}");
        assert!(dom0.xen().unload(FORCE).is_err());
        assert!(dom0.fake.calls().is_empty());
    }
    let dom0 = Dom0::new(Setup::default());
    put(dom0.root(), "proc/self/status", "CapEff:\t0\n");
    let err = text(load_at(&dom0.xen(), OWNED));
    assert!(err.contains("CAP_SYS_ADMIN"), "{err}");
    assert!(dom0.fake.calls().is_empty());
    // kexec compiled out of Xen
    let dom0 = Dom0::new(Setup {
        no_kexec: true,
        ..Setup::default()
    });
    let err = dom0.xen().ready(false).unwrap_err().to_string();
    assert!(err.contains("without kexec"), "{err}");
}

#[test]
fn the_linux_backend_never_loads_inside_xen() {
    let dom0 = Dom0::new(Setup::default());
    let linux = crate::backend::select("linux", dom0.root()).unwrap();
    let err = linux.ready(false).unwrap_err().to_string();
    assert!(err.contains("loads through Xen"), "{err}");
    let err = linux.unload(CRASH).unwrap_err().to_string();
    assert!(err.contains("pseudo-physical"), "{err}");
    let xen = crate::backend::select("auto", dom0.root()).unwrap();
    assert_eq!(xen.name(), "xen");
}

#[test]
fn memory_that_became_free_since_the_plan_is_refused() {
    let dom0 = Dom0::new(Setup::default());
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
fn memory_that_becomes_free_meanwhile_marks_the_image_for_good() {
    let dom0 = Dom0::new(Setup {
        owned_after_load: Some(vec![range(OWNED + 0x1000, OWNED + MIB)]),
        ..Setup::default()
    });
    let err = text(load_at(&dom0.xen(), OWNED));
    for part in ["must not be executed", "could panic", "`reboot`"] {
        assert!(err.contains(part), "{part}: {err}");
    }
    // neither now nor later is it unloaded, replaced or executed
    assert!(dom0.fake.image(Kind::Default).is_some());
    let err = text(dom0.xen().to_run());
    assert!(err.contains("must not be executed"), "{err}");
    let err = text(load_at(&dom0.xen(), OWNED));
    assert!(err.contains("must not be unloaded or replaced"), "{err}");
    let err = dom0.xen().ready(false).unwrap_err().to_string();
    assert!(!err.contains("--force"), "{err}");
    let err = dom0.xen().unload(IMAGE).unwrap_err().to_string();
    assert!(err.contains("mbtool unload --force"), "{err}");
    assert!(!dom0.fake.kexec_commands().contains(&UNLOAD));
    // who insists may
    assert!(dom0.xen().unload(FORCE).unwrap());
    assert_eq!(dom0.fake.image(Kind::Default), None);
}

#[test]
fn a_destination_that_was_never_safe_is_run_but_not_freed() {
    let dom0 = Dom0::new(Setup::default());
    load_at(&dom0.xen(), FREE).unwrap();
    assert_eq!(dom0.fake.image(Kind::Default).unwrap().lost.len(), 2);
    let ready = dom0.xen().to_run().unwrap();
    assert!(ready.loaded.exposed.unwrap().contains("0x70000000"));
    let err = dom0.xen().unload(IMAGE).unwrap_err().to_string();
    assert!(err.contains("free memory of Xen's heap"), "{err}");
    assert!(load_at(&dom0.xen(), OWNED).is_err());
    assert_eq!(dom0.fake.panicked(), None);
    // the fake agrees that this was no idle threat
    dom0.xen().unload(FORCE).unwrap();
    assert!(dom0.fake.panicked().is_some());
}

#[test]
fn without_an_answer_after_the_load_the_image_is_not_trusted() {
    let dom0 = Dom0::new(Setup {
        owned_after_load: Some(vec![]),
        ..Setup::default()
    });
    let err = text(load_at(&dom0.xen(), OWNED));
    assert!(err.contains("went from a domain"), "{err}");
    assert!(dom0.record().default.loaded.unwrap().damaged.is_some());
}

#[test]
fn a_heap_that_is_too_small_is_told_before_xen_is_asked() {
    let dom0 = Dom0::new(Setup {
        free_pages: 100,
        ..Setup::default()
    });
    let err = text(load_at(&dom0.xen(), OWNED));
    assert!(err.contains("has 409600 bytes by now"), "{err}");
    assert!(!dom0.fake.kexec_commands().contains(&LOAD));
    // the crash image is not kept there
    load_crash(&dom0.xen(), AREA, 5000).unwrap();
}

#[test]
fn xens_refusals_are_sentences_and_leave_the_record_alone() {
    for (errno, part) in [
        (Errno::ENOMEM, "not enough free memory"),
        (Errno::EPERM, "run mbtool in dom0"),
        (Errno::EBUSY, "being started"),
        (Errno::EFAULT, "try again"),
    ] {
        let dom0 = Dom0::new(Setup::default());
        dom0.fake.fail_next(KEXEC, LOAD, errno);
        let err = text(load_at(&dom0.xen(), OWNED));
        assert!(err.contains(part), "{err}");
        assert_eq!(dom0.record().default, record::Slot::default());
    }
}

#[test]
fn a_list_that_no_planner_should_make_does_not_reach_xen() {
    let dom0 = Dom0::new(Setup::default());
    let list: Vec<_> = (0..16).map(|n| segment(OWNED + n * 0x2000, 1, 1)).collect();
    let err = text(dom0.xen().load_segments("x", OWNED, &list, false, &safe()));
    assert!(err.contains("16 kernel segments"), "{err}");
    assert!(!dom0.fake.kexec_commands().contains(&LOAD));
}

#[test]
fn an_image_of_another_program_is_named_before_it_is_replaced() {
    let dom0 = Dom0::new(Setup::default());
    let page = [7; 16];
    let segments = [LoadSegment::new(&page, range(FREE, FREE + 0x1000))];
    let others = LoadImage {
        kind: Kind::Default,
        arch: Arch::I386,
        entry: FREE,
        segments: &segments,
    };
    Kexec::new(&*dom0.fake).load(&others).unwrap();
    let warnings = dom0.xen().ready(false).unwrap();
    assert!(warnings[0].contains("can panic the host"), "{warnings:?}");
    assert!(dom0.xen().ready(true).unwrap().is_empty());
    let err = dom0.xen().unload(IMAGE).unwrap_err().to_string();
    assert!(
        err.contains("not mbtool's") && err.contains("unload --force"),
        "{err}"
    );
    let err = text(dom0.xen().to_run());
    assert!(err.contains("`kexec -e` for kexec-tools"), "{err}");
    assert!(!dom0.fake.kexec_commands().contains(&UNLOAD));
    dom0.xen().unload(FORCE).unwrap();
    assert!(dom0.fake.panicked().is_some());
}

#[test]
fn a_change_by_another_program_is_noticed() {
    let dom0 = Dom0::new(Setup::default());
    load_at(&dom0.xen(), OWNED).unwrap();
    dom0.xen().to_run().unwrap();
    Kexec::new(&*dom0.fake).unload(Kind::Default).unwrap();
    let err = text(dom0.xen().to_run());
    assert!(
        err.contains("since mbtool loaded vmlinuz") && err.contains("load` again"),
        "{err}"
    );
    assert!(dom0.xen().unload(IMAGE).is_err());
    assert_eq!(dom0.xen().ready(false).unwrap().len(), 1);
    load_at(&dom0.xen(), OWNED).unwrap();
    dom0.xen().to_run().unwrap();
}

#[test]
fn a_crash_image_stays_in_the_area_and_makes_way() {
    let dom0 = Dom0::new(Setup::default());
    load_crash(&dom0.xen(), AREA, 5000).unwrap();
    let err = text(load_crash(&dom0.xen(), OWNED, 5000));
    assert!(err.contains("outside of the crash area"), "{err}");
    // over the pages in which Xen has the list of the first one
    let list = [segment(256 * MIB, 64, 64 << 12)];
    dom0.xen()
        .load_segments("crash", 256 * MIB, &list, true, &[])
        .unwrap();
    assert_eq!(dom0.fake.panicked(), None);
    assert_eq!(dom0.record().crash.loaded.unwrap().image, "crash");

    dom0.fake.fail_next(KEXEC, LOAD, Errno::ENOMEM);
    let err = text(load_crash(&dom0.xen(), AREA, 5000));
    assert!(err.contains("is gone"), "{err}");
    assert_eq!(dom0.record().crash.loaded, None);
    assert!(!dom0.xen().unload(CRASH).unwrap());

    let dom0 = Dom0::new(Setup {
        crash: range(0, 0),
        ..Setup::default()
    });
    let err = dom0.xen().ready(true).unwrap_err().to_string();
    assert!(err.contains("crashkernel="), "{err}");
    assert!(text(load_crash(&dom0.xen(), AREA, 5000)).contains("crashkernel="));
}

#[test]
fn a_crash_image_of_another_program_is_unloaded_without_ado() {
    let dom0 = Dom0::new(Setup::default());
    let page = [7; 16];
    let segments = [LoadSegment::new(&page, range(AREA, AREA + 0x1000))];
    let others = LoadImage {
        kind: Kind::Crash,
        arch: Arch::X86_64,
        entry: AREA,
        segments: &segments,
    };
    // as kexec-tools loads it: without an unload before
    Kexec::new(&*dom0.fake)
        .load_numbers(&others, 1, 62)
        .unwrap();
    assert!(dom0.xen().unload(CRASH).unwrap());
    assert_eq!(dom0.fake.image(Kind::Crash), None);
}

#[test]
fn the_balloon_makes_room_before_and_comes_back_with_the_unload() {
    let dom0 = Dom0::new(Setup {
        free_pages: 20 * MIB / 4096,
        ..Setup::default()
    });
    assert_eq!(dom0.xen().make_room(10 * MIB).unwrap(), None);
    // the fake's heap does not grow: refused, and put back
    let xen = dom0.xen();
    let err = xen.make_room(50 * MIB).unwrap_err().to_string();
    assert!(
        err.contains("gives no more") && dom0.waited.get() == 100,
        "{err}"
    );
    assert_eq!(dom0.target(), "1048576");
    assert_eq!(xen.give_back_room(), None);

    // room that was made, and a load that fails: put back
    let room = Room::of(dom0.root(), 1_048_576, 1_000_000);
    put(
        dom0.root(),
        "sys/devices/system/xen_memory/xen_memory0/target_kb",
        "1000000",
    );
    *xen.room.borrow_mut() = Some(room.clone());
    dom0.fake.fail_next(KEXEC, LOAD, Errno::ENOMEM);
    load_at(&xen, OWNED).unwrap_err();
    let said = xen.give_back_room().unwrap();
    assert!(said.contains("1048576 KiB again"), "{said}");
    assert_eq!(dom0.target(), "1048576");

    // and one that succeeds: kept until the unload
    put(
        dom0.root(),
        "sys/devices/system/xen_memory/xen_memory0/target_kb",
        "1000000",
    );
    *xen.room.borrow_mut() = Some(room);
    load_at(&xen, OWNED).unwrap();
    assert_eq!(xen.give_back_room(), None);
    assert_eq!(dom0.record().balloon_kib, Some(1_048_576));
    // a crash image has nothing to do with it
    load_crash(&dom0.xen(), AREA, 5000).unwrap();
    dom0.xen().unload(CRASH).unwrap();
    assert_eq!(dom0.target(), "1000000");
    dom0.xen().unload(IMAGE).unwrap();
    assert_eq!(dom0.target(), "1048576");
    assert_eq!(dom0.record().balloon_kib, None);
}

#[test]
fn nothing_is_loaded_that_cannot_be_written_down() {
    let dom0 = Dom0::new(Setup::default());
    put(dom0.root(), "run", "no directory");
    let err = text(load_at(&dom0.xen(), OWNED));
    assert!(err.contains("xen.json"), "{err}");
    assert!(!dom0.fake.kexec_commands().contains(&LOAD));
}

#[test]
fn the_image_is_started_by_the_hypercall() {
    let dom0 = Dom0::new(Setup::default());
    let err = text(dom0.xen().to_run());
    assert!(err.contains("run `mbtool load` first"), "{err}");
    load_crash(&dom0.xen(), AREA, 5000).unwrap();
    let err = text(dom0.xen().to_run());
    assert!(err.contains("runs when Xen or dom0 crashes"), "{err}");
    load_at(&dom0.xen(), OWNED).unwrap();
    let ready = dom0.xen().to_run().unwrap();
    // the fake comes back, the real one would not
    let err = ready.exec().to_string();
    assert!(err.contains("still here"), "{err}");
    assert_eq!(dom0.fake.started(), Some(Kind::Default));
}

#[test]
fn status_tells_what_mbtool_did_and_what_xen_says() {
    let dom0 = Dom0::new(Setup::default());
    let read =
        |problems: &mut Vec<String>| status::XenKexec::read_by(dom0.root(), dom0.open(), problems);
    let mut problems = vec![];
    let state = read(&mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(state.version.as_deref(), Some("4.17.7-fake"));
    assert_eq!(state.heap_free, Some(200 * MIB));
    assert_eq!(
        state.crash_area.unwrap().range(),
        range(256 * MIB, 512 * MIB)
    );
    assert_eq!(state.image.unwrap().range(), Setup::default().image);
    assert_eq!(state.default.is_loaded(), Some(false));
    assert_eq!(state.default.describe(0), "not loaded by mbtool");

    load_at(&dom0.xen(), OWNED).unwrap();
    let state = read(&mut problems);
    assert_eq!(state.default.is_loaded(), Some(true));
    assert_eq!(state.crash.is_loaded(), Some(false));
    let time = state.default.loaded.as_ref().unwrap().time;
    for (later, age) in [(5, "5 s"), (600, "10 min"), (7200, "2 h")] {
        let text = state.default.describe(time + later);
        assert_eq!(text, format!("loaded: vmlinuz, {age} ago"));
    }
    let json = serde_json::to_value(&state).unwrap();
    assert_eq!(json["default"]["loaded"]["entry"], OWNED + 0x10);
    assert_eq!(json["default"]["xen_status"], true);

    Kexec::new(&*dom0.fake).unload(Kind::Default).unwrap();
    let state = read(&mut problems);
    assert_eq!(state.default.is_loaded(), None);
    assert!(state.default.describe(time).contains("ANOTHER PROGRAM"));

    // a Xen that answers nothing
    put(dom0.root(), "proc/self/status", "CapEff:\t0\n");
    let state = read(&mut problems);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(state.heap_free, None);
    assert_eq!(state.default.is_loaded(), Some(true), "by our word alone");
    assert_eq!(state.crash.is_loaded(), None);
}
