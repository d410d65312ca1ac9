//! A panicking Linux, or Xen, starts Xen in the crash region; its dom0 reads all memory of the
//! panicked system, and changes nothing outside of the region except the list in
//! `tests/src/to_xen/memory.rs`.
//!
//! The cases that always run cover each release of Xen, firmware, board, kernel, vendor and CPU
//! state once.

use anyhow::Result;
use images::assets::{LINUX_6_12, LINUX_7};
use tests::crash::CrashedSystem;
use tests::to_xen::{CASE, CPUS, ToXenCase};
use tests::{Board, Firmware};

tests::cases! {
    crash_to_xen_4_20_on_cpu_2: booted 45 s;
    crash_linux_7_to_xen_4_17_ovmf_q35_intel_on_cpu_0: booted 50 s on LINUX_7;
    crash_busy_linux_6_12_to_xen_4_20_amd_large_initrd_sparse_apic_ids: booted 45 s;
    crash_to_xen_4_17_with_cpus_offline: booted 45 s, "slow";
    crash_to_xen_4_20_x2apic_on_cpu_2: booted 45 s, "slow";
    crash_xen_4_20_by_its_debug_key_to_xen_4_20: booted 85 s;
    crash_xen_4_17_to_xen_4_17_at_16_mib: booted 45 s, "slow";
    crash_to_xen_4_20_on_cpu_0: booted 45 s, "slow";
    crash_to_xen_4_17_on_cpu_2: booted 45 s, "slow";
    crash_to_xen_4_17_on_cpu_0: booted 45 s, "slow";
    crash_to_xen_4_20_ovmf_on_cpu_0: booted 45 s, "slow";
    crash_to_xen_4_20_ovmf_q35_on_cpu_2: booted 45 s, "slow";
    crash_to_xen_4_17_ovmf_on_cpu_2: booted 45 s, "slow";
    crash_to_xen_4_17_ovmf_on_cpu_0: booted 45 s, "slow";
    crash_linux_7_to_xen_4_20_q35_intel_on_cpu_2: booted 45 s on LINUX_7, "slow";
    crash_to_xen_4_20_large_initrd_6_gib_on_cpu_3: booted 45 s, "slow";
    crash_linux_6_12_to_xen_with_dom0_6_12_on_cpu_1: booted 45 s, "slow";
    crash_to_xen_nosmp_on_cpu_2: booted 45 s, "slow";
    crash_to_xen_with_memory_full_on_cpu_1: booted 45 s, "slow";
    crash_busy_linux_to_xen_4_17_on_cpu_2: booted 45 s, "slow";
    crash_xen_4_20_to_xen_4_20: booted 45 s, "slow";
    crash_xen_4_17_by_its_debug_key_to_xen_4_17: booted 45 s, "slow";
    crash_to_xen_4_20_in_what_is_advised_on_cpu_2: booted 45 s, "slow";
}

/// All CPUs compute and write to memory.
const BUSY: &str = "for n in 0 1 2 3; do \
    taskset $((1 << n)) sh -c \"while :; do dd if=/dev/urandom of=/tmp/busy$n bs=64k count=8 2>/dev/null; done\" & \
    done\nsleep 2";

/// The boot CPU and another one are offline in the crashing system. They execute its code. (Linux
/// can only offline an Intel boot CPU, with `cpu0_hotplug`, up to 6.4.)
const PARK: &str = "echo 0 > /sys/devices/system/cpu/cpu1/online\n\
    echo 0 > /sys/devices/system/cpu/cpu0/online";

/// APIC ids 0, 1, 2 and 4.
const SPARSE: &str = "maxcpus=6,sockets=2,cores=3,threads=1";

/// An Intel CPU without features whose emulation in QEMU is broken for Xen's
/// dom0.
const SKYLAKE: &str = "Skylake-Client-noTSX-IBRS,-smap";

/// An AMD CPU without MWAIT: the emulated one is not woken by disabled interrupts, which Xen
/// requires.
const EPYC: &str = "EPYC-v1,-monitor";

/// The smallest machine, with less memory to compare.
const SMALL: ToXenCase = ToXenCase {
    memory_mib: 1280,
    crashkernel: "512M",
    ..CASE
};

fn crash_to_xen_4_20_on_cpu_2() -> Result<()> {
    SMALL.check("crash_to_xen_4_20_on_cpu_2")
}

