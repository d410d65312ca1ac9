// The trap handler.
// Every operand in braces is a constant from Rust (main.rs).

.section .text.trap, "ax"

// In:      any trap in supervisor mode, of the blob or of a target that has not set
//          stvec. The blob must be mapped where this code runs.
// Out:     sret, after `ebreak` only
// Clobber: sscratch
.balign 4
.global handoff_trap
handoff_trap:
    csrw    sscratch, sp
    lla     sp, area + {LEVEL}
    sd      t0, {T0} - {LEVEL}(sp)
    ld      t0, 0(sp)
    addi    t0, t0, 1
    sd      t0, 0(sp)
    addi    t0, t0, -{LEVELS}
    bgtz    t0, .Ltoo_deep
    addi    t0, t0, {LEVELS}
    slli    t0, t0, {STACK_SHIFT}   // each level has its stack
    lla     sp, area + {STACKS}
    add     sp, sp, t0
    addi    sp, sp, -{FRAME}
    sd      x1, 8(sp)
    sd      x3, 24(sp)
    sd      x4, 32(sp)
    sd      x6, 48(sp)
    sd      x7, 56(sp)
    sd      x8, 64(sp)
    sd      x9, 72(sp)
    sd      x10, 80(sp)
    sd      x11, 88(sp)
    sd      x12, 96(sp)
    sd      x13, 104(sp)
    sd      x14, 112(sp)
    sd      x15, 120(sp)
    sd      x16, 128(sp)
    sd      x17, 136(sp)
    sd      x18, 144(sp)
    sd      x19, 152(sp)
    sd      x20, 160(sp)
    sd      x21, 168(sp)
    sd      x22, 176(sp)
    sd      x23, 184(sp)
    sd      x24, 192(sp)
    sd      x25, 200(sp)
    sd      x26, 208(sp)
    sd      x27, 216(sp)
    sd      x28, 224(sp)
    sd      x29, 232(sp)
    sd      x30, 240(sp)
    sd      x31, 248(sp)
    lla     t1, area + {T0}
    ld      t0, 0(t1)
    sd      t0, 8 * 5(sp)
    csrr    t0, sscratch
    sd      t0, 8 * 2(sp)
    sd      zero, 0(sp)
    csrr    t0, sepc
    sd      t0, {SEPC}(sp)
    csrr    t0, scause
    sd      t0, {SCAUSE}(sp)
    csrr    t0, stval
    sd      t0, {STVAL}(sp)
    csrr    t0, satp
    sd      t0, {SATP}(sp)
    csrr    t0, sstatus
    sd      t0, {SSTATUS}(sp)
    li      t0, {SSTATUS_FS}        // the target may have switched it off
    csrs    sstatus, t0
    mv      a0, sp
    lla     a1, area
    call    {trapped}
    ld      t0, {SEPC}(sp)
    csrw    sepc, t0
    ld      t0, {SSTATUS}(sp)
    csrw    sstatus, t0
    lla     t1, area + {LEVEL}
    ld      t0, 0(t1)
    addi    t0, t0, -1
    sd      t0, 0(t1)
    ld      x1, 8(sp)
    ld      x3, 24(sp)
    ld      x4, 32(sp)
    ld      x5, 40(sp)
    ld      x6, 48(sp)
    ld      x7, 56(sp)
    ld      x8, 64(sp)
    ld      x9, 72(sp)
    ld      x10, 80(sp)
    ld      x11, 88(sp)
    ld      x12, 96(sp)
    ld      x13, 104(sp)
    ld      x14, 112(sp)
    ld      x15, 120(sp)
    ld      x16, 128(sp)
    ld      x17, 136(sp)
    ld      x18, 144(sp)
    ld      x19, 152(sp)
    ld      x20, 160(sp)
    ld      x21, 168(sp)
    ld      x22, 176(sp)
    ld      x23, 184(sp)
    ld      x24, 192(sp)
    ld      x25, 200(sp)
    ld      x26, 208(sp)
    ld      x27, 216(sp)
    ld      x28, 224(sp)
    ld      x29, 232(sp)
    ld      x30, 240(sp)
    ld      x31, 248(sp)
    ld      sp, 8 * 2(sp)
    sret

.Ltoo_deep:
    wfi
    j       .Ltoo_deep
