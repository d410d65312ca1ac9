// A call with every general register lost, an exception of the call caught, and the landing of a
// restart. All addresses are relative to pc: after the call no register holds a pointer.

.arm
.arch_extension virt
.section .text.handoff_hyp, "ax"

// Vectors of the kernel during a call.
.balign 32
handoff_hyp_vectors:
    b       handoff_hyp_fault0
    b       handoff_hyp_fault1
    b       handoff_hyp_fault2
    b       handoff_hyp_fault3
    b       handoff_hyp_fault4
    b       handoff_hyp_fault5
    b       handoff_hyp_fault6
    b       handoff_hyp_fault7

.macro area register
    ldr     \register, .Loffset\@
.Lhere\@:
    add     \register, pc, \register
    b       .Lafter\@
.Loffset\@:
    .long   handoff_hyp_area - .Lhere\@ - 8
.Lafter\@:
.endm

// r0 = five registers for the call, r1 = six for the reply (r0 to r3, vector, link register); returns
// 1 after an exception. In SVC mode.
.globl handoff_hyp_call
handoff_hyp_call:
    area    r12
    add     r12, r12, #{SAVED}
    stmia   r12!, {{r4-r11}}
    mrs     r2, cpsr
    mrc     p15, 0, r3, c12, c0, 0      // VBAR
    str     sp, [r12]
    str     lr, [r12, #4]
    str     r2, [r12, #8]
    str     r3, [r12, #12]
    str     r1, [r12, #16]
    cpsid   aif
    adr     r2, handoff_hyp_vectors
    mcr     p15, 0, r2, c12, c0, 0
    isb
    ldr     r4, [r0, #16]
    ldr     r3, [r0, #12]
    ldr     r2, [r0, #8]
    ldr     r1, [r0, #4]
    ldr     r0, [r0]
    hvc     #0
    cpsid   aif
    area    r12
    add     r12, r12, #{REPLY}
    stmia   r12, {{r0-r3}}
    mov     r0, #0
    mov     r11, #0
    mov     r10, #0
    b       1f

.irp number,0,1,2,3,4,5,6,7
handoff_hyp_fault\number:
    mov     r11, #\number
    b       handoff_hyp_fault
.endr
handoff_hyp_fault:
    area    r12
    add     r12, r12, #{REPLY}
    stmia   r12, {{r0-r3}}
    mov     r10, lr
    mov     r0, #1
    cps     #0x13
1:  str     r11, [r12, #16]
    str     r10, [r12, #20]
    area    r2
    add     r2, r2, #{SAVED} + 32
    ldr     r1, [r2, #16]
    ldmia   r12, {{r3-r8}}
    stmia   r1, {{r3-r8}}
    ldr     sp, [r2]
    ldr     lr, [r2, #4]
    ldr     r3, [r2, #12]
    mcr     p15, 0, r3, c12, c0, 0
    isb
    ldr     r3, [r2, #8]
    sub     r2, r2, #32
    ldmia   r2, {{r4-r11}}
    msr     cpsr_c, r3
    bx      lr

// The target of a restart: at its physical address, in HYP mode. Does what the occupant should have
// done, and takes the registers of the real target from memory.
.globl handoff_hyp_landing
handoff_hyp_landing:
    cpsid   aif
    mrs     r0, cpsr
    and     r0, r0, #31
    cmp     r0, #0x1a
    bne     2f
    mrc     p15, 4, r0, c1, c0, 0       // HSCTLR
    bic     r0, r0, #5                  // M, C
    bic     r0, r0, #0x1000             // I
    mcr     p15, 4, r0, c1, c0, 0
    isb
2:  area    r12
    add     r12, r12, #{TARGET}
    ldr     r0, [r12, #4]
    ldr     r1, [r12, #8]
    ldr     r2, [r12, #12]
    mov     r3, #0
    ldr     r12, [r12]
    bx      r12

.globl handoff_hyp_end
handoff_hyp_end:

.section .data.handoff_hyp, "aw"
.balign 256
.globl handoff_hyp_area
handoff_hyp_area:
    .space  {SIZE}
