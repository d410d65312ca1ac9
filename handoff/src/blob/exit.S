// The ways out.

.section .text.exit, "ax"

// In:      rdi = Area, below 4 GiB; long mode with our tables.
// Out:     Multiboot2 specification 2.0, 3.3 "I386" (and Multiboot1, the same
//          but for the magic): EAX magic, EBX information,
//          CS flat 32-bit code, DS ES FS GS SS flat data, CR0 = PE|ET, paging off,
//          IF = VM = 0. PVH (x86/HVM direct boot ABI) is the same but for EAX = 0,
//          CR4 = 0 and a TSS with base 0. Beyond it: EFLAGS = 2, ESP = end of
//          Scratch::stack_target, other registers 0, CR3 = EFER = 0, CR4 = MCE, our
//          GDT, TSS and 32-bit IDT stay loaded.
exit_protected:
    lea     rax, [rip + .Lcompat]
    push    {SEL_CODE32}
    push    rax
    retfq
.code32
.Lcompat:
    lidt    [edi + {IDTR_BOTH}]         // NMI and #MC in either mode
    mov     eax, cr0
    and     eax, 0x7fffffff
    mov     cr0, eax                    // long mode ends here
    lidt    [edi + {IDTR32}]
    mov     dword ptr [edi + {PHASE}], {PHASE_PROTECTED}
    mov     ecx, {MSR_EFER}
    xor     eax, eax
    xor     edx, edx
    wrmsr
    mov     cr3, eax
    mov     eax, [edi + {CR4}]          // MCE, if the target may have it: else #MC is a shutdown
    mov     cr4, eax
    mov     eax, {CR0_PROTECTED}
    mov     cr0, eax
    mov     eax, {SEL_DATA}
    mov     ds, eax
    mov     es, eax
    mov     fs, eax
    mov     gs, eax
    mov     ss, eax
    mov     byte ptr [edi + {TSS32_TYPE}], 0x89         // not busy
    mov     eax, {SEL_TSS32}            // where the task gate of #DF saves to
    ltr     ax
    lea     esp, [edi + {TARGET_STACK_END}]
    cmp     dword ptr [edi + {DRILL}], {DRILL_PROTECTED}
    jne     .Ltarget
    ud2
.Ltarget:
    mov     dword ptr [edi + {PHASE}], {PHASE_TARGET}
    push    dword ptr [edi + {ENTRY}]
    mov     ebx, [edi + {MBI}]
    mov     eax, [edi + {EAX}]
    mov     esi, [edi + {RSI}]
    xor     ecx, ecx
    xor     edx, edx
    xor     ebp, ebp
    xor     edi, edi
    push    2                           // last: xor sets arithmetic flags
    popfd
.global handoff_last
handoff_last:
    ret
.code64

// In:      rdi = Area; long mode, our GDT, IDT, and page tables without NX.
// Out:     RAX, RBX, RSI as the parameters say, other registers 0; CS 0x10,
//          DS ES FS GS SS 0x18, TR ours; RFLAGS 2, CR0 0x80010033, CR4 PAE,
//          MCE, and LA57 as found; RSP 8 below the end of Scratch::stack_target, [RSP] =
//          0, or for a target that is called the way back.
exit_long:
    mov     rax, cr4
    and     eax, {CR4_KEEP}
    or      eax, {CR4_PROTECTED}
    mov     cr4, rax
    mov     dword ptr [rdi + {PHASE}], {PHASE_TARGET}
    lea     rsp, [rdi + {TARGET_STACK_END}]
    xor     ecx, ecx
    cmp     dword ptr [rdi + {EXIT}], {EXIT_RETURN}
    jne     .Lno_way_back
    lea     rcx, [rip + handoff_back]
.Lno_way_back:
    push    rcx
    push    qword ptr [rdi + {ENTRY}]
    push    2
    mov     eax, [rdi + {EAX}]
    mov     ebx, [rdi + {MBI}]
    mov     rsi, [rdi + {RSI}]
    xor     ecx, ecx
    xor     edx, edx
    xor     ebp, ebp
    xor     edi, edi
    xor     r8d, r8d
    xor     r9d, r9d
    xor     r10d, r10d
    xor     r11d, r11d
    xor     r12d, r12d
    xor     r13d, r13d
    xor     r14d, r14d
    xor     r15d, r15d
    popfq
    ret
