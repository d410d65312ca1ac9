// The exception vectors.
// Every operand in braces is a constant from Rust (main.rs); `address` and `floating_point_on` are in entry.S.

.section .text.vectors, "ax"

// In:      any exception of the blob, or of a target that has not set its vectors. The blob must be mapped
//          one to one, or translation be off.
// Out:     return from exception, after `bkpt` only
// Clobber: TPIDRURW, TPIDRURO, TPIDRPRW; banked registers of the exception's mode
.balign 32
.global handoff_vectors
handoff_vectors:
    b       .Lvector0
    b       .Lvector1
    b       .Lvector2
    b       .Lvector3
    b       .Lvector4
    b       .Lvector5
    b       .Lvector6
    b       .Lvector7

.macro vector number
.Lvector\number:
    mcr     p15, 0, r0, c13, c0, 2
    mov     r0, #\number
    b       handoff_trap
.endm
    vector  0
    vector  1
    vector  2
    vector  3
    vector  4
    vector  5
    vector  6
    vector  7

handoff_trap:
    mcr     p15, 0, r1, c13, c0, 3
    mcr     p15, 0, r2, c13, c0, 4
    address r1, area+{LEVEL}
    ldr     r2, [r1]
    add     r2, r2, #1
    str     r2, [r1]
    cmp     r2, #{LEVELS}
    bhi     .Ltoo_deep
    address r1, area+{STACKS}
    add     r1, r1, r2, lsl #{STACK_SHIFT}  // each level has its stack
    sub     r1, r1, #{FRAME}
    // r1 = frame, r0 = vector
    add     r2, r1, #12
    stmia   r2, {{r3-r12}}
    str     r0, [r1, #{VECTOR}]
    mov     r4, r1
    mov     r5, r0
    mrc     p15, 0, r0, c13, c0, 2
    str     r0, [r4, #0]
    mrc     p15, 0, r0, c13, c0, 3
    str     r0, [r4, #4]
    mrc     p15, 0, r0, c13, c0, 4
    str     r0, [r4, #8]
    mrs     r6, spsr
    str     r6, [r4, #{CPSR}]
    mrs     r7, cpsr
    and     r0, r7, #{CPSR_MODE}
    cmp     r0, #{MODE_HYP}
    beq     .Lhyp

    // Supervisor mode was interrupted, or another one of the target: its banked registers
    mov     r8, lr
    orr     r9, r6, #0xc0
    bic     r9, r9, #0x20           // ARM state
    and     r0, r6, #{CPSR_MODE}
    cmp     r0, #0x10               // User mode has the registers of System mode
    orreq   r9, r9, #0xf
    msr     cpsr_c, r9
    mov     r1, sp
    mov     r2, lr
    msr     cpsr_c, r7
    str     r1, [r4, #52]
    str     r2, [r4, #56]
    sub     r8, r8, #4              // undefined, supervisor call, prefetch abort, interrupts
    cmp     r5, #4
    subeq   r8, r8, #4              // data abort
    str     r8, [r4, #{PC}]
    mov     r0, #0
    mov     r1, #0
    mrceq   p15, 0, r0, c5, c0, 0   // DFSR
    mrceq   p15, 0, r1, c6, c0, 0   // DFAR
    cmp     r5, #3
    mrceq   p15, 0, r0, c5, c0, 1   // IFSR
    mrceq   p15, 0, r1, c6, c0, 2   // IFAR
    mrc     p15, 0, r2, c1, c0, 0   // SCTLR
    b       .Lsaved
.Lhyp:
    str     sp, [r4, #52]
    str     lr, [r4, #56]
    mrs     r0, ELR_hyp
    str     r0, [r4, #{PC}]
    mrc     p15, 4, r0, c5, c2, 0   // HSR
    mov     r1, #0
    cmp     r5, #4
    mrceq   p15, 4, r1, c6, c0, 0   // HDFAR
    cmp     r5, #3
    mrceq   p15, 4, r1, c6, c0, 2   // HIFAR
    mrc     p15, 4, r2, c1, c0, 0   // HSCTLR
.Lsaved:
    str     r0, [r4, #{SYNDROME}]
    str     r1, [r4, #{FAR}]
    str     r2, [r4, #{SCTLR}]
    mov     sp, r4
    and     r0, r7, #{CPSR_MODE}
    cmp     r0, #{MODE_HYP}
    floating_point_on               // the target may have switched them off
    mov     r0, r4
    address r1, area
    bl      {trapped}

    address r1, area+{LEVEL}
    ldr     r0, [r1]
    sub     r0, r0, #1
    str     r0, [r1]
    ldr     r0, [r4, #{CPSR}]
    msr     spsr_cxsf, r0
    ldr     r1, [r4, #{PC}]
    mrs     r7, cpsr
    and     r0, r7, #{CPSR_MODE}
    cmp     r0, #{MODE_HYP}
    beq     .Lreturn_hyp
    mov     lr, r1
    mov     r0, r4
    ldr     r1, [r0, #0]
    mcr     p15, 0, r1, c13, c0, 2
    ldmib   r0, {{r1-r12}}
    mrc     p15, 0, r0, c13, c0, 2
    movs    pc, lr
.Lreturn_hyp:
    msr     ELR_hyp, r1
    mov     r0, r4
    ldr     sp, [r0, #52]
    ldr     lr, [r0, #56]
    ldr     r1, [r0, #0]
    mcr     p15, 0, r1, c13, c0, 2
    ldmib   r0, {{r1-r12}}
    mrc     p15, 0, r0, c13, c0, 2
    eret

.Ltoo_deep:
    wfi
    b       .Ltoo_deep
