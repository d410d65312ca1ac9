//! Messages of Linux on arm64.

use super::{KnownLine, fatal, hint};

const STALE: &str = "a CPU of the crashed kernel did not stop: it may still run, and write into memory while the crash kernel runs";
const STALE_ADVICE: &str = "the vmcore may lack that CPU's registers; with pseudo-NMIs (irqchip.gicv3_pseudo_nmi=1) a kernel also \
     stops CPUs that have interrupts masked";
const SERROR: &str = "the bus answered an access with an error, long after it: a device without its clock or power, memory of the \
     secure world, or a hardware error";
const SERROR_ADVICE: &str = "the dump shows where it was reported, not where it was caused: see which driver started last, and \
     which devices the old kernel switched off";
const BAD_DTB: &str = "the kernel got no device tree: x0 does not point to one, it was overwritten, or it is not where the kernel \
     can map it";
const BAD_DTB_ADVICE: &str = "the handoff prints `dtb` at the jump and verifies its segment; a device tree is at most 2 MiB, at an \
     address that is a multiple of 8";

/// Specific ones first.
pub(super) const LINES: &[KnownLine] = &[
    fatal(
        "linux-xen-twice",
        &["kernel BUG at arch/arm/xen/enlighten.c"],
        "the kernel runs in a domain of Xen in which another kernel ran before (kexec inside of a domain): Xen on ARM refuses to \
         register the same virtual CPU twice (VCPUOP_register_vcpu_info)",
        "kexec inside of a Xen domain does not work on ARM, whatever loads it; and Xen on ARM has no kexec hypercall, so there is \
         no way out of Xen but a reset",
    ),
    hint(
        "linux-kexec-lpa2",
        &["trans_pgd_create_copy+0x"],
        "kexec_load(2) itself failed: it copies the kernel's page tables for the jump, and on CPUs with addresses of 52 bits (LPA2) \
         some kernels do that wrongly (seen with 6.12 of Debian 13; 7.2 works). The program that called it is killed, and nothing \
         is loaded",
        "a newer kernel, or a CPU without LPA2 (QEMU: -cpu max,lpa2=off)",
    ),
    fatal(
        "linux-dtb",
        &["nvalid device tree blob at physical address"],
        BAD_DTB,
        BAD_DTB_ADVICE,
    ),
    fatal(
        "linux-dtb",
        &["nvalid device tree blob: PA="],
        BAD_DTB,
        BAD_DTB_ADVICE,
    ),
    fatal(
        "linux-serror",
        &["Asynchronous SError Interrupt"],
        SERROR,
        SERROR_ADVICE,
    ),
    hint(
        "linux-serror",
        &["SError Interrupt on CPU"],
        SERROR,
        SERROR_ADVICE,
    ),
    hint(
        "linux-external-abort",
        &["Internal error: synchronous external abort"],
        "no RAM or device answers at the address, it has no clock or power, or the firmware protects it",
        "see pc in the dump, and compare the address with /memory and /reserved-memory of the device tree (`mbtool dtb`)",
    ),
    fatal(
        "linux-stack",
        &["not syncing: kernel stack overflow"],
        "the stack of the kernel overflowed",
        "see the calls; a function that calls itself, or the handler of an exception that faults again",
    ),
    hint(
        "linux-stale-cpus",
        &["failed to stop secondary CPUs"],
        STALE,
        STALE_ADVICE,
    ),
    hint(
        "linux-stale-cpus",
        &["Some CPUs may be stale, kdump will be unreliable"],
        STALE,
        STALE_ADVICE,
    ),
    hint(
        "linux-cpus-stuck",
        &["Can't kexec: CPUs are stuck in the kernel"],
        "kexec_load(2) fails with EBUSY: CPUs wait in the kernel's code, because the firmware cannot switch them off (enable-method \
         spin-table), protected KVM is active, or some started wrongly",
        "boot without kvm-arm.mode=protected; with a spin-table boot the old kernel with maxcpus=1, or load a crash image (-p), which \
         does not switch CPUs off",
    ),
    hint(
        "linux-cpu-modes",
        &["CPUs started in inconsistent modes"],
        "some CPUs started at EL2 and some at EL1: the kernel uses neither KVM nor EL2",
        "the firmware, or what started the kernel, must enter all CPUs at the same level",
    ),
    hint(
        "linux-cpu-failed",
        &["psci: failed to boot CPU"],
        "the firmware did not start a CPU: after a kexec it is still on (-4: ALREADY_ON in the old kernel's code), or was never \
         switched off",
        "the old kernel must switch CPUs off before the jump (CPU hotplug); after a crash they stay on, and a crash kernel uses one \
         CPU (maxcpus=1)",
    ),
    hint(
        "linux-cpu-failed",
        &["failed to come online"],
        "a CPU was started and does not answer",
        "see the lines before; as crash kernel use one CPU (maxcpus=1)",
    ),
    hint(
        "linux-lpi",
        &["Booted with LPIs enabled, memory probably corrupted"],
        "the interrupt controller (GICv3) still writes pending interrupts into a table in memory of the old kernel, and cannot be \
         stopped: that memory is overwritten at any time",
        "the old kernel must reserve the tables and hand them on (EFI's MEMRESERVE table, which Linux 4.20 and later use); without \
         EFI do not use LPIs in the old kernel (irqchip.gicv3_nolpi=1)",
    ),
    hint(
        "linux-misaligned",
        &["Kernel image misaligned at boot"],
        "the kernel is not at a multiple of 2 MiB, where its image wants to be",
        "load it with mbtool, which places it as the image's header says (text_offset)",
    ),
];
