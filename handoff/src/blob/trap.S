// Exception stubs and the two common handlers.
// A stub is one `call`, so that its return address names the vector.

.section .text.trap, "ax"

.balign 16
stubs64:
.rept 256
    .byte   0xe8                        // call rel32, never shortened
    .long   trap64 - . - 4
.endr

// In:      an interrupt stack with [ret of stub][error code, some vectors][rip]
//          [cs][rflags][rsp][ss]; SSE perhaps off.
// Out:     resumes the interrupted code (vectors without an error code only),
//          or never.
// Clobber: nothing.
trap64:
    cld
    push    r15
    push    r14
    push    r13
    push    r12
    push    r11
    push    r10
    push    r9
    push    r8
    push    rdi
    push    rsi
    push    rbp
    push    rsp
    push    rbx
    push    rdx
    push    rcx
    push    rax
    mov     rax, cr4
    push    rax
    mov     rcx, cr0
    push    rcx
    or      eax, {CR4_SSE}
    mov     cr4, rax
    and     ecx, {CR0_CLEAR}
    mov     cr0, rcx
    mov     rbp, rsp                    // Frame64
    sub     rsp, 512
    and     rsp, -16
    fxsave64 [rsp]
    mov     rdi, rbp
    lea     rsi, [rip + area]
    lea     rdx, [rip + header]
    call    {long}
    fxrstor64 [rsp]
    mov     rsp, rbp
    pop     rax
    mov     cr0, rax
    pop     rax
    mov     cr4, rax
    pop     rax
    pop     rcx
    pop     rdx
    pop     rbx
    add     rsp, 8
    pop     rbp
    pop     rsi
    pop     rdi
    pop     r8
    pop     r9
    pop     r10
    pop     r11
    pop     r12
    pop     r13
    pop     r14
    pop     r15
    add     rsp, 8                      // return address of the stub
    iretq

.code32
.balign 16
stubs32:
.rept 32
    .byte   0x87, 0x25                  // xchg esp, [disp32]: a good stack, and
    .long   0                           // the bad one kept (host fills disp32 in)
    .byte   0xe8                        // call rel32
    .long   trap32 - . - 4
.endr
soft32:
.rept 224
    .byte   0xe8
    .long   trap32_soft - . - 4
.endr

trap32_soft:
    .byte   0x87, 0x25                  // xchg esp, [disp32]
soft32_disp:
    .long   0
    call    trap32

// In:      protected mode, flat DS and SS, ESP = end of Scratch::stack_trap32
//          minus the return address; paging perhaps on with any tables that map
//          the blob one to one.
// Out:     long mode, {protected}, never returns.
trap32:
    cld
    pushad
    // `push ss` assembles to its 16-bit form: by way of EAX
    mov     eax, ss
    push    eax
    mov     eax, gs
    push    eax
    mov     eax, fs
    push    eax
    mov     eax, es
    push    eax
    mov     eax, ds
    push    eax
    mov     eax, cr4
    push    eax
    mov     eax, cr3
    push    eax
    mov     eax, cr2
    push    eax
    mov     eax, cr0
    push    eax
    mov     ecx, {MSR_EFER}
    rdmsr
    push    eax
    mov     ebp, esp                    // Frame32
    lea     ebx, [ebp + {FRAME32_TO_AREA}]
    mov     eax, cr0
    and     eax, 0x7fffffff             // leave the target's paging, if any
    mov     cr0, eax
    lgdt    [ebx + {GDTR}]
    mov     eax, {SEL_DATA}
    mov     ds, eax
    mov     es, eax
    mov     fs, eax
    mov     gs, eax
    mov     ss, eax
    mov     eax, {CR4_LONG}
    mov     cr4, eax
    mov     eax, [ebx + {CR3}]
    mov     cr3, eax
    mov     ecx, {MSR_EFER}
    mov     eax, [ebx + {SCRATCH_EFER}]
    xor     edx, edx
    wrmsr
    mov     eax, {CR0_LONG}
    mov     cr0, eax
    call    .Lhere
.Lhere:
    pop     eax
    .byte   0x05                        // add eax, imm32
    .long   .Llong - .Lhere
    push    {SEL_CODE64}
    push    eax
    retf
.code64
.Llong:
    lidt    [rip + area + {IDTR64}]
    lea     rsp, [rip + area + {IST_FAULT_END}]
    and     byte ptr [rip + area + {TSS_TYPE}], 0xfd    // not busy
    mov     ecx, {SEL_TSS}
    ltr     cx
    mov     edi, ebp
    lea     rsi, [rip + area]
    lea     rdx, [rip + header]
    xor     ebp, ebp
    call    {protected}
    ud2
