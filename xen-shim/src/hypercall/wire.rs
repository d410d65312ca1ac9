//! Xen's hypercall numbers and structures, for x86_64 (public/xen.h, kexec.h,
//! memory.h, platform.h, sched.h, sysctl.h). Guest handles are addresses of 64
//! bits.

use bitflags::bitflags;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Numbers of hypercalls (public/xen.h).
pub mod op {
    /// platform_op.
    pub const PLATFORM: u64 = 7;
    /// memory_op.
    pub const MEMORY: u64 = 12;
    /// xen_version.
    pub const VERSION: u64 = 17;
    /// sched_op.
    pub const SCHED: u64 = 29;
    /// sysctl.
    pub const SYSCTL: u64 = 35;
    /// kexec_op.
    pub const KEXEC: u64 = 37;
}

/// Commands of kexec_op (public/kexec.h).
pub mod kexec_cmd {
    /// KEXEC_CMD_kexec.
    pub const EXEC: u64 = 0;
    /// KEXEC_CMD_kexec_get_range.
    pub const GET_RANGE: u64 = 3;
    /// KEXEC_CMD_kexec_load.
    pub const LOAD: u64 = 4;
    /// KEXEC_CMD_kexec_unload.
    pub const UNLOAD: u64 = 5;
    /// KEXEC_CMD_kexec_status.
    pub const STATUS: u64 = 6;
}

/// Commands of memory_op (public/memory.h).
pub mod memory_cmd {
    /// XENMEM_maximum_ram_page: one past the highest frame of RAM.
    pub const MAXIMUM_RAM_PAGE: u64 = 2;
    /// XENMEM_machphys_mfn_list: the frames of the machine-to-physical table.
    pub const MACHPHYS_MFN_LIST: u64 = 5;
    /// XENMEM_machine_memory_map.
    pub const MACHINE_MEMORY_MAP: u64 = 10;
}

/// Commands of xen_version (public/version.h).
pub mod version_cmd {
    /// XENVER_version.
    pub const VERSION: u64 = 0;
    /// XENVER_extraversion.
    pub const EXTRAVERSION: u64 = 1;
    /// XENVER_commandline.
    pub const COMMANDLINE: u64 = 9;
}

/// SCHEDOP_watchdog: create, set or destroy a watchdog.
pub const SCHEDOP_WATCHDOG: u64 = 6;
/// XEN_SYSCTL_physinfo.
pub const SYSCTL_PHYSINFO: u32 = 3;
/// XENPF_get_cpuinfo.
pub const XENPF_GET_CPUINFO: u32 = 55;
/// XENPF_INTERFACE_VERSION.
pub const XENPF_INTERFACE_VERSION: u32 = 0x0300_0001;

/// `xen_kexec_exec`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct KexecExec {
    /// KEXEC_TYPE_*.
    pub kind: i32,
}

/// `xen_kexec_range`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct KexecGetRange {
    /// KEXEC_RANGE_MA_*.
    pub range: u32,
    /// Number of the CPU, for its notes.
    pub cpu: u32,
    /// Answer: bytes.
    pub size: u64,
    /// Answer: machine address.
    pub start: u64,
}

/// `xen_kexec_load`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct KexecLoad {
    /// KEXEC_TYPE_*.
    pub kind: u8,
    /// Zero.
    pub pad: u8,
    /// EM_*.
    pub arch: u16,
    /// Entries at `segments`.
    pub segment_count: u32,
    /// Address of [`KexecSegment`]s.
    pub segments: u64,
    /// Machine address.
    pub entry: u64,
}

/// `xen_kexec_segment`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct KexecSegment {
    /// Address of the data; 0: the destination is only mapped.
    pub data: u64,
    /// Bytes of data.
    pub data_len: u64,
    /// Machine address.
    pub dest: u64,
    /// Bytes there.
    pub dest_len: u64,
}

/// `xen_memory_map`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct MemoryMap {
    /// Entries that fit; answer: entries written.
    pub count: u32,
    /// Unused.
    pub pad: u32,
    /// Address of [`RawE820Entry`]s.
    pub entries: u64,
}

/// `e820entry`.
#[repr(C, packed)]
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct RawE820Entry {
    /// First byte.
    pub start: u64,
    /// Bytes.
    pub len: u64,
    /// E820 type.
    pub kind: u32,
}

/// `xen_machphys_mfn_list`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct MachphysMfnList {
    /// Entries that fit.
    pub max_extents: u32,
    /// Unused.
    pub pad: u32,
    /// Address of frame numbers of 64 bits.
    pub extents: u64,
    /// Answer: entries written.
    pub count: u32,
    /// Unused.
    pub pad2: u32,
}

/// `sched_watchdog`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct SchedWatchdog {
    /// 0 for a new one.
    pub id: u32,
    /// Seconds; 0 to end it.
    pub timeout: u32,
}

/// `xen_sysctl` with `xen_sysctl_physinfo`, up to the numbers of pages. Their
/// offset has changed once; [`Sysctl::numbers`] has them at either offset.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Sysctl {
    /// XEN_SYSCTL_*.
    pub command: u32,
    /// Interface version, which must be Xen's own.
    pub version: u32,
    /// CPU and node counts, frequency, capabilities.
    pub counts: [u64; 4],
    /// Up to version 0x14: total and free pages first. From 0x15 (Xen 4.17) on:
    /// after one additional number.
    pub numbers: [u64; 3],
    /// The rest, and a margin for later releases of Xen.
    pub rest: [u64; 56],
}

/// `xen_platform_op` with `xenpf_pcpuinfo`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct PlatformCpuInfo {
    /// XENPF_*.
    pub command: u32,
    /// Interface version.
    pub version: u32,
    /// Number of the CPU.
    pub cpu: u32,
    /// Answer: highest number of a CPU.
    pub max_present: u32,
    /// Answer: [`PcpuFlags`].
    pub flags: u32,
    /// Answer.
    pub apic_id: u32,
    /// Answer.
    pub acpi_id: u32,
    /// The rest of the 128 bytes of arguments.
    pub rest: [u32; 27],
}

bitflags! {
    /// XEN_PCPU_FLAGS_*.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct PcpuFlags: u32 {
        /// The CPU is online.
        const ONLINE = 1 << 0;
        /// There is no such CPU.
        const INVALID = 1 << 1;
    }
}

const _: () = {
    assert!(size_of::<KexecExec>() == 4);
    assert!(size_of::<KexecGetRange>() == 24);
    assert!(size_of::<KexecLoad>() == 24);
    assert!(size_of::<KexecSegment>() == 32);
    assert!(size_of::<MemoryMap>() == 16);
    assert!(size_of::<RawE820Entry>() == 20);
    assert!(size_of::<MachphysMfnList>() == 24);
    assert!(size_of::<SchedWatchdog>() == 8);
    assert!(size_of::<Sysctl>() == 512);
    assert!(size_of::<PlatformCpuInfo>() == 136);
};
