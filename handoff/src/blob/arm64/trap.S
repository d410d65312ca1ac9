// The exception vectors.
// Every operand in braces is a constant from Rust (main.rs); `address` and `floating_point_on` are in entry.S.

// One entry of the table: x0 and x1 are saved, x0 = number.
.macro vector number
    .balign 128
    msr     tpidr_el0, x0
    msr     tpidrro_el0, x1
    mov     x0, #\number
    b       handoff_trap
.endm

.section .text.vectors, "ax"

// In:      any exception at the level of the blob, of the blob or of a target that has not set
//          its vectors. The blob must be mapped one to one, or translation be off.
// Out:     eret, after `brk` only
// Clobber: TPIDR_EL0, TPIDRRO_EL0, TPIDR_EL1
.balign 2048
.global handoff_vectors
handoff_vectors:
    .irp number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    vector  \number
    .endr

.balign 4
handoff_trap:
    msr     tpidr_el1, x2
    address x1, area+{LEVEL}
    ldr     x2, [x1]
    add     x2, x2, #1
    str     x2, [x1]
    cmp     x2, #{LEVELS}
    b.hi    .Ltoo_deep
    lsl     x2, x2, #{STACK_SHIFT}  // each level has its stack
    address x1, area+{STACKS}
    add     x1, x1, x2
    sub     x1, x1, #{FRAME}
    mov     x2, sp
    mov     sp, x1
    str     x2, [sp, #8 * 31]
    str     x0, [sp, #{VECTOR}]
    mrs     x0, tpidr_el0
    mrs     x1, tpidrro_el0
    mrs     x2, tpidr_el1
    stp     x0, x1, [sp, #0]
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x19, [sp, #144]
    stp     x20, x21, [sp, #160]
    stp     x22, x23, [sp, #176]
    stp     x24, x25, [sp, #192]
    stp     x26, x27, [sp, #208]
    stp     x28, x29, [sp, #224]
    str     x30, [sp, #240]
    ldr     x0, [sp, #{VECTOR}]
    cmp     x0, #4                  // from SP_EL0: that is its stack pointer
    b.hs    1f
    mrs     x0, sp_el0
    str     x0, [sp, #8 * 31]
1:  mrs     x9, CurrentEL
    str     x9, [sp, #{CURRENT_EL}]
    cmp     x9, #{CURRENT_EL2}
    b.ne    2f
    mrs     x0, elr_el2
    mrs     x1, spsr_el2
    mrs     x2, esr_el2
    mrs     x3, far_el2
    mrs     x4, sctlr_el2
    mrs     x5, hcr_el2
    b       3f
2:  mrs     x0, elr_el1
    mrs     x1, spsr_el1
    mrs     x2, esr_el1
    mrs     x3, far_el1
    mrs     x4, sctlr_el1
    mov     x5, #0
3:  str     x0, [sp, #{ELR}]
    str     x1, [sp, #{SPSR}]
    str     x2, [sp, #{ESR}]
    str     x3, [sp, #{FAR}]
    str     x4, [sp, #{SCTLR}]
    str     x5, [sp, #{HCR}]
    floating_point_on               // the target may have switched them off
    mov     x0, sp
    address x1, area
    bl      {trapped}
    ldr     x0, [sp, #{ELR}]
    ldr     x1, [sp, #{SPSR}]
    ldr     x9, [sp, #{CURRENT_EL}]
    cmp     x9, #{CURRENT_EL2}
    b.ne    4f
    msr     elr_el2, x0
    msr     spsr_el2, x1
    b       5f
4:  msr     elr_el1, x0
    msr     spsr_el1, x1
5:  address x9, area+{LEVEL}
    ldr     x10, [x9]
    sub     x10, x10, #1
    str     x10, [x9]
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x8, x9, [sp, #64]
    ldp     x10, x11, [sp, #80]
    ldp     x12, x13, [sp, #96]
    ldp     x14, x15, [sp, #112]
    ldp     x16, x17, [sp, #128]
    ldp     x18, x19, [sp, #144]
    ldp     x20, x21, [sp, #160]
    ldp     x22, x23, [sp, #176]
    ldp     x24, x25, [sp, #192]
    ldp     x26, x27, [sp, #208]
    ldp     x28, x29, [sp, #224]
    ldr     x30, [sp, #240]
    ldr     x1, [sp, #8 * 31]
    ldr     x0, [sp, #8]
    msr     tpidr_el0, x0
    ldr     x0, [sp, #0]
    mov     sp, x1
    mrs     x1, tpidr_el0
    eret

.Ltoo_deep:
    wfi
    b       .Ltoo_deep
