// The start of the blob: header, entry, exit.
// Every operand in braces is a constant from Rust (main.rs).

.section .header, "ax"
.balign 8
header:
    .quad   {MAGIC}
    .long   {VERSION}
    .long   text_end - header
    .long   mem_end - header
    .long   area - header
    .long   handoff_entry - header
    .long   0, 0, 0

// Address of `symbol` plus a constant, anywhere within 4 GiB: the blob begins a page.
.macro address register, symbol
    adrp    \register, \symbol
    add     \register, \register, :lo12:\symbol
.endm

// Writes all of the blob's memory back to the point of coherency, and drops it from the data caches.
// Clobber: x9, x10, x11, x12, flags
.macro clean_blob
    mrs     x11, ctr_el0
    ubfx    x11, x11, #16, #4       // DminLine: log2 of the line in words
    mov     x12, #4
    lsl     x11, x12, x11
    address x9, header
    address x10, mem_end
1:  dc      civac, x9
    add     x9, x9, x11
    cmp     x9, x10
    b.lo    1b
    dsb     sy
.endm

// Makes floating point registers usable: core may use them. Returns the regime's bits in x9.
// In:      x9 = CurrentEL
// Clobber: x9, x10, flags
.macro floating_point_on
    mov     x10, #{CPACR_FPEN}
    cmp     x9, #{CURRENT_EL2}
    b.ne    1f
    mrs     x9, hcr_el2
    tbnz    x9, #{E2H_BIT}, 2f
    mov     x10, #{CPTR_NO_FP_TRAP}
2:  msr     cptr_el2, x10
    b       3f
1:  msr     cpacr_el1, x10
3:  isb
.endm

.section .text.entry, "ax"

// In:      whatever the old kernel left: EL1 or EL2; translation off, or the blob mapped one to one,
//          readable, writable and executable. No stack, vector base or thread register is
//          relied on.
// Out:     the target, translation and data cache off: x0 = device tree, x1 to x3 = 0
// Clobber: everything; the registers found are in Arm64Scratch::entry, but TPIDR_EL0,
//          TPIDRRO_EL0, TPIDR_EL1, FAR_EL1
.balign 4
.global handoff_entry
handoff_entry:
    msr     daifset, #15
    msr     tpidr_el0, x9
    msr     tpidrro_el0, x10
    msr     tpidr_el1, x11
    msr     far_el1, x12
    // from here on memory is as loaded, and what is stored with caches off is not hidden by a line
    clean_blob
    address x9, area+{ENTRY}
    stp     x0, x1, [x9, #{GPR} + 0]
    stp     x2, x3, [x9, #{GPR} + 16]
    stp     x4, x5, [x9, #{GPR} + 32]
    stp     x6, x7, [x9, #{GPR} + 48]
    mrs     x10, tpidr_el0
    stp     x8, x10, [x9, #{GPR} + 64]
    mrs     x10, tpidrro_el0
    mrs     x11, tpidr_el1
    stp     x10, x11, [x9, #{GPR} + 80]
    mrs     x12, far_el1
    stp     x12, x13, [x9, #{GPR} + 96]
    stp     x14, x15, [x9, #{GPR} + 112]
    stp     x16, x17, [x9, #{GPR} + 128]
    stp     x18, x19, [x9, #{GPR} + 144]
    stp     x20, x21, [x9, #{GPR} + 160]
    stp     x22, x23, [x9, #{GPR} + 176]
    stp     x24, x25, [x9, #{GPR} + 192]
    stp     x26, x27, [x9, #{GPR} + 208]
    stp     x28, x29, [x9, #{GPR} + 224]
    mov     x10, sp
    stp     x30, x10, [x9, #{GPR} + 240]
    mrs     x10, mpidr_el1
    str     x10, [x9, #{MPIDR}]
    address x10, header
    str     x10, [x9, #{VA}]
    mrs     x10, CurrentEL
    str     x10, [x9, #{CURRENT_EL}]
    address x14, handoff_vectors
    mov     x15, #({SCTLR_M} | {SCTLR_C})
    cmp     x10, #{CURRENT_EL2}
    b.ne    .Lel1
    mrs     x11, sctlr_el2
    mrs     x12, hcr_el2
    mrs     x13, vbar_el2
    stp     x11, x12, [x9, #{SCTLR}]
    str     x13, [x9, #{VBAR}]
    msr     vbar_el2, x14
    isb
    bic     x11, x11, x15
    msr     sctlr_el2, x11
    b       .Lphysical
.Lel1:
    mrs     x11, sctlr_el1
    mrs     x13, vbar_el1
    stp     x11, xzr, [x9, #{SCTLR}]
    str     x13, [x9, #{VBAR}]
    msr     vbar_el1, x14
    isb
    bic     x11, x11, x15
    msr     sctlr_el1, x11
.Lphysical:
    isb
    // if translation was on: lines that were stored to since
    clean_blob
    // the handoff's tables serve a level with EL0, too: pages of EL0 must be accessible
    mrs     x9, id_aa64mmfr1_el1
    tst     x9, #0xf00000           // PAN
    b.eq    1f
    .arch_extension pan
    msr     pan, #0
1:  mrs     x9, id_aa64pfr1_el1
    ubfx    x9, x9, #24, #4         // SME: its streaming mode has no SIMD
    cbz     x9, 4f
    // only where the old kernel had access: a hypervisor or firmware may not give it
    mrs     x9, CurrentEL
    cmp     x9, #{CURRENT_EL2}
    b.ne    2f
    mrs     x10, cptr_el2
    mrs     x9, hcr_el2
    tbnz    x9, #{E2H_BIT}, 3f
    tbnz    x10, #{TSM_BIT}, 4f
    b       5f
2:  mrs     x10, cpacr_el1
3:  ubfx    x10, x10, #{SMEN_SHIFT}, #2
    cmp     x10, #3
    b.ne    4f
5:  msr     s3_3_c4_c2_2, xzr       // SVCR
    isb
4:  mrs     x9, CurrentEL
    floating_point_on
    msr     spsel, #1
    address x9, area+{STACK_END}
    mov     sp, x9
    mov     x29, #0
    mov     x30, #0
    address x0, area
    address x1, header
    bl      {run}
    // exceptions of the target are dumped until it sets its vectors
    address x9, area+{PHASE}
    mov     w10, #{PHASE_TARGET}
    str     w10, [x9]
    // a dirty line would overwrite what the target makes of this memory
    clean_blob
    mov     x11, #({SCTLR_M} | {SCTLR_C})
    mrs     x9, CurrentEL
    cmp     x9, #{CURRENT_EL2}
    b.ne    1f
    mrs     x10, sctlr_el2
    bic     x10, x10, x11
    msr     sctlr_el2, x10
    isb
    tlbi    alle2
    b       2f
1:  mrs     x10, sctlr_el1
    bic     x10, x10, x11
    msr     sctlr_el1, x10
    isb
    tlbi    vmalle1
2:  dsb     sy
    ic      iallu
    dsb     sy
    isb
    address x0, area
    bl      {leave}
    address x9, area
    ldr     x0, [x9, #{DTB}]
    ldr     x4, [x9, #{TARGET}]
    mov     x1, #0
    mov     x2, #0
    mov     x3, #0
    br      x4
