// Start, the drop to EL1, the target of a restart, and the vectors of unexpected exceptions.

.section .start, "ax"
.globl start
start:
    msr     daifset, #15
    adr     x9, unexpected
    mrs     x10, CurrentEL
    cmp     x10, #8
    b.ne    1f
    msr     vbar_el2, x9
    mov     x9, #0x33ff                 // no traps of floating point
    msr     cptr_el2, x9
    mov     x9, #1
    lsl     x9, x9, #31                 // EL1 is AArch64
    msr     hcr_el2, x9
    mov     x9, #9                      // the registers of a GICv3, if there is one
    mrs     x10, id_aa64pfr0_el1
    ubfx    x10, x10, #24, #4
    cbz     x10, 2f
    msr     S3_4_C12_C9_5, x9           // ICC_SRE_EL2
    b       2f
1:  msr     vbar_el1, x9
    mov     x9, #3 << 20
    msr     cpacr_el1, x9
2:  isb
    msr     spsel, #1
    adrp    x9, hyp_stack_end
    add     sp, x9, :lo12:hyp_stack_end
    b       {start}

// Leaves EL2 for `kernel` at EL1, with translation off.
.section .text.asm, "ax"
.globl drop
drop:
    adr     x9, unexpected
    msr     vbar_el1, x9
    adrp    x9, kernel_stack_end
    add     x9, x9, :lo12:kernel_stack_end
    msr     sp_el1, x9
    mov     x9, #3 << 20
    msr     cpacr_el1, x9
    ldr     x9, =0x30d00800
    msr     sctlr_el1, x9
    mov     x9, #0x3c5                  // EL1h, masked
    msr     spsr_el2, x9
    adr     x9, 1f
    msr     elr_el2, x9
    eret
1:  b       {kernel}
    .ltorg

// The target of a restart: in a state of which nothing is assumed.
.globl target
target:
    adrp    x9, target_stack_end
    add     x9, x9, :lo12:target_stack_end
    mrs     x10, spsel
    msr     spsel, #1
    mov     sp, x9
    mrs     x3, daif
    mrs     x4, CurrentEL
    cmp     x4, #8
    b.ne    1f
    adr     x9, unexpected
    msr     vbar_el2, x9
    mrs     x5, sctlr_el2
    mrs     x6, hcr_el2
    b       2f
1:  mrs     x5, sctlr_el1
    mov     x6, xzr
2:  b       {target}

.balign 2048
unexpected:
.rept 16
    mov     x0, #(. - unexpected)
    b       report
    .balign 128
.endr
report:
    mrs     x1, CurrentEL
    cmp     x1, #8
    b.ne    1f
    mrs     x2, esr_el2
    mrs     x3, elr_el2
    mrs     x4, far_el2
    b       2f
1:  mrs     x2, esr_el1
    mrs     x3, elr_el1
    mrs     x4, far_el1
2:  adrp    x9, target_stack_end
    add     sp, x9, :lo12:target_stack_end
    b       {unexpected}

// What the compiler calls.
.globl memset, memcpy, memmove, memcmp, bcmp
memset:
    mov     x3, x0
1:  cbz     x2, 2f
    strb    w1, [x3], #1
    sub     x2, x2, #1
    b       1b
2:  ret
memmove:
memcpy:
    mov     x3, x0
1:  cbz     x2, 2f
    ldrb    w4, [x1], #1
    strb    w4, [x3], #1
    sub     x2, x2, #1
    b       1b
2:  ret
bcmp:
memcmp:
1:  cbz     x2, 2f
    ldrb    w3, [x0], #1
    ldrb    w4, [x1], #1
    sub     x2, x2, #1
    subs    w3, w3, w4
    b.eq    1b
    mov     w0, w3
    ret
2:  mov     w0, #0
    ret
