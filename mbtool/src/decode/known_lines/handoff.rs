//! Messages of the handoff on riscv64 that end it, or change what it does.

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
        "handoff-misplaced",
        &["runs at ", ", but was made for "],
        "the handoff runs at another address than it was made for, and the old kernel's page tables are of a mode that it \
         does not know: it cannot leave them",
        "report it with the line `entry satp` of the log",
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
    fatal(
        "handoff-panic",
        &["PANIC in phase "],
        "the handoff's own code found a state that must not be: a bug in mbtool",
        "report it with the whole log and `mbtool plan --json`",
    ),
];
