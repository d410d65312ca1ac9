// The way back: a called target returned, and so does the handoff.

.section .text.return, "ax"

// In:      long mode, CPL 0, any page tables that map the blob one to one and
//          let it run and be written; RAX = a value of the target's choice.
//          Nothing else is relied on: no stack, GDT, IDT, segment, flag.
// Out:     the state in Scratch::entry, then `ret` on the stack of the caller;
//          RAX = the target's. Selectors and TR that the caller's GDT does not
//          hold (it may have limit 0) stay ours: flat, numbers 0x10 and 0x18.
// Clobber: RAX, SSE state.
handoff_back:
    cli
    cld
    mov     [rip + area + {RETURNED_RAX}], rax
    lgdt    [rip + area + {GDTR}]
    lidt    [rip + area + {IDTR64}]
    mov     eax, {SEL_DATA}
    mov     ds, eax
    mov     es, eax
    mov     fs, eax
    mov     gs, eax
    mov     ss, eax
    // PGE off before CR3: no translation of the target's outlives it
    mov     rax, cr4
    and     eax, {CR4_KEEP}
    or      eax, {CR4_SET}
    mov     cr4, rax
    test    eax, {CR4_LA57}
    mov     eax, {CR0_LONG}
    mov     cr0, rax                    // no flag changes
    mov     rax, [rip + area + {CR3}]
    jz      .Lfour_levels
    mov     rax, [rip + area + {CR3_LA57}]
.Lfour_levels:
    mov     cr3, rax
    mov     ecx, {MSR_EFER}             // NXE, which closed tables need
    rdmsr
    or      eax, [rip + area + {SCRATCH_EFER}]
    wrmsr
    lea     rsp, [rip + area + {STACK_END}]
    and     byte ptr [rip + area + {TSS_TYPE}], 0xfd    // not busy
    mov     ecx, {SEL_TSS}
    ltr     cx
    lea     rax, [rip + .Lback_cs]
    push    {SEL_CODE64}
    push    rax
    retfq
.Lback_cs:
    lea     rdi, [rip + area]
    xor     ebp, ebp
    call    {returned}

    // the caller's address space, without PCID until CR4 has it; WP off,
    // because its GDT may be read-only. EFER after CR3: our tables need NXE
    mov     rax, [rip + area + {ENTRY_CR} + 16]
    and     rax, -4096
    mov     cr3, rax
    mov     ecx, {MSR_EFER}
    mov     eax, [rip + area + {ENTRY_EFER}]
    mov     edx, [rip + area + {ENTRY_EFER} + 4]
    wrmsr
    mov     eax, {CR0_LONG_NO_WP}
    mov     cr0, rax

    // TR first: its descriptor is busy, and must not be for `ltr`
    movzx   esi, word ptr [rip + area + {ENTRY_GDTR}]       // limit
    mov     rdi, [rip + area + {ENTRY_GDTR} + 2]            // base
    lgdt    [rip + area + {ENTRY_GDTR}]
    movzx   ecx, word ptr [rip + area + {ENTRY_SEL} + 12]
    lea     eax, [rcx + 15]
    cmp     eax, esi
    ja      .Lno_tr
    test    ecx, 0xfffc
    jz      .Lno_tr
    and     byte ptr [rdi + rcx + 5], 0xfd
    ltr     cx
.Lno_tr:
    movzx   ecx, word ptr [rip + area + {ENTRY_SEL} + 14]
    lea     eax, [rcx + 15]
    cmp     eax, esi
    ja      .Lno_ldt
    lldt    cx
.Lno_ldt:
    lea     r8, [rip + area + {ENTRY_SEL}]
    mov     ecx, [r8 + 2]
    call    .Lloadable
    jnz     .Lno_ds
    mov     ds, ecx
.Lno_ds:
    mov     ecx, [r8 + 4]
    call    .Lloadable
    jnz     .Lno_es
    mov     es, ecx
.Lno_es:
    mov     ecx, [r8 + 6]
    call    .Lloadable
    jnz     .Lno_fs
    mov     fs, ecx
.Lno_fs:
    mov     ecx, [r8 + 8]
    call    .Lloadable
    jnz     .Lno_gs
    mov     gs, ecx
.Lno_gs:
    mov     ecx, [r8 + 10]
    call    .Lloadable
    jnz     .Lno_ss
    mov     ss, ecx
.Lno_ss:
    mov     ecx, [r8]
    call    .Lloadable
    jnz     .Lno_cs
    push    rcx
    lea     rax, [rip + .Lno_cs]
    push    rax
    retfq
.Lno_cs:
    // bases last: loading a selector sets them
    xor     ebx, ebx
.Lbase:
    lea     ecx, [rbx + {MSR_FS_BASE}]
    mov     eax, [r8 + rbx * 8 + {SEL_TO_BASE}]
    mov     edx, [r8 + rbx * 8 + {SEL_TO_BASE} + 4]
    wrmsr
    inc     ebx
    cmp     ebx, 3
    jb      .Lbase
    lidt    [rip + area + {ENTRY_IDTR}]
    mov     rax, [rip + area + {ENTRY_CR} + 8]
    mov     cr2, rax
    mov     rax, [rip + area + {ENTRY_CR}]
    mov     cr0, rax
    mov     rax, [rip + area + {ENTRY_CR} + 24]
    mov     cr4, rax
    mov     rax, [rip + area + {ENTRY_CR} + 16]
    mov     cr3, rax
    mov     rcx, [rip + area + {GPR} + 8]
    mov     rdx, [rip + area + {GPR} + 16]
    mov     rbx, [rip + area + {GPR} + 24]
    mov     rbp, [rip + area + {GPR} + 40]
    mov     rsi, [rip + area + {GPR} + 48]
    mov     rdi, [rip + area + {GPR} + 56]
    mov     r8, [rip + area + {GPR} + 64]
    mov     r9, [rip + area + {GPR} + 72]
    mov     r10, [rip + area + {GPR} + 80]
    mov     r11, [rip + area + {GPR} + 88]
    mov     r12, [rip + area + {GPR} + 96]
    mov     r13, [rip + area + {GPR} + 104]
    mov     r14, [rip + area + {GPR} + 112]
    mov     r15, [rip + area + {GPR} + 120]
    mov     rax, [rip + area + {RETURNED_RAX}]
    push    [rip + area + {ENTRY_RFLAGS}]
    popfq
    mov     rsp, [rip + area + {GPR} + 32]
    ret

// In:      ecx = selector in its low half, esi = limit of the GDT.
// Out:     ecx = the selector; ZF = 1 when it is null or in the GDT.
// Clobber: eax
.Lloadable:
    movzx   ecx, cx
    test    ecx, 0xfffc
    jz      .Lloadable_end              // null: ZF = 1
    mov     eax, ecx
    or      eax, 7
    cmp     esi, eax
    sbb     eax, eax                    // -1 when the limit is below
    test    eax, eax
.Lloadable_end:
    ret
