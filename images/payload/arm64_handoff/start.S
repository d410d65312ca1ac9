// Start, the entry of a handoff, vectors of EL2, and code that a handoff calls.

.section .start, "ax"
.globl start
start:
    msr     daifset, #15
    mrs     x9, CurrentEL
    mov     x10, #3 << 20
    cmp     x9, #8
    b.ne    1f
    mov     x10, #0x23ff                // no traps of floating point and SME
    msr     cptr_el2, x10
    adr     x10, vectors
    msr     vbar_el2, x10
    mov     x10, #3 << 20
1:  msr     cpacr_el1, x10
    isb
    msr     spsel, #1
    ldr     x9, =stack_end
    mov     sp, x9
    bl      {start}

// Enters at x0 with marks in all registers. In: x1 = 1 by `eret` to EL1, 0 by a jump.
.section .text.enter, "ax"
.globl enter
enter:
    cbz     x1, 1f
    msr     elr_el2, x0
    mov     x9, #0x3c5                  // EL1h, masked
    msr     spsr_el2, x9
1:  mov     x30, x0
    ldr     x9, =0x5a00000000000000
    .irp n, 0, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29
    add     x\n, x9, #\n
    .endr
    cbnz    x1, 2f
    add     x1, x9, #31
    mov     sp, x1
    add     x1, x9, #1
    add     x9, x9, #9
    br      x30
2:  add     x1, x9, #31
    msr     sp_el1, x1
    add     x1, x9, #1
    add     x9, x9, #9
    eret

// Calls of EL1, and all that is not expected at EL2.
.balign 2048
vectors:
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    .balign 128
    ldr     x9, =stack_end
    mov     sp, x9
    mov     x4, #\n
    mrs     x5, esr_el2
    mrs     x6, elr_el2
    mrs     x7, far_el2
    b       call
    .endr
    .balign 128
call:
    b       {called}
    .ltorg

.section .pages, "ax"
// The target of a handoff.
.balign 4096
.globl target
target:
    mrs     x9, CurrentEL
    adr     x4, target
    orr     x4, x4, x9, lsr #2
    cmp     x9, #8
    b.ne    1f
    mrs     x5, sctlr_el2
    mrs     x6, hcr_el2
    b       2f
1:  mrs     x5, sctlr_el1
    mov     x6, #0
2:  mrs     x7, daif
    msr     spsel, #1
    ldr     x9, =stack_end
    mov     sp, x9
    ldr     x9, ={arrived}
    br      x9
    .ltorg

// Code that the handoff calls, one exception each.
.balign 4096
.globl load
load:
    mov     x5, #8
    ldr     x6, [x5]
.globl store_to_text
store_to_text:
    adr     x5, store_to_text
    str     x6, [x5]
.globl fetch
fetch:
    mov     x5, #0x1000000
    br      x5
.globl fetch_data
fetch_data:
    // the stack is memory, and not executable
    mov     x5, sp
    and     x5, x5, #~63
    br      x5
.globl odd_pc
odd_pc:
    adr     x5, odd_pc
    orr     x5, x5, #2
    br      x5
.globl undefined
undefined:
    udf     #0
.globl supervisor_call
supervisor_call:
    svc     #7
.globl hypervisor_call
hypervisor_call:
    hvc     #7
.globl no_floating_point
no_floating_point:
    msr     cpacr_el1, xzr
    isb
    fmov    d0, #1.0
.globl illegal_state
illegal_state:
    mov     x5, #0x3cf                  // the mode EL3h
    adr     x6, undefined
    mrs     x7, CurrentEL
    cmp     x7, #8
    b.ne    1f
    msr     spsr_el2, x5
    msr     elr_el2, x6
    eret
1:  msr     spsr_el1, x5
    msr     elr_el1, x6
    eret
.globl stack_overflow
stack_overflow:
    mov     sp, #16
    str     x5, [sp, #-16]!
.globl unmask_irq
unmask_irq:
    msr     daifclr, #2
    isb
    b       undefined
.globl unmask_fiq
unmask_fiq:
    msr     daifclr, #1
    isb
    b       undefined
.globl unmask_serror
unmask_serror:
    msr     daifclr, #4
    isb
    b       undefined
.globl from_sp_el0
from_sp_el0:
    mov     x5, #0x7770
    msr     sp_el0, x5
    msr     spsel, #0
    mov     x5, #8
    ldr     x6, [x5]
.globl breakpoint
breakpoint:
    // every register but sp survives
    stp     x29, x30, [sp, #-112]!
    stp     x27, x28, [sp, #16]
    stp     x25, x26, [sp, #32]
    stp     x23, x24, [sp, #48]
    stp     x21, x22, [sp, #64]
    stp     x19, x20, [sp, #80]
    str     x18, [sp, #96]
    mov     x9, #0x5a
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
    add     x\n, x9, #\n
    .endr
    brk     #1
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
    sub     x\n, x\n, #\n
    cmp     x\n, x9
    b.ne    undefined
    .endr
    cmp     x9, #0x5a
    b.ne    undefined
    ldr     x18, [sp, #96]
    ldp     x19, x20, [sp, #80]
    ldp     x21, x22, [sp, #64]
    ldp     x23, x24, [sp, #48]
    ldp     x25, x26, [sp, #32]
    ldp     x27, x28, [sp, #16]
    ldp     x29, x30, [sp], #112
    ret