/// Linux 7 requires all of dom0's range to be RAM.
fn crash_linux_7_to_xen_4_17_ovmf_q35_intel_on_cpu_0() -> Result<()> {
    let case = ToXenCase {
        xen: "4.17",
        host: CrashedSystem::Linux(&LINUX_7),
        dom0: &LINUX_7,
        firmware: Firmware::Ovmf,
        board: Board::Q35,
        model: Some("Nehalem"),
        cpu: 0,
        cpus: CPUS,
        ..SMALL
    };
    case.check("crash_linux_7_to_xen_4_17_ovmf_q35_intel_on_cpu_0")
}

/// An initramfs of 75 MB: dom0's range is half as large again. APIC id and number of the crashing
/// CPU differ.
fn crash_busy_linux_6_12_to_xen_4_20_amd_large_initrd_sparse_apic_ids() -> Result<()> {
    let case = ToXenCase {
        host: CrashedSystem::Linux(&LINUX_6_12),
        dom0: &LINUX_6_12,
        model: Some(EPYC),
        topology: Some(SPARSE),
        cpu: 3,
        apic_id: Some(4),
        ballast: 60 << 20,
        before: BUSY,
        parallel: true,
        memory_mib: 2048,
        crashkernel: "768M",
        ..SMALL
    };
    case.check("crash_busy_linux_6_12_to_xen_4_20_amd_large_initrd_sparse_apic_ids")
}

fn crash_to_xen_4_17_with_cpus_offline() -> Result<()> {
    let case = ToXenCase {
        xen: "4.17",
        model: Some("Nehalem"),
        host_args: "cpu0_hotplug",
        before: PARK,
        online: CPUS - 2,
        ..SMALL
    };
    case.check("crash_to_xen_4_17_with_cpus_offline")
}

/// Interrupts are remapped and the local APICs are in x2APIC mode, also for Xen.
fn crash_to_xen_4_20_x2apic_on_cpu_2() -> Result<()> {
    let case = ToXenCase {
        board: Board::Q35,
        model: Some("Nehalem,+x2apic"),
        devices: &["intel-iommu,intremap=on,eim=on"],
        before: "dmesg | grep -i 'x2apic.*enabled'",
        ..SMALL
    };
    case.check("crash_to_xen_4_20_x2apic_on_cpu_2")
}

fn crash_xen_4_20_by_its_debug_key_to_xen_4_20() -> Result<()> {
    let case = ToXenCase {
        host: CrashedSystem::Xen("4.20"),
        dom0: &LINUX_6_12,
        key: true,
        crashkernel: "512M@256M",
        ..SMALL
    };
    case.check("crash_xen_4_20_by_its_debug_key_to_xen_4_20")
}

/// The region covers dom0's range: nothing is copied there.
fn crash_xen_4_17_to_xen_4_17_at_16_mib() -> Result<()> {
    let case = ToXenCase {
        host: CrashedSystem::Xen("4.17"),
        xen: "4.17",
        crashkernel: "512M@16M",
        // one of dom0's
        cpu: 1,
        ..SMALL
    };
    case.check("crash_xen_4_17_to_xen_4_17_at_16_mib")
}

fn crash_to_xen_4_20_on_cpu_0() -> Result<()> {
    let case = ToXenCase {
        cpu: 0,
        cpus: CPUS,
        memory_mib: 3072,
        ..CASE
    };
    case.check("crash_to_xen_4_20_on_cpu_0")
}

fn crash_to_xen_4_17_on_cpu_2() -> Result<()> {
    let case = ToXenCase {
        xen: "4.17",
        ..SMALL
    };
    case.check("crash_to_xen_4_17_on_cpu_2")
}

fn crash_to_xen_4_17_on_cpu_0() -> Result<()> {
    let case = ToXenCase {
        xen: "4.17",
        cpu: 0,
        cpus: CPUS,
        ..SMALL
    };
    case.check("crash_to_xen_4_17_on_cpu_0")
}

fn crash_to_xen_4_20_ovmf_on_cpu_0() -> Result<()> {
    let case = ToXenCase {
        firmware: Firmware::Ovmf,
        cpu: 0,
        cpus: CPUS,
        ..SMALL
    };
    case.check("crash_to_xen_4_20_ovmf_on_cpu_0")
}

