// Occupants of EL2: stubs of several kernel versions, written from docs/hyp-abi.md, and others that
// know nothing of the ABI. `occupant_kind` selects what a table does.

.section .text.occupants, "ax"

.balign 2048
.globl occupant_vectors
occupant_vectors:
.rept 8
    b       .
    .balign 128
.endr
    b       dispatch                    // synchronous, from EL1 in AArch64
    .balign 128
.rept 7
    b       .
    .balign 128
.endr

// Only x16 and x17 are changed before a kind decides what is lost.
dispatch:
    adr     x16, occupant_kind
    ldr     x16, [x16]
    adr     x17, kinds
    add     x17, x17, x16, lsl #2
    br      x17
kinds:
    b       first
    b       v4_7
    b       v4_12
    b       v5_12
    b       v6_19
    b       kvm_like
    b       not_supported
    b       always_error
    b       ignores
    b       garbage
    b       garbage_everywhere
    b       wrong_success

// 3.7 to 4.6: a value is the vector base, and 0 asks for it.
first:
    cbz     x0, 1f
    msr     vbar_el2, x0
    eret
1:  mrs     x0, vbar_el2
    eret

// 4.7 to 4.11: get, set, restart; x30 is lost.
v4_7:
    mov     x30, #0x16
    cmp     x0, #1
    b.lo    1f
    b.eq    2f
    cmp     x0, #2
    b.eq    restart
    mov     x0, #3
    eret
1:  mrs     x0, vbar_el2
    eret
2:  msr     vbar_el2, x1
    eret

v6_19:
    cmp     x0, #4
    b.ne    v5_12
    mrs     x1, S3_4_C12_C11_1          // ICH_VTR_EL2
    b       success
v5_12:
    cmp     x0, #3
    b.eq    upgrade
v4_12:
    cmp     x0, #1
    b.lo    3f
    b.eq    restart
    cmp     x0, #2
    b.eq    success
error:
    movz    x0, #0xca11
    movk    x0, #0xbad, lsl #16
    eret
3:  msr     vbar_el2, x1
success:
    mov     x0, #0
    eret

// By an exception return to EL2, with all masked.
restart:
    msr     elr_el2, x1
    mov     x17, #0x3c9
    msr     spsr_el2, x17
    mov     x0, x2
    mov     x1, x3
    mov     x2, x4
    mrs     x17, sctlr_el2
    mov     x16, #0x1005
    bic     x17, x17, x16
    msr     sctlr_el2, x17
    isb
    eret

// VHE: the caller continues in EL2 with its stack, vectors and floating point.
upgrade:
    mrs     x16, sctlr_el2
    tbnz    x16, #0, error
    mrs     x16, id_aa64mmfr1_el1
    ubfx    x16, x16, #8, #4
    cbz     x16, error
    mrs     x16, vbar_el1
    mrs     x17, sp_el1
    mov     sp, x17
    mrs     x17, cpacr_el1
    mov     x0, #0x88
    lsl     x0, x0, #24                 // RW, TGE
    orr     x0, x0, #1 << 34            // E2H
    msr     hcr_el2, x0
    isb
    msr     vbar_el2, x16
    msr     cpacr_el1, x17
    mrs     x16, spsr_el2
    bic     x16, x16, #15
    orr     x16, x16, #8                // EL2h
    orr     x16, x16, #1
    msr     spsr_el2, x16
    b       success

// As KVM without VHE: runs with translation on, removes itself for 1 and 2.
kvm_like:
    cmp     x0, #5
    b.hs    not_supported
    cmp     x0, #1
    b.eq    1f
    cmp     x0, #2
    b.ne    error
1:  mrs     x17, sctlr_el2
    mov     x16, #0x1005
    bic     x17, x17, x16
    msr     sctlr_el2, x17
    isb
    adr     x17, occupant_kind
    mov     x16, #4                     // the stub of 6.19 is back
    str     x16, [x17]
    cmp     x0, #1
    b.eq    restart
    b       success

not_supported:
    mov     x0, #-1
    eret
always_error:
    b       error
ignores:
    eret
wrong_success:
    mov     x0, #0
    eret
garbage_everywhere:
    mov     x19, #0x1900
    mov     x20, #0x2000
    mov     x21, #0x2100
    mov     x22, #0x2200
    mov     x23, #0x2300
    mov     x24, #0x2400
    mov     x25, #0x2500
    mov     x26, #0x2600
    mov     x27, #0x2700
    mov     x28, #0x2800
    mov     x29, #0x2900
    msr     sp_el1, x29
garbage:
    movz    x0, #0x5a5a, lsl #32
    movk    x0, #0x1234
.irp n,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18
    add     x\n, x0, #\n
.endr
    mov     x30, #0x3000
    eret

.balign 8
.globl occupant_kind
occupant_kind:
    .quad   0
