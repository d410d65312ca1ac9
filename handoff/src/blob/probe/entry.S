// The start of the probe image: header, entry, a stub for EL2, exceptions.

.section .header, "ax"
header:
    b       probe_entry
    .long   0
    .quad   0                           // offset from a multiple of 2 MiB
    .quad   mem_end - header
    .quad   0xa                         // little endian, pages of 4 KiB, anywhere in memory
    .quad   0, 0, 0
    .ascii  "ARM\x64"
    .long   0

.macro address register, symbol
    adrp    \register, \symbol
    add     \register, \register, :lo12:\symbol
.endm

.section .text.entry, "ax"

// In:      x0 = device tree; EL1 or EL2, translation off
.balign 4
.globl probe_entry
probe_entry:
    mrs     x1, daif
    msr     daifset, #15
    mov     x5, x0
    address x9, probe_vectors
    mov     x10, #{CPACR_FPEN}
    mrs     x2, CurrentEL
    cmp     x2, #{CURRENT_EL2}
    b.ne    2f
    mrs     x3, sctlr_el2
    mrs     x4, hcr_el2
    msr     vbar_el2, x9
    tbnz    x4, #{E2H_BIT}, 1f
    mov     x10, #{CPTR_NO_FP_TRAP}
1:  msr     cptr_el2, x10
    b       3f
2:  mrs     x3, sctlr_el1
    mov     x4, xzr
    msr     vbar_el1, x9
    msr     cpacr_el1, x10
3:  isb
    msr     spsel, #1
    address x9, hyp_stack_end
    mov     sp, x9
    mov     x29, #0
    mov     x30, #0
    b       {start}

.section .text.levels, "ax"

// Leaves EL2 for `below` at EL1, with a stub at EL2.
.globl probe_drop
probe_drop:
    mov     x9, #{HCR_RW}
    msr     hcr_el2, x9
    isb
    mov     x9, #{CPTR_NO_FP_TRAP}
    msr     cptr_el2, x9
    address x9, probe_stub
    msr     vbar_el2, x9
    address x9, probe_vectors
    msr     vbar_el1, x9
    address x9, kernel_stack_end
    msr     sp_el1, x9
    mov     x9, #{CPACR_FPEN}
    msr     cpacr_el1, x9
    movz    x9, #0x0800                 // reserved bits
    movk    x9, #0x30d0, lsl #16
    msr     sctlr_el1, x9
    mov     x9, #0x3c5                  // EL1h, masked
    msr     spsr_el2, x9
    adr     x9, 1f
    msr     elr_el2, x9
    isb
    eret
1:  mov     x29, #0
    mov     x30, #0
    b       {below}

// The target of the restart.
.globl probe_landed
probe_landed:
    address x9, report_stack_end
    msr     spsel, #1
    mov     sp, x9
    mrs     x3, daif
    mrs     x4, CurrentEL
    cmp     x4, #{CURRENT_EL2}
    b.ne    1f
    mrs     x5, sctlr_el2
    address x9, probe_vectors
    msr     vbar_el2, x9
    isb
    b       2f
1:  mrs     x5, sctlr_el1
2:  b       {landed}

// A stub as docs/hyp-abi.md describes that of 4.12 and later: restart, reset, and an error.
.balign 2048
probe_stub:
    .rept 8
    b       .
    .balign 128
    .endr
    b       probe_stub_call             // synchronous, from EL1 in AArch64
    .balign 128
    .rept 7
    b       .
    .balign 128
    .endr
probe_stub_call:
    cmp     x0, #1
    b.eq    1f
    cmp     x0, #2
    b.eq    2f
    movz    x0, #0xca11
    movk    x0, #0xbad, lsl #16
    eret
1:  msr     elr_el2, x1
    mov     x17, #0x3c9                 // EL2h, masked
    msr     spsr_el2, x17
    mov     x0, x2
    mov     x1, x3
    mov     x2, x4
    eret
2:  mov     x0, #0
    eret

.balign 2048
probe_vectors:
    .rept 16
    mov     x0, #(. - probe_vectors)
    b       probe_exception
    .balign 128
    .endr
probe_exception:
    mrs     x1, CurrentEL
    cmp     x1, #{CURRENT_EL2}
    b.ne    1f
    mrs     x2, esr_el2
    mrs     x3, elr_el2
    mrs     x4, far_el2
    b       2f
1:  mrs     x2, esr_el1
    mrs     x3, elr_el1
    mrs     x4, far_el1
2:  address x9, report_stack_end
    msr     spsel, #1
    mov     sp, x9
    b       {exception}

.section .text.memory, "ax"

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
    sub     x3, x0, x1
    cmp     x3, x2
    b.hs    memcpy                      // x0 is not inside of the source
1:  cbz     x2, 2f
    sub     x2, x2, #1
    ldrb    w4, [x1, x2]
    strb    w4, [x0, x2]
    b       1b
2:  ret
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
    cbz     x2, 2f
    ldrb    w3, [x0], #1
    ldrb    w4, [x1], #1
    sub     x2, x2, #1
    subs    w3, w3, w4
    b.eq    memcmp
    mov     w0, w3
    ret
2:  mov     w0, #0
    ret
