// The way out: long mode to the Multiboot2 i386 machine state.

.section .text.exit, "ax"

// In:      rdi = Area, below 4 GiB; long mode with our tables.
// Out:     Multiboot2 specification 2.0, 3.3 "I386": EAX magic, EBX information,
//          CS flat 32-bit code, DS ES FS GS SS flat data, CR0 = PE|ET, paging off,
//          IF = VM = 0. Beyond it: EFLAGS = 2, ESP = end of Scratch::stack_target, other
//          registers 0, CR3 = CR4 = EFER = 0, our GDT and 32-bit IDT stay loaded.
exit_multiboot2:
    lea     rax, [rip + .Lcompat]
    push    {SEL_CODE32}
    push    rax
    retfq
.code32
.Lcompat:
    mov     eax, cr0
    and     eax, 0x7fffffff
    mov     cr0, eax                    // long mode ends here
    lidt    [edi + {IDTR32}]
    mov     dword ptr [edi + {PHASE}], {PHASE_PROTECTED}
    mov     ecx, {MSR_EFER}
    xor     eax, eax
    xor     edx, edx
    wrmsr
    mov     cr4, eax
    mov     cr3, eax
    mov     eax, {CR0_PROTECTED}
    mov     cr0, eax
    mov     eax, {SEL_DATA}
    mov     ds, eax
    mov     es, eax
    mov     fs, eax
    mov     gs, eax
    mov     ss, eax
    lea     esp, [edi + {TARGET_STACK_END}]
    cmp     dword ptr [edi + {DRILL}], {DRILL_PROTECTED}
    jne     .Ltarget
    ud2
.Ltarget:
    mov     dword ptr [edi + {PHASE}], {PHASE_TARGET}
    push    dword ptr [edi + {ENTRY}]
    mov     ebx, [edi + {MBI}]
    mov     eax, {MB2_MAGIC}
    xor     ecx, ecx
    xor     edx, edx
    xor     esi, esi
    xor     ebp, ebp
    xor     edi, edi
    push    2                           // last: xor sets arithmetic flags
    popfd
    ret
.code64
