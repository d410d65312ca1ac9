//! Messages of Xen on arm64.

use super::{KnownLine, fatal, hint};

const DOM0_MEMORY: &str = "dom0's memory (dom0_mem=) is mapped one to one, and Xen finds no free range for it, or none that holds \
     kernel, device tree and initrd together";
const DOM0_MEMORY_ADVICE: &str = "another dom0_mem=; modules that lie in the middle of memory split it: load with mbtool, which \
     places them outside of dom0's memory";

/// Specific ones first.
pub(super) const LINES: &[KnownLine] = &[
    fatal(
        "xen-trap",
        &["Unexpected Trap: "],
        "Xen met an exception that it does not handle, and stopped",
        "see the dump: syndrome (esr), address (far), registers and calls",
    ),
    hint(
        "xen-trap",
        &["Bad mode in ", " handler detected"],
        "Xen met an exception at vectors that must not be used: an SError, or one of code that uses SP_EL0 at EL2",
        "see the dump: syndrome (esr), registers and calls",
    ),
    fatal(
        "xen-needs-el2",
        &["Xen must be entered in NS EL2 mode"],
        "Xen was entered at EL1, or at EL3",
        "the old kernel must run at EL2 or hold it: boot it at EL2, without kvm-arm.mode=protected",
    ),
    fatal(
        "xen-boot-error",
        &["- Unable to build boot page tables - virt and phys addresses clash. -"],
        "Xen was loaded to a physical address where it cannot map itself one to one beside its virtual address",
        "load it elsewhere; mbtool leaves these addresses out",
    ),
    fatal(
        "xen-boot-error",
        &["- Boot failed -"],
        "Xen's start code stopped; the line before has the reason",
        "see the line before",
    ),
    fatal(
        "xen-dtb",
        &["nvalid device tree blob at physical address"],
        "Xen got no device tree: x0 does not point to one, or it was overwritten",
        "the handoff prints `dtb` at the jump and verifies its segment; a device tree for Xen is at most 2 MiB",
    ),
    fatal(
        "xen-dtb",
        &["No valid device tree"],
        "Xen got no device tree, and no ACPI tables either",
        "the handoff prints `dtb` at the jump and verifies its segment",
    ),
    fatal(
        "xen-dtb",
        &["Max number of supported reserved-memory regions reached"],
        "the device tree has more /reserved-memory regions than this Xen keeps",
        "a newer Xen, or a device tree without regions that Xen and dom0 do not need",
    ),
    fatal(
        "xen-no-gic",
        &["Unable to find compatible GIC in the device tree"],
        "Xen has no driver for the interrupt controller in the device tree",
        "see `interrupt-controller` in the device tree (`mbtool dtb`); Xen knows GICv2 and GICv3, in QEMU -M virt,gic-version=3",
    ),
    fatal(
        "xen-no-timer",
        &["Unable to find a compatible timer in the device tree"],
        "the device tree has no node of the architecture's timer (arm,armv8-timer)",
        "see `timer` in the device tree (`mbtool dtb`)",
    ),
    fatal(
        "xen-dom0-memory",
        &["Unable to allocate first memory bank"],
        DOM0_MEMORY,
        DOM0_MEMORY_ADVICE,
    ),
    fatal(
        "xen-dom0-memory",
        &["Failed to allocate requested dom0 memory"],
        DOM0_MEMORY,
        DOM0_MEMORY_ADVICE,
    ),
    fatal(
        "xen-dom0-memory",
        &["Not enough memory in the first bank for the kernel+dtb+initrd"],
        DOM0_MEMORY,
        DOM0_MEMORY_ADVICE,
    ),
    fatal(
        "xen-dom0-memory",
        &["Unable to find suitable location for "],
        DOM0_MEMORY,
        DOM0_MEMORY_ADVICE,
    ),
    fatal(
        "xen-iommu",
        &["Couldn't configure correctly all the IOMMUs"],
        "Xen could not set up an IOMMU (SMMU); the old kernel may have left it on",
        "try iommu=off on Xen's command line; see the lines of the IOMMU before this one",
    ),
];
