//! Rules about parameters of Linux and Xen, as data.
//!
//! Sources: Linux, Documentation/admin-guide/kernel-parameters.txt; Xen, docs/misc/xen-command-line.

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
        "badpage",
        "memop-max-order",
    ],
    why: "it reserves or uses memory, and a crash image has little",
};

/// How several parameters of one name add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeated {
    /// The last one counts.
    Last,
    /// Each counts.
    Each,
    /// Each counts, and its place among the others does.
    InOrder,
}

/// Linux: parameters of which each counts.
const LINUX_EACH: [&str; 39] = [
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
    "mem",
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
const LINUX_IN_ORDER: [&str; 2] = ["hugepagesz", "hugepages"];
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

/// How Linux adds up parameters of this name.
pub(super) fn linux(name: &str) -> Repeated {
    if LINUX_IN_ORDER.contains(&name) {
        return Repeated::InOrder;
    }
    let each = LINUX_EACH.contains(&name)
        || name.ends_with(".dyndbg")
        || LINUX_EACH_PREFIX
            .iter()
            .any(|prefix| name.starts_with(prefix));
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
