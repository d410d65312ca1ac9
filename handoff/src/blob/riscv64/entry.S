// The start of the blob: header, entry, trampoline.
// Every operand in braces is a constant from Rust (main.rs).

.option arch, +zicsr
.option norelax

.section .header, "ax"
.balign 8
header:
    .quad   {MAGIC}
    .long   {VERSION}
    .long   text_end - header
    .long   mem_end - header
    .long   area - header
    .long   handoff_entry - header
    .long   handoff_pass1 - header
    .long   handoff_pass2 - header
    .long   0

.section .text.entry, "ax"

// In:      a0 = hart, whatever else the old kernel left: supervisor mode; translation
//          off, or all of the blob mapped readable, writable and executable at
//          consecutive addresses. No stack, stvec, gp or tp is relied on.
// Out:     handoff_pass2, which enters the target.
// Clobber: everything; the registers found, but sscratch, are in RiscvScratch::entry.
.balign 4
.global handoff_entry
handoff_entry:
    // Nine instructions that only store to the blob. From the write of stvec on, every
    // trap is dumped, on a separate stack.
    csrw    sscratch, t0
    lla     t0, area + {ENTRY}
    sd      t1, {GPR} + 8 * 6(t0)
    csrr    t1, sscratch
    sd      t1, {GPR} + 8 * 5(t0)
    csrr    t1, stvec
    sd      t1, {STVEC}(t0)
    lla     t1, handoff_trap
    csrw    stvec, t1
.global handoff_first
handoff_first:
    csrrw   t1, sie, zero
    sd      t1, {SIE}(t0)
    csrrci  t1, sstatus, {SSTATUS_SIE}
    sd      t1, {SSTATUS}(t0)
    csrr    t1, satp
    sd      t1, {SATP}(t0)
    sd      x1, {GPR} + 8(t0)
    sd      x2, {GPR} + 16(t0)
    sd      x3, {GPR} + 24(t0)
    sd      x4, {GPR} + 32(t0)
    sd      x7, {GPR} + 56(t0)
    sd      x8, {GPR} + 64(t0)
    sd      x9, {GPR} + 72(t0)
    sd      x10, {GPR} + 80(t0)
    sd      x11, {GPR} + 88(t0)
    sd      x12, {GPR} + 96(t0)
    sd      x13, {GPR} + 104(t0)
    sd      x14, {GPR} + 112(t0)
    sd      x15, {GPR} + 120(t0)
    sd      x16, {GPR} + 128(t0)
    sd      x17, {GPR} + 136(t0)
    sd      x18, {GPR} + 144(t0)
    sd      x19, {GPR} + 152(t0)
    sd      x20, {GPR} + 160(t0)
    sd      x21, {GPR} + 168(t0)
    sd      x22, {GPR} + 176(t0)
    sd      x23, {GPR} + 184(t0)
    sd      x24, {GPR} + 192(t0)
    sd      x25, {GPR} + 200(t0)
    sd      x26, {GPR} + 208(t0)
    sd      x27, {GPR} + 216(t0)
    sd      x28, {GPR} + 224(t0)
    sd      x29, {GPR} + 232(t0)
    sd      x30, {GPR} + 240(t0)
    sd      x31, {GPR} + 248(t0)
    li      t1, {SSTATUS_FS}        // core may use floating point registers
    csrs    sstatus, t1
    lla     sp, area + {STACK_END}
    lla     a0, area
    lla     a1, header
    call    {entered}               // a0 = satp of tables for the trampoline, or 0
    beqz    a0, .Lphysical
    mv      a3, a0
    lla     t0, header
    lla     t1, area + {BASE}
    ld      t1, 0(t1)
    sub     t1, t1, t0              // from where the blob runs to where it is
    lla     a2, .Lphysical
    add     a2, a2, t1
    lla     a4, handoff_pass2
    add     a4, a4, t1
    lla     t0, handoff_pass1
    jr      t0

.Lphysical:
    lla     t0, handoff_trap
    csrw    stvec, t0
    lla     sp, area + {STACK_END}
    lla     a0, area
    lla     a1, header
    call    {run}
    // traps of the target are dumped until it sets stvec
    lla     t0, area
    li      t1, {PHASE_TARGET}
    lla     t2, area + {PHASE}
    sw      t1, 0(t2)
    lla     t1, area + {ENTRY}
    ld      a0, {GPR} + 8 * 10(t1)
    ld      a1, {DTB}(t0)
    ld      a2, {TARGET}(t0)
    li      t0, {SSTATUS_FS}
    csrc    sstatus, t0
    lla     t0, handoff_pass2
    jr      t0

// The trampoline: from an address at which the blob is mapped to a physical one, with
// translation off. Each pass begins where the CPU certainly is: no instruction is
// fetched from an address that the tables just loaded do not map.
.section .text.trampoline, "ax"
.balign 4096

// In:      runs at any mapped address; a3 = satp of tables that map this page there and
//          one to one, a4 = physical address of handoff_pass2
// Out:     handoff_pass2, at its physical address
// Clobber: none
.global handoff_pass1
handoff_pass1:
    csrw    satp, a3
    sfence.vma
    jr      a4

// In:      runs at its physical address, with translation off or this page mapped one
//          to one; a2 = physical address of the target
// Out:     the target: translation off, a0 and a1 as they were
// Clobber: none
.balign 4
.global handoff_pass2
handoff_pass2:
    csrw    satp, zero
    sfence.vma
    fence.i
    jr      a2
.balign 4096
