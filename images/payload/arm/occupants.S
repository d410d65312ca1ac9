// Occupants of HYP mode: stubs of several kernel versions, written from docs/hyp-abi.md, and others
// that know nothing of the ABI. `occupant_kind` selects what the table does.

.section .text.occupants, "ax"

.balign 32
.globl occupant_vectors
occupant_vectors:
    b       .
    b       .
    b       .
    b       .
    b       .
    b       dispatch                    // from SVC mode
    b       .
    b       .

// Only r12 is changed before a kind decides what is lost.
dispatch:
    ldr     r12, =occupant_kind
    ldr     r12, [r12]
    add     pc, pc, r12, lsl #2
    nop
    b       first
    b       v4_12
    b       v5_7
    b       zimage
    b       kvm_like
    b       not_supported
    b       error
    b       ignores
    b       garbage
    b       garbage_everywhere
    b       wrong_success

// 3.6 to 4.11: a value is the vector base, and -1 asks for it.
first:
    cmn     r0, #1
    mrceq   p15, 4, r0, c12, c0, 0      // HVBAR
    mcrne   p15, 4, r0, c12, c0, 0
    eret

v4_12:
    cmp     r0, #2
    beq     wrong_success
zimage:
    cmp     r0, #0
    beq     1f
v5_7:
    cmp     r0, #1
    beq     restart
error:
    ldr     r0, =0x0badca11
    eret
1:  mcr     p15, 4, r1, c12, c0, 0
wrong_success:
    mov     r0, #0
    eret

restart:
    msr     elr_hyp, r1
    mov     r12, #0x1da                 // HYP, masked
    msr     spsr_cxsf, r12
    mrc     p15, 4, r12, c1, c0, 0      // HSCTLR
    bic     r12, r12, #5
    bic     r12, r12, #0x1000
    mcr     p15, 4, r12, c1, c0, 0
    isb
    eret

// As KVM: runs with translation on, removes itself for 1 and 2.
kvm_like:
    cmp     r0, #3
    bhs     not_supported
    cmp     r0, #0
    beq     error
    ldr     r12, =occupant_kind
    mov     r3, #1                      // the stub of 4.12 is back
    str     r3, [r12]
    cmp     r0, #1
    beq     restart
    mrc     p15, 4, r12, c1, c0, 0
    bic     r12, r12, #5
    bic     r12, r12, #0x1000
    mcr     p15, 4, r12, c1, c0, 0
    isb
    b       wrong_success

not_supported:
    mvn     r0, #0
ignores:
    eret
garbage_everywhere:
    ldr     r4, =0x4400
    add     r5, r4, #5
    add     r6, r4, #6
    add     r7, r4, #7
    add     r8, r4, #8
    add     r9, r4, #9
    add     r10, r4, #10
    add     r11, r4, #11
    msr     sp_svc, r11
    msr     lr_svc, r11
garbage:
    ldr     r0, =0x5a5a1234
    add     r1, r0, #1
    add     r2, r0, #2
    add     r3, r0, #3
    add     r12, r0, #12
    eret
.ltorg

.balign 8
.globl occupant_kind
occupant_kind:
    .word   0