fn crash_to_xen_4_20_ovmf_q35_on_cpu_2() -> Result<()> {
    let case = ToXenCase {
        firmware: Firmware::Ovmf,
        board: Board::Q35,
        ..CASE
    };
    case.check("crash_to_xen_4_20_ovmf_q35_on_cpu_2")
}

fn crash_to_xen_4_17_ovmf_on_cpu_2() -> Result<()> {
    let case = ToXenCase {
        xen: "4.17",
        firmware: Firmware::Ovmf,
        ..SMALL
    };
    case.check("crash_to_xen_4_17_ovmf_on_cpu_2")
}

fn crash_to_xen_4_17_ovmf_on_cpu_0() -> Result<()> {
    let case = ToXenCase {
        xen: "4.17",
        firmware: Firmware::Ovmf,
        cpu: 0,
        cpus: CPUS,
        ..SMALL
    };
    case.check("crash_to_xen_4_17_ovmf_on_cpu_0")
}

fn crash_linux_7_to_xen_4_20_q35_intel_on_cpu_2() -> Result<()> {
    let case = ToXenCase {
        host: CrashedSystem::Linux(&LINUX_7),
        dom0: &LINUX_7,
        board: Board::Q35,
        model: Some(SKYLAKE),
        ..SMALL
    };
    case.check("crash_linux_7_to_xen_4_20_q35_intel_on_cpu_2")
}

fn crash_to_xen_4_20_large_initrd_6_gib_on_cpu_3() -> Result<()> {
    let case = ToXenCase {
        board: Board::Q35,
        memory_mib: 6144,
        cpu: 3,
        ballast: 60 << 20,
        ..CASE
    };
    case.check("crash_to_xen_4_20_large_initrd_6_gib_on_cpu_3")
}

fn crash_linux_6_12_to_xen_with_dom0_6_12_on_cpu_1() -> Result<()> {
    let case = ToXenCase {
        host: CrashedSystem::Linux(&LINUX_6_12),
        dom0: &LINUX_6_12,
        cpu: 1,
        ..SMALL
    };
    case.check("crash_linux_6_12_to_xen_with_dom0_6_12_on_cpu_1")
}

/// The alternative: one CPU, as requested.
fn crash_to_xen_nosmp_on_cpu_2() -> Result<()> {
    let case = ToXenCase {
        xen_args: "nosmp",
        cpus: 1,
        ..SMALL
    };
    case.check("crash_to_xen_nosmp_on_cpu_2")
}

/// Nearly all memory is known pages.
fn crash_to_xen_with_memory_full_on_cpu_1() -> Result<()> {
    let case = ToXenCase {
        cpu: 1,
        pages: 200_000,
        ..CASE
    };
    case.check("crash_to_xen_with_memory_full_on_cpu_1")
}

fn crash_busy_linux_to_xen_4_17_on_cpu_2() -> Result<()> {
    let case = ToXenCase {
        xen: "4.17",
        before: BUSY,
        parallel: true,
        ..SMALL
    };
    case.check("crash_busy_linux_to_xen_4_17_on_cpu_2")
}

fn crash_xen_4_20_to_xen_4_20() -> Result<()> {
    let case = ToXenCase {
        host: CrashedSystem::Xen("4.20"),
        memory_mib: 2048,
        // one of dom0's
        cpu: 1,
        crashkernel: "640M@256M",
        ..SMALL
    };
    case.check("crash_xen_4_20_to_xen_4_20")
}

fn crash_xen_4_17_by_its_debug_key_to_xen_4_17() -> Result<()> {
    let case = ToXenCase {
        host: CrashedSystem::Xen("4.17"),
        xen: "4.17",
        key: true,
        crashkernel: "512M@256M",
        ..SMALL
    };
    case.check("crash_xen_4_17_by_its_debug_key_to_xen_4_17")
}

/// With exactly the size that `crash size` prints for this image.
fn crash_to_xen_4_20_in_what_is_advised_on_cpu_2() -> Result<()> {
    let advised = CASE.advised("crash_to_xen_4_20_advised")?;
    eprintln!("advised: crashkernel={advised}");
    let case = ToXenCase {
        crashkernel: advised.leak(),
        ..CASE
    };
    case.check("crash_to_xen_4_20_in_what_is_advised_on_cpu_2")
}
