// The two common handlers of exceptions. The stubs that lead here are made by
// the host (descriptors.rs).

.section .text.trap, "ax"

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
    or      rax, {CR4_SSE}
    mov     cr4, rax
    and     rcx, {CR0_CLEAR}            // sign extended: clears EM and TS only
    mov     cr0, rcx
    mov     rbp, rsp                    // Frame64
    sub     rsp, 512
    and     rsp, -16
    fxsave64 [rsp]
    mov     rdi, rbp
    lea     rsi, [rip + area]
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
// In:      protected mode, after a task switch by the gate of #DF: registers
//          from Tables::tss_df (EBX = area, ESP = end of Scratch::ist_df, less 4
//          when the CPU pushed an error code), the interrupted ones in
//          Tables::tss32.
// Out:     as trap32, without return.
.balign 16
df32:
    push    0
    push    {VECTOR_DF_TASK}
    pushad
    jmp     .Lsave

// In:      protected mode, flat CS and SS; DS, ES, FS, GS anything; on a stack of
//          ours: [vector][ESP of the fault], pushed by the stub; paging perhaps
//          on with any tables that map the blob one to one.
// Out:     long mode, {protected}; if that returns, the interrupted code continues
//          with all state restored (see docs/handoff-abi.md).
trap32:
    cld
    pushad
    call    .Lhere
.Lhere:
    pop     eax
    .byte   0x05                        // add eax, imm32
    .long   area - .Lhere
    mov     ebx, eax
.Lsave:
    inc     dword ptr ss:[ebx + {LEVEL}]
    cmp     dword ptr ss:[ebx + {LEVEL}], {LEVELS}
    ja      .Ldead                      // faults in here: do not go round for ever
    sub     dword ptr ss:[ebx + {TOP}], {LEVEL_SIZE}
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
    push    edx
    push    eax
    str     eax
    push    eax
    sub     esp, 16
    sgdt    [esp + 8]
    sidt    [esp]
    mov     ebp, esp                    // Frame32

    // DS, ES, FS, GS stay: 64-bit code does not use them, and what their hidden
    // parts hold could not be restored
    lgdt    ss:[ebx + {GDTR}]
    mov     byte ptr ss:[ebx + {TSS_TYPE}], 0x89        // not busy
    mov     eax, {SEL_TSS}
    ltr     ax
    lidt    ss:[ebx + {IDTR_BOTH}]      // NMI and #MC in either mode
    mov     eax, cr0
    and     eax, 0x7fffffff             // leave the target's paging, if any
    mov     cr0, eax
    mov     eax, {CR4_LONG}
    mov     cr4, eax
    mov     eax, ss:[ebx + {CR3}]
    mov     cr3, eax
    mov     ecx, {MSR_EFER}
    mov     eax, ss:[ebx + {SCRATCH_EFER}]
    xor     edx, edx
    wrmsr
    mov     eax, {CR0_LONG}
    mov     cr0, eax
    call    .Lthere
.Lthere:
    pop     eax
    .byte   0x05                        // add eax, imm32
    .long   .Llong - .Lthere
    push    {SEL_CODE64}
    push    eax
    retf
.Ldead:
    hlt
    jmp     .Ldead

.code64
.Llong:
    mov     ebx, ebx                    // upper halves are undefined
    mov     ebp, ebp
    lidt    [rbx + {IDTR64}]
    mov     byte ptr [rbx + {TSS_TYPE}], 0x89
    mov     ecx, {SEL_TSS}
    ltr     cx                          // again, for the upper half of the base
    mov     eax, {SEL_DATA}             // `iretq` of an NMI reloads SS
    cmp     ax, [rbp + {FRAME_SS}]
    je      .Lss
    mov     ss, eax
.Lss:
    lea     rsp, [rbx + {IST_FAULT_END} - 512]
    fxsave64 [rsp]
    mov     rdi, rbp
    mov     rsi, rbx
    call    {protected}
    fxrstor64 [rsp]
    lea     rax, [rip + .Lback]
    push    {SEL_CODE32}
    push    rax
    retfq

.code32
.Lback:
    mov     esp, ebp
    lidt    ss:[ebx + {IDTR_BOTH}]
    mov     eax, cr0
    and     eax, 0x7fffffff
    mov     cr0, eax                    // long mode ends here
    mov     ecx, {MSR_EFER}
    mov     eax, [ebp + {FRAME_EFER}]
    mov     edx, [ebp + {FRAME_EFER} + 4]
    wrmsr
    mov     eax, [ebp + {FRAME_CR} + 12]
    mov     cr4, eax
    mov     eax, [ebp + {FRAME_CR} + 8]
    mov     cr3, eax
    mov     eax, [ebp + {FRAME_CR} + 4]
    mov     cr2, eax
    mov     eax, [ebp + {FRAME_CR}]
    mov     cr0, eax
    // TR: from the target's GDT if that has it as a busy TSS, else ours
    movzx   eax, word ptr [ebp + {FRAME_TR}]
    and     eax, 0xfff8
    movzx   ecx, word ptr [ebp + {FRAME_GDTR}]
    lea     edx, [eax + 7]
    cmp     edx, ecx
    ja      .Lour_tr
    add     eax, [ebp + {FRAME_GDTR} + 2]
    mov     cl, ss:[eax + 5]
    and     cl, 0x9f
    cmp     cl, 0x8b
    jne     .Lour_tr
    lgdt    [ebp + {FRAME_GDTR}]
    and     byte ptr ss:[eax + 5], 0xfd
    ltr     word ptr [ebp + {FRAME_TR}]
    jmp     .Ltr
.Lour_tr:
    mov     byte ptr ss:[ebx + {TSS32_TYPE}], 0x89
    mov     eax, {SEL_TSS32}
    ltr     ax
    lgdt    [ebp + {FRAME_GDTR}]
.Ltr:
    lidt    [ebp + {FRAME_IDTR}]
    mov     eax, [ebp + {FRAME_SS}]
    cmp     ax, {SEL_DATA}
    je      .Lss32
    mov     ss, eax
.Lss32:
    dec     dword ptr ss:[ebx + {LEVEL}]
    add     dword ptr ss:[ebx + {TOP}], {LEVEL_SIZE}
    lea     esp, [ebp + {FRAME_GPR}]
    popad
    add     esp, 4                      // vector
    pop     esp
    iretd
.code64
