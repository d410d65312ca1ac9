// Start, the entry of a handoff, vectors of Hyp mode, and code that a handoff calls.

.arch_extension virt
.arch_extension sec
.fpu vfpv3-d16

.section .start, "ax"
.globl start
start:
    cpsid   aif
    mrs     r0, cpsr
    and     r0, r0, #0x1f
    cmp     r0, #0x1a
    ldreq   r1, =vectors
    mcreq   p15, 4, r1, c12, c0, 0      // HVBAR
    mrc     p15, 0, r1, c1, c0, 2       // CPACR
    orr     r1, r1, #0xf00000
    mcr     p15, 0, r1, c1, c0, 2
    isb
    mov     r1, #0x40000000
    vmsr    fpexc, r1
    ldr     sp, =stack_end
    bl      {start}
    .ltorg

// Enters at r0 with marks in all registers. In: r1 = 1 by `eret` to Supervisor mode, 0 by a jump.
.section .text.enter, "ax"
.globl enter
enter:
    cmp     r1, #0
    beq     1f
    msr     ELR_hyp, r0
    mov     r2, #0x1d3                  // Supervisor mode, masked
    msr     spsr_cxsf, r2
    ldr     r2, =0x5a00000d
    msr     sp_svc, r2
    ldr     r2, =0x5a00000e
    msr     lr_svc, r2
    b       2f
1:  mov     lr, r0
    ldr     sp, =0x5a00000d
2:  ldr     r12, =0x5a000000
    .irp n, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    add     r\n, r12, #\n
    .endr
    cmp     r1, #0
    add     r1, r12, #1
    add     r12, r12, #12
    bne     3f
    bx      lr
3:  eret
    .ltorg

// Calls of Supervisor mode, and all that is not expected in Hyp mode.
.balign 32
vectors:
    .rept 5
    b       unexpected
    .endr
    b       call
    b       unexpected
    b       unexpected
call:
    ldr     sp, =stack_end
    b       {called}
unexpected:
    ldr     sp, =stack_end
    mrc     p15, 4, r0, c5, c2, 0       // HSR
    mrs     r1, ELR_hyp
    mrc     p15, 4, r2, c6, c0, 0       // HDFAR
    b       {unexpected}
    .ltorg

.section .pages, "ax"
// The target of a handoff.
.balign 4096
.globl target
target:
    mrs     r3, cpsr
    adr     r4, target
    and     r5, r3, #0x1f
    cmp     r5, #0x1a
    mrceq   p15, 4, r6, c1, c0, 0       // HSCTLR
    mrcne   p15, 0, r6, c1, c0, 0       // SCTLR
    ldr     sp, =stack_end
    push    {{r4, r6}}
    ldr     r5, ={arrived}
    bx      r5
    .ltorg

// Code that the handoff calls, one exception each.
.balign 4096
.globl load
load:
    mov     r5, #8
    ldr     r6, [r5]
.globl store_to_text
store_to_text:
    adr     r5, store_to_text
    str     r6, [r5]
.globl fetch
fetch:
    mov     r5, #0x1000000
    bx      r5
.globl fetch_data
fetch_data:
    // the stack is memory, and not executable
    bic     r5, sp, #63
    bx      r5
.globl undefined
undefined:
    udf     #0
.globl supervisor_call
supervisor_call:
    svc     #7
.globl hypervisor_call
hypervisor_call:
    hvc     #7
.globl stack_overflow
stack_overflow:
    mov     sp, #16
    push    {{r5}}
.globl unmask_irq
unmask_irq:
    cpsie   i
    isb
    b       undefined
.globl unmask_fiq
unmask_fiq:
    cpsie   f
    isb
    b       undefined
.globl unmask_abort
unmask_abort:
    cpsie   a
    isb
    b       undefined
.globl breakpoint
breakpoint:
    // every register survives
    push    {{r4-r11, lr}}
    mov     r12, #0x5a
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14
    add     r\n, r12, #\n
    .endr
    bkpt    #1
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14
    sub     r\n, r\n, #\n
    cmp     r\n, r12
    bne     undefined
    .endr
    cmp     r12, #0x5a
    bne     undefined
    pop     {{r4-r11, pc}}
