//! Messages of the handoff on riscv64 and arm64 that end it, or change what it does.

use super::{KnownLine, fatal, hint};

/// Specific ones first.
pub(super) const LINES: &[KnownLine] = &[
    fatal(
        "handoff-damaged",
        &["handoff itself is damaged: expected "],
        "bytes of the handoff differ from what was loaded: something wrote there between the load and the jump (a device of \
         the old kernel, the old kernel itself), or the memory errs. It starts nothing and does not use its own page tables",
        "load and jump again; if it happens again, at another address (another crashkernel=, or more memory free)",
    ),
    fatal(
        "segment-damaged",
        &["verify ", ": BAD "],
        "the bytes of this segment at the jump are not those that were loaded: something wrote there since (a device of the \
         old kernel that still does DMA, the old kernel, a crash), or the memory errs. Nothing is started",
        "load again; if the same segment is damaged again, see which devices the old kernel left active, and that the region \
         is no memory of the firmware",
    ),
    fatal(
        "segment-damaged",
        &["verify ", " ok, BAD zero fill"],
        "the loaded bytes are intact, but the memory behind them that must be zero is not",
        "load again; if it happens again, see which devices the old kernel left active",
    ),
    fatal(
        "handoff-page-list",
        &["relocate: BAD page list"],
        "the list of pages to move has no end: its pages were overwritten between the load and the jump",
        "load again; `--verify sha256` finds other damage",
    ),
    fatal(
        "handoff-panic",
        &["PANIC in phase "],
        "the handoff's own code found a state that must not be: a bug in mbtool",
        "report it with the whole log and `mbtool plan --json`",
    ),
];

/// Those of riscv64 alone.
pub(super) const RISCV64: &[KnownLine] = &[
    fatal(
        "handoff-misplaced",
        &["runs at ", ", but was made for "],
        "the handoff runs at another address than it was made for, and the old kernel's page tables are of a mode that it \
         does not know: it cannot leave them",
        "report it with the line `entry satp` of the log",
    ),
    hint(
        "satp-refused",
        &[
            "page tables: this CPU does not take satp ",
            ": translation stays off",
        ],
        "this CPU does not have the paging mode that the plan chose. The handoff works without its own page tables: a wild \
         access is not caught, and memory can be uncached",
        "nothing is wrong with the load; `mmu-type` of the CPU in the device tree promises more than the CPU has",
    ),
    fatal(
        "handoff-nested",
        &["nested exception, cause "],
        "a trap inside of a dump: most likely a console in memory that is not mapped, or a stack that is gone",
        "see the first dump; another --console may show more",
    ),
];

/// Those of arm64 alone.
pub(super) const ARM64: &[KnownLine] = &[
    fatal(
        "handoff-misplaced",
        &["runs at ", ", but was made for "],
        "the handoff runs at another address than it was made for: it was entered through the old kernel's page tables, not one \
         to one, or copied elsewhere. Its page tables and moves are for the other address",
        "Linux's kexec enters it with translation off, at the address of its segment: report it with the line `entry sctlr` of \
         the log",
    ),
    fatal(
        "xen-needs-el2",
        &["Xen needs EL2, and this CPU is at EL1"],
        "the handoff was entered at EL1, and Xen is a hypervisor: it runs at EL2. The old kernel is a guest, the firmware started \
         it at EL1, or protected KVM (kvm-arm.mode=protected) keeps EL2 to itself",
        "boot the old kernel at EL2 (it prints `CPU: All CPU(s) started at EL2`), without kvm-arm.mode=protected; a virtual \
         machine needs nested virtualization (QEMU: -M virt,virtualization=on)",
    ),
    fatal(
        "xen-needs-e2h-clear",
        &["Xen needs EL2 without E2H, and hcr is "],
        "this CPU does not let HCR_EL2.E2H be cleared (FEAT_E2H0 is absent), and Xen does not run with it",
        "Xen does not start on this CPU, whatever loads it: see whether a newer Xen does",
    ),
    hint(
        "no-4k-granule",
        &["page tables: this CPU has no 4 KiB granule"],
        "this CPU cannot use page tables with a granule of 4 KiB (ID_AA64MMFR0_EL1.TGran4). The handoff works without page tables \
         and caches: it is slow, and a wild access is not caught",
        "nothing is wrong with the load; verification takes much longer, `--verify none` leaves it out",
    ),
    hint(
        "firmware-no-reset",
        &["the firmware does not reset it"],
        "PSCI's SYSTEM_RESET returned, or the handoff cannot call it: there is no /psci, or its method is hvc and the handoff runs \
         at EL2",
        "reset the machine by hand, or by its watchdog; `--on-fault halt` does not try",
    ),
    fatal(
        "handoff-nested",
        &["nested exception, esr "],
        "an exception inside of a dump: most likely a console in memory that is not mapped, or a stack that is gone",
        "see the first dump; another --console may show more",
    ),
];
