// Start, the drop to SVC mode, the target of a restart, and the vectors of unexpected exceptions.

.arm
.arch_extension virt
.arch_extension sec
.fpu vfpv3-d16

.section .start, "ax"
.globl start
start:
    cpsid   aif
    mrs     r0, cpsr
    and     r0, r0, #31
    cmp     r0, #0x1a
    ldr     r1, =unexpected
    mcrne   p15, 0, r1, c12, c0, 0      // VBAR
    bne     1f
    mcr     p15, 4, r1, c12, c0, 0      // HVBAR
    mov     r1, #0
    mcr     p15, 4, r1, c1, c1, 0       // HCR
    ldr     r1, =0x33ff
    mcr     p15, 4, r1, c1, c1, 2       // HCPTR
1:  bl      floating_point
    ldr     sp, =hyp_stack_end
    b       {start}

floating_point:
    mrc     p15, 0, r1, c1, c0, 2       // CPACR
    orr     r1, r1, #0xf << 20
    mcr     p15, 0, r1, c1, c0, 2
    isb
    mov     r1, #1 << 30
    vmsr    fpexc, r1
    bx      lr
.ltorg

// Leaves HYP mode for `kernel` in SVC mode, with translation off and low vectors.
.section .text.asm, "ax"
.globl drop
drop:
    ldr     r1, =unexpected
    mcr     p15, 0, r1, c12, c0, 0
    ldr     r1, =0x00c50078
    mcr     p15, 0, r1, c1, c0, 0       // SCTLR
    ldr     r1, =kernel_stack_end
    msr     sp_svc, r1
    mov     r1, #0x1d3                  // SVC, masked
    msr     spsr_cxsf, r1
    adr     r1, 1f
    msr     elr_hyp, r1
    eret
1:  b       {kernel}

// The target of a restart: in a state of which nothing is assumed.
.globl target
target:
    ldr     sp, =target_stack_end
    mrs     r3, cpsr
    and     r4, r3, #31
    cmp     r4, #0x1a
    mrceq   p15, 4, r4, c1, c0, 0       // HSCTLR
    mrcne   p15, 0, r4, c1, c0, 0
    push    {{r4, r5}}
    b       {target}
.ltorg

.balign 32
unexpected:
.irp number,0,1,2,3,4,5,6,7
    b       unexpected\number
.endr
.irp number,0,1,2,3,4,5,6,7
unexpected\number:
    mov     r0, #\number
    b       report
.endr
report:
    mov     r2, lr
    mrs     r1, cpsr
    ldr     sp, =target_stack_end
    b       {unexpected}
.ltorg

// What the compiler calls.
.globl memset, memcpy, memmove, memcmp, bcmp
.globl __aeabi_memset, __aeabi_memset4, __aeabi_memset8
.globl __aeabi_memclr, __aeabi_memclr4, __aeabi_memclr8
.globl __aeabi_memcpy, __aeabi_memcpy4, __aeabi_memcpy8
.globl __aeabi_unwind_cpp_pr0, __aeabi_unwind_cpp_pr1, rust_eh_personality
__aeabi_memclr:
__aeabi_memclr4:
__aeabi_memclr8:
    mov     r2, #0
__aeabi_memset:
__aeabi_memset4:
__aeabi_memset8:
    mov     r3, r1
    mov     r1, r2
    mov     r2, r3
memset:
    mov     r3, r0
1:  subs    r2, r2, #1
    bxlo    lr
    strb    r1, [r3], #1
    b       1b
__aeabi_memcpy:
__aeabi_memcpy4:
__aeabi_memcpy8:
memmove:
memcpy:
    mov     r3, r0
1:  subs    r2, r2, #1
    bxlo    lr
    ldrb    r12, [r1], #1
    strb    r12, [r3], #1
    b       1b
bcmp:
memcmp:
    mov     r3, r0
    mov     r0, #0
1:  subs    r2, r2, #1
    bxlo    lr
    ldrb    r0, [r3], #1
    ldrb    r12, [r1], #1
    subs    r0, r0, r12
    beq     1b
    bx      lr
__aeabi_unwind_cpp_pr0:
__aeabi_unwind_cpp_pr1:
rust_eh_personality:
    bx      lr
