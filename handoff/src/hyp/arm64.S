// A call with every general register lost, an exception of the call caught, and the landing of a
// restart. All addresses are relative to pc: after the call no register holds a pointer.

.section .text.handoff_hyp, "ax"

// Vectors of EL1 during a call: all kinds, at both stack pointers and from below.
.balign 2048
handoff_hyp_vectors:
.rept 16
    b       handoff_hyp_fault
    .balign 128
.endr

.macro area register
    adrp    \register, handoff_hyp_area
    add     \register, \register, :lo12:handoff_hyp_area
.endm

// x0 = five registers for the call, x1 = six for the reply (x0 to x3, ESR_EL1, ELR_EL1); returns 1
// after an exception.
.globl handoff_hyp_call
handoff_hyp_call:
    area    x9
    stp     x18, x19, [x9, #{SAVED}]
    stp     x20, x21, [x9, #{SAVED} + 16]
    stp     x22, x23, [x9, #{SAVED} + 32]
    stp     x24, x25, [x9, #{SAVED} + 48]
    stp     x26, x27, [x9, #{SAVED} + 64]
    stp     x28, x29, [x9, #{SAVED} + 80]
    mov     x10, sp
    stp     x30, x10, [x9, #{SAVED} + 96]
    mrs     x10, daif
    mrs     x11, vbar_el1
    stp     x10, x11, [x9, #{SAVED} + 112]
    mrs     x10, spsel
    stp     x10, x1, [x9, #{SAVED} + 128]
    msr     daifset, #15
    adr     x10, handoff_hyp_vectors
    msr     vbar_el1, x10
    isb
    ldp     x2, x3, [x0, #16]
    ldr     x4, [x0, #32]
    ldp     x0, x1, [x0]
    hvc     #0
    msr     daifset, #15
    area    x17
    stp     x0, x1, [x17, #{REPLY}]
    stp     x2, x3, [x17, #{REPLY} + 16]
    mov     x0, #0
    b       1f

handoff_hyp_fault:
    area    x17
    stp     x0, x1, [x17, #{REPLY}]
    stp     x2, x3, [x17, #{REPLY} + 16]
    mov     x0, #1
1:  mrs     x1, esr_el1
    mrs     x2, elr_el1
    stp     x1, x2, [x17, #{REPLY} + 32]
    ldp     x10, x1, [x17, #{SAVED} + 128]
    ldp     x2, x3, [x17, #{REPLY}]
    stp     x2, x3, [x1]
    ldp     x2, x3, [x17, #{REPLY} + 16]
    stp     x2, x3, [x1, #16]
    ldp     x2, x3, [x17, #{REPLY} + 32]
    stp     x2, x3, [x1, #32]
    msr     spsel, x10
    ldp     x30, x10, [x17, #{SAVED} + 96]
    mov     sp, x10
    ldp     x18, x19, [x17, #{SAVED}]
    ldp     x20, x21, [x17, #{SAVED} + 16]
    ldp     x22, x23, [x17, #{SAVED} + 32]
    ldp     x24, x25, [x17, #{SAVED} + 48]
    ldp     x26, x27, [x17, #{SAVED} + 64]
    ldp     x28, x29, [x17, #{SAVED} + 80]
    ldp     x10, x11, [x17, #{SAVED} + 112]
    msr     vbar_el1, x11
    isb
    msr     daif, x10
    ret

// The target of a restart: at its physical address, in EL2. Does what the occupant should have done,
// and takes the registers of the real target from memory.
.globl handoff_hyp_landing
handoff_hyp_landing:
    msr     daifset, #15
    mrs     x9, CurrentEL
    cmp     x9, #8
    b.ne    2f
    mrs     x9, sctlr_el2
    mov     x10, #0x1005                // M, C, I
    bic     x9, x9, x10
    msr     sctlr_el2, x9
    isb
2:  area    x9
    ldp     x10, x0, [x9, #{TARGET}]
    ldp     x1, x2, [x9, #{TARGET} + 16]
    mov     x3, xzr
    br      x10

.globl handoff_hyp_end
handoff_hyp_end:

.section .data.handoff_hyp, "aw"
.balign 256
.globl handoff_hyp_area
handoff_hyp_area:
    .space  {SIZE}
