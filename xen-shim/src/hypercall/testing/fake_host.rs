//! The machine of a fake Xen.

use super::super::E820Entry;
use handoff::addr::{MIB, PhysRange};

/// The machine that a [`FakeXen`](super::FakeXen) runs on.
#[derive(Clone, Debug)]
pub struct FakeHost {
    /// Release: major, minor.
    pub version: (u16, u16),
    /// The rest of the release, 15 bytes at most.
    pub extra: String,
    /// Its command line.
    pub command_line: String,
    /// The machine's memory map.
    pub memory_map: Vec<E820Entry>,
    /// The crash area; empty: none.
    pub crash: PhysRange,
    /// Xen's image.
    pub image: PhysRange,
    /// Physical CPUs.
    pub cpus: u32,
    /// Memory that domains own.
    pub owned: Vec<PhysRange>,
    /// Memory that domains own once an image has been loaded, if that changes.
    pub owned_after_load: Option<Vec<PhysRange>>,
    /// Missing 2 MiB parts of the machine-to-physical table.
    pub m2p_holes: Vec<usize>,
    /// Table entry of a frame without an owner.
    pub m2p_unowned: u64,
    /// Pages in the free heap.
    pub free_pages: u64,
    /// Version of this Xen's sysctl interface.
    pub sysctl: u32,
    /// True when the domain is not a PV dom0, so that there is no kexec
    /// hypercall.
    pub no_kexec: bool,
    /// Memory that belongs to no domain, by address; zeros elsewhere below 1
    /// MiB.
    pub firmware: Vec<(u64, Vec<u8>)>,
}

impl Default for FakeHost {
    /// Xen 4.17 on 2 GiB with two CPUs, crashkernel=256M@256M, and a dom0 that
    /// owns 512 MiB to 1.5 GiB.
    fn default() -> Self {
        let range = |start, end| PhysRange { start, end };
        let entry = |start, end, kind| E820Entry {
            start,
            len: end - start,
            kind,
        };
        Self {
            version: (4, 17),
            extra: ".7-fake".to_owned(),
            command_line: "console=com1 crashkernel=256M@256M".to_owned(),
            memory_map: vec![
                entry(0, 0x9_fc00, 1),
                entry(0x9_fc00, 0xa_0000, 2),
                entry(0xf_0000, 0x10_0000, 2),
                entry(0x10_0000, 0x7ffe_0000, 1),
                entry(0x7ffe_0000, 0x8000_0000, 2),
                entry(0xfee0_0000, 0xfee0_1000, 2),
            ],
            crash: range(256 * MIB, 512 * MIB),
            image: range(0x7fa0_0000, 0x7fda_7000),
            cpus: 2,
            owned: vec![range(512 * MIB, 1536 * MIB)],
            owned_after_load: None,
            m2p_holes: Vec::new(),
            m2p_unowned: u64::MAX,
            free_pages: 200 * MIB / 4096,
            sysctl: 0x15,
            no_kexec: false,
            firmware: Vec::new(),
        }
    }
}
