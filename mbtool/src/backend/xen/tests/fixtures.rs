//! A PV dom0 on a fake Xen, and images for it.

use super::*;
use crate::sys::testing::put;

pub(super) const KEXEC: u64 = 37;
pub(super) const LOAD: u64 = 4;
pub(super) const UNLOAD: u64 = 5;
/// Owned by dom0 in the fake, and free.
pub(super) const OWNED: u64 = 0x3000_0000;
pub(super) const FREE: u64 = 0x7000_0000;
/// Inside the fake's crash area.
pub(super) const AREA: u64 = 0x1100_0000;

pub(super) const IMAGE: Unload = Unload {
    crash: false,
    force: false,
};
pub(super) const CRASH: Unload = Unload {
    crash: true,
    force: false,
};
pub(super) const FORCE: Unload = Unload {
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
    pub(crate) fn new(setup: FakeHost) -> Self {
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

    pub(super) fn record(&self) -> LoadRecord {
        LoadRecord::read(self.root()).unwrap()
    }

    pub(super) fn target(&self) -> String {
        let path = "sys/devices/system/xen_memory/xen_memory0/target_kb";
        std::fs::read_to_string(self.root().join(path)).unwrap()
    }
}

pub(super) fn segment(start: u64, pages: u64, bytes: usize) -> KernelSegment {
    KernelSegment {
        dest: range(start, start + pages * 0x1000),
        data: vec![7; bytes].into(),
        names: vec!["xen".into()],
    }
}

pub(super) fn range(start: u64, end: u64) -> PhysRange {
    PhysRange { start, end }
}

/// The fake's dom0, as a planner sees it.
pub(super) fn safe() -> Vec<PhysRange> {
    FakeHost::default().owned
}

pub(crate) fn load_at(xen: &Xen, start: u64) -> Result<LoadSummary, XenError> {
    let list = [segment(0, 1, 0), segment(start, 2, 5000)];
    xen.load_segments("vmlinuz", start + 0x10, &list, false, &safe())
}

pub(super) fn load_crash(xen: &Xen, start: u64, bytes: usize) -> Result<LoadSummary, XenError> {
    let pages = bytes.div_ceil(4096) as u64;
    let list = [segment(0, 0xa0, 0), segment(start, pages, bytes)];
    xen.load_segments("crash", start, &list, true, &[])
}

/// Asserts that a result is an error that matches a pattern.
macro_rules! refused {
    ($result:expr, $($pattern:tt)+) => {{
        let error = $result.unwrap_err();
        assert!(matches!(&error, $($pattern)+), "{error:?}");
    }};
}
pub(super) use refused;
