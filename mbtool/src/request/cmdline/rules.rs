//! Rules about parameters of Linux and Xen, as data.
//!
//! Sources: Linux, Documentation/admin-guide/kernel-parameters.txt; Xen, docs/misc/xen-command-line.

use xen_shim::cmdline::{Syntax, name, value};

/// Parameters that are not taken over, and why.
pub(super) struct NotReused {
    /// Names.
    pub(super) names: &'static [&'static str],
    /// Reason.
    pub(super) why: &'static str,
}

/// Linux: parameters about the start of the running kernel.
pub(super) const LINUX_START: NotReused = NotReused {
    names: &[
        "BOOT_IMAGE",
        "initrd",
        "acpi_rsdp",
        "elfcorehdr",
        "kexec_jump_back_entry",
        // GRUB's scripts, in place of a file name
        "placeholder",
    ],
    why: "it concerns only the start of the running kernel",
};

/// Linux: parameters that reserve or use much memory, or that describe the memory of the running
/// kernel.
pub(super) const LINUX_MEMORY: NotReused = NotReused {
    names: &[
        "hugepages",
        "hugepagesz",
        "default_hugepagesz",
        "hugetlb_cma",
        "cma",
        "numa_cma",
        "cma_pernuma",
        "crashkernel",
        "mem",
        "memmap",
        "reserve_mem",
        "kernelcore",
        "movablecore",
        "slub_debug",
        "slab_debug",
        "page_owner",
        "kmemleak",
        "swiotlb",
        "numa",
        "log_buf_len",
        "trace_buf_size",
        "trace_instance",
        "vmalloc",
        "ramdisk_size",
        "brd.rd_size",
        "dhash_entries",
        "ihash_entries",
        "mhash_entries",
        "mphash_entries",
        "thash_entries",
        "uhash_entries",
        "stack_hash_order",
        "stack_depot_max_pools",
        "kfence.num_objects",
        "zram.num_devices",
    ],
    why: "it reserves or uses memory, and a crash kernel has little",
};

/// Linux out of Xen: parameters for a domain.
pub(super) const LINUX_ON_XEN: NotReused = NotReused {
    names: &["xencons", "xen.balloon_boot_timeout"],
    why: "there is no Xen below the new kernel",
};

/// Xen: parameters about the start of the running Xen.
pub(super) const XEN_START: NotReused = NotReused {
    names: &["placeholder"],
    why: "it concerns only the start of the running Xen",
};

/// Xen: parameters that reserve or use memory.
pub(super) const XEN_MEMORY: NotReused = NotReused {
    names: &[
        "crashkernel",
        "dom0_mem",
        "mem",
        "xenheap_megabytes",
        "tbuf_size",
        "conring_size",
        "debugtrace",
    ],
    why: "it reserves or uses memory, and a crash image has little",
};

/// How a parameter that is given acts on those of the same name that were taken over. Those that were taken over do not act
/// on each other: only equal ones become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeated {
    /// It replaces them.
    Last,
    /// It adds to them.
    Each,
    /// It replaces them and those of [`LINUX_IN_ORDER`]: they make groups, by their order.
    InOrder,
}

/// Linux: parameters of which each counts.
const LINUX_EACH: [&str; 38] = [
    "acpi",
    "acpi_osi",
    "amd_iommu",
    "apic",
    "blkdevparts",
    "cgroup_disable",
    "cgroup_enable",
    "console",
    "crashkernel",
    "dyndbg",
    "earlycon",
    "earlyprintk",
    "efi",
    "ftrace_filter",
    "ftrace_notrace",
    "ima_policy",
    "initcall_blacklist",
    "intel_iommu",
    "iommu",
    "ip",
    "kprobe_event",
    "libata.force",
    "md",
    "memmap",
    "module_blacklist",
    "modprobe.blacklist",
    "mtdparts",
    "netdev",
    "numa",
    "pci",
    "raid",
    "reserve",
    "reserve_mem",
    "trace_event",
    "trace_instance",
    "usbcore.quirks",
    "video",
    "xen-pciback.hide",
];
/// Linux: prefixes of such names.
const LINUX_EACH_PREFIX: [&str; 7] = [
    "rd.", "systemd.", "dm-mod.", "luks.", "bond", "vlan", "bridge",
];
/// Linux: parameters whose order matters.
pub(super) const LINUX_IN_ORDER: [&str; 2] = ["hugepagesz", "hugepages"];
/// Xen: parameters of which each counts.
const XEN_EACH: [&str; 17] = [
    "cpuid",
    "dom0",
    "dom0-iommu",
    "dom0_mem",
    "ept",
    "ioapic_ack",
    "iommu",
    "ivmd",
    "ivrs_hpet",
    "ivrs_ioapic",
    "pci",
    "pci-phantom",
    "pv",
    "rmrr",
    "spec-ctrl",
    "ucode",
    "xpti",
];

/// Values with which such a parameter uses no memory.
const OFF: [&str; 8] = ["0", "0K", "0M", "n", "no", "off", "noforce", "-"];

impl NotReused {
    /// True when `parameter` is not to be taken over.
    pub(super) fn concerns(&self, parameter: &str, syntax: Syntax) -> bool {
        self.names.iter().any(|listed| syntax.is(parameter, listed))
    }
}

/// True when a parameter of [`LINUX_MEMORY`] saves memory instead of using it.
pub(super) fn saves_memory(parameter: &str) -> bool {
    let always = ["crashkernel", "mem", "memmap"];
    !always.contains(&name(parameter)) && value(parameter).is_some_and(|value| OFF.contains(&value))
}

/// How Linux adds up parameters of this name.
pub(super) fn linux(name: &str) -> Repeated {
    let canonical = name.replace('-', "_");
    let is = |listed: &&str| Syntax::Linux.same_name(listed, name);
    if LINUX_IN_ORDER.iter().any(is) {
        return Repeated::InOrder;
    }
    let each = LINUX_EACH.iter().any(is)
        || canonical.ends_with(".dyndbg")
        || LINUX_EACH_PREFIX
            .iter()
            .any(|prefix| canonical.starts_with(&prefix.replace('-', "_")));
    if each { Repeated::Each } else { Repeated::Last }
}

/// How Xen adds up parameters of this name.
pub(super) fn xen(name: &str) -> Repeated {
    if XEN_EACH.contains(&name) {
        Repeated::Each
    } else {
        Repeated::Last
    }
}
