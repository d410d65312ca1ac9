// Machine mode: start and trap handler. Then code for supervisor mode.

.option arch, +zicsr
.option norelax

.section .start, "ax"
.globl start
start:
    lla     sp, stack_end
    lla     t0, trap
    csrw    mtvec, t0
    csrw    mscratch, sp
    call    {start}

// Every trap in machine mode: saves x1 to x31, calls the monitor, returns.
.balign 4
trap:
    csrrw   sp, mscratch, sp
    addi    sp, sp, -256
    .irp n,1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    sd      x\n, \n*8(sp)
    .endr
    csrr    t0, mscratch
    sd      t0, 16(sp)
    mv      a0, sp
    call    {trap}
    .irp n,1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    ld      x\n, \n*8(sp)
    .endr
    addi    sp, sp, 256
    csrrw   sp, mscratch, sp
    mret

// Enters supervisor mode: a0 = hart, a1 = device tree, a2 = for `legacy`; sepc is set.
.globl enter
enter:
    sret

.section .pages, "ax"
// The target of a handoff.
.balign 4096
.globl target
target:
    csrr    a2, satp
    csrr    a3, sstatus
    li      a7, {TARGET}
    ecall
    unimp

// What Linux does without a trampoline: runs at an address that is not physical, turns
// translation off, and expects the fault of the next fetch to lead to a2.
.balign 4096
.globl legacy
legacy:
    csrw    stvec, a2
    csrw    satp, zero
    nop
    nop
    unimp

// Code that the handoff calls, one trap each.
.balign 4096
.globl fetch_page_fault
fetch_page_fault:
    li      t0, 0x4000000000
    srli    t0, t0, 2
    jr      t0
.balign 4
.globl load_page_fault
load_page_fault:
    li      t0, 8
    ld      t1, 0(t0)
.balign 4
.globl store_page_fault
store_page_fault:
    li      t0, 16
    sd      t1, 0(t0)
.balign 4
.globl store_to_text
store_to_text:
    lla     t0, store_to_text
    sd      t1, 0(t0)
.balign 4
.globl load_access_fault
load_access_fault:
    li      t0, 0xb8000000
    ld      t1, 0(t0)
.balign 4
.globl store_access_fault
store_access_fault:
    li      t0, 0xb8000008
    sd      t1, 0(t0)
.balign 4
.globl stack_overflow
stack_overflow:
    li      sp, 0
    addi    sp, sp, -16
    sd      ra, 0(sp)
.balign 4
.globl illegal
illegal:
    unimp
.balign 4
.globl breakpoint
breakpoint:
    li      t5, 0x5a5a
    ebreak
    li      t0, 0x5a5a
    bne     t0, t5, illegal
    ret
