// The start of the blob: header, entry, exit.
// Every operand in braces is a constant from Rust (main.rs).

.arch_extension virt
.arch_extension sec
.fpu vfpv3-d16

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

// Address of `symbol` plus a constant.
.macro address register, symbol
    ldr     \register, .Ldistance\@
.Lat\@:
    add     \register, pc, \register
    b       .Lafter\@
.Ldistance\@:
    .long   \symbol - (.Lat\@ + 8)
.Lafter\@:
.endm

// Writes all of the blob's memory back to the point of coherency, and drops it from the data caches.
// Clobber: r0, r1, r2, flags
.macro clean_blob
    mrc     p15, 0, r0, c0, c0, 1   // CTR
    ubfx    r0, r0, #16, #4         // DminLine: log2 of the line in words
    mov     r1, #4
    lsl     r0, r1, r0
    address r1, header
    address r2, mem_end
.Lclean\@:
    mcr     p15, 0, r1, c7, c14, 1  // DCCIMVAC
    add     r1, r1, r0
    cmp     r1, r2
    blo     .Lclean\@
    dsb     sy
.endm

// Makes floating point registers usable: core may use them.
// In:      Z set in Hyp mode
// Clobber: r0
.macro floating_point_on
    mrceq   p15, 4, r0, c1, c1, 2   // HCPTR
    biceq   r0, r0, #0xc00
    mcreq   p15, 4, r0, c1, c1, 2
    mrc     p15, 0, r0, c1, c0, 2   // CPACR
    orr     r0, r0, #0xf00000
    mcr     p15, 0, r0, c1, c0, 2
    isb
    mov     r0, #0x40000000         // EN
    vmsr    fpexc, r0
.endm

.section .text.entry, "ax"

// In:      whatever the old kernel left: Hyp or Supervisor mode, ARM state; translation off, or the blob
//          mapped one to one, readable, writable and executable. No stack, vector base or thread
//          register is relied on.
// Out:     the target, translation and data cache off: r0 = 0, r1 = all ones, r2 = device tree
// Clobber: everything; the registers found are in Arm32Scratch::entry, but TPIDRURW,
//          TPIDRURO, TPIDRPRW
.balign 4
.global handoff_entry
handoff_entry:
    mcr     p15, 0, r0, c13, c0, 2
    mcr     p15, 0, r1, c13, c0, 3
    mcr     p15, 0, r2, c13, c0, 4
    // from here on memory is as loaded, and what is stored with caches off is not hidden by a line
    mrs     r0, cpsr
    cpsid   aif
    address r1, area+{ENTRY}
    add     r1, r1, #{CPSR}
    mcr     p15, 0, r1, c7, c14, 1  // DCCIMVAC
    dsb     sy
    str     r0, [r1]
    clean_blob
    address r0, area+{ENTRY}
    add     r1, r0, #12
    stmia   r1, {{r3-r12}}
    str     sp, [r0, #52]
    str     lr, [r0, #56]
    mrc     p15, 0, r1, c13, c0, 2
    str     r1, [r0, #0]
    mrc     p15, 0, r1, c13, c0, 3
    str     r1, [r0, #4]
    mrc     p15, 0, r1, c13, c0, 4
    str     r1, [r0, #8]
    mrc     p15, 0, r1, c0, c0, 5   // MPIDR
    str     r1, [r0, #{MPIDR}]
    address r1, header
    str     r1, [r0, #{VA}]
    address r4, handoff_vectors
    mrs     r1, cpsr
    and     r1, r1, #{CPSR_MODE}
    cmp     r1, #{MODE_HYP}
    mrceq   p15, 4, r2, c1, c0, 0   // HSCTLR
    mrceq   p15, 4, r3, c12, c0, 0  // HVBAR
    mrcne   p15, 0, r2, c1, c0, 0   // SCTLR
    mrcne   p15, 0, r3, c12, c0, 0  // VBAR
    str     r2, [r0, #{SCTLR}]
    str     r3, [r0, #{VBAR}]
    // translation and data cache off; exceptions in ARM state at VBAR
    bic     r2, r2, #({SCTLR_M} | {SCTLR_C})
    bic     r2, r2, #0x40000000     // TE
    bicne   r2, r2, #0x2000         // V
    mcreq   p15, 4, r4, c12, c0, 0
    mcrne   p15, 0, r4, c12, c0, 0
    mcreq   p15, 4, r2, c1, c0, 0
    mcrne   p15, 0, r2, c1, c0, 0
    isb
    floating_point_on
    // if translation was on: lines that were stored to since
    clean_blob
    address r0, area+{STACK_END}
    mov     sp, r0
    mov     r11, #0
    mov     lr, #0
    address r0, area
    address r1, header
    bl      {run}
    // exceptions of the target are dumped until it sets its vectors
    address r0, area+{PHASE}
    mov     r1, #{PHASE_TARGET}
    str     r1, [r0]
    // a dirty line would overwrite what the target makes of this memory
    clean_blob
    mrs     r1, cpsr
    and     r1, r1, #{CPSR_MODE}
    cmp     r1, #{MODE_HYP}
    mrceq   p15, 4, r2, c1, c0, 0
    mrcne   p15, 0, r2, c1, c0, 0
    bic     r2, r2, #({SCTLR_M} | {SCTLR_C})
    mcreq   p15, 4, r2, c1, c0, 0
    mcrne   p15, 0, r2, c1, c0, 0
    isb
    mov     r0, #0
    mcreq   p15, 4, r0, c8, c7, 0   // TLBIALLH
    mcrne   p15, 0, r0, c2, c0, 2   // TTBCR: short descriptors, as after a reset
    mcrne   p15, 0, r0, c8, c7, 0   // TLBIALL
    mcr     p15, 0, r0, c7, c5, 0   // ICIALLU
    mcr     p15, 0, r0, c7, c5, 6   // BPIALL
    dsb     sy
    isb
    address r3, area
    ldr     r2, [r3, #{DTB}]
    ldr     r4, [r3, #{TARGET}]
    mov     r0, #0
    mvn     r1, #0
    bx      r4
