// The start of the blob: header and long mode entry.
// Intel syntax; every operand in braces is a constant from Rust (main.rs).

.section .header, "ax"
.balign 8
header:
    .quad   {MAGIC}
    .long   {VERSION}
    .long   text_end - header
    .long   mem_end - header
    .long   area - header
    .long   handoff_entry - header
    .long   trap64 - header
    .long   trap32 - header
    .long   df32 - header
    .long   0
    .long   0

.section .text.entry, "ax"

// In:      whatever the old kernel left: long mode, CPL 0, IF = 0, the blob and
//          all segments mapped one to one. No stack, GDT, IDT or SSE is relied on.
// Out:     exit_protected or exit_long; the caller only by way of return.S.
// Clobber: everything; the state found is in Scratch::entry.
.global handoff_entry
handoff_entry:
    // Seven instructions that only store to the blob or load from it. From the
    // one after `lidt` on, every fault is dumped, on a separate stack. No
    // instruction before `pushfq` changes flags.
    sgdt    [rip + area + {ENTRY_GDTR}]
    sidt    [rip + area + {ENTRY_IDTR}]
    str     word ptr [rip + area + {ENTRY_SEL} + 12]
    mov     byte ptr [rip + area + {TSS_TYPE}], {TSS_AVAILABLE} // busy when entered again
    lgdt    [rip + area + {GDTR}]
    ltr     word ptr [rip + .Lsel_tss]
    lidt    [rip + area + {IDTR64}]
.global handoff_first
handoff_first:
    mov     [rip + area + {GPR} + 0], rax
    mov     [rip + area + {GPR} + 8], rcx
    mov     [rip + area + {GPR} + 16], rdx
    mov     [rip + area + {GPR} + 24], rbx
    mov     [rip + area + {GPR} + 32], rsp
    mov     [rip + area + {GPR} + 40], rbp
    mov     [rip + area + {GPR} + 48], rsi
    mov     [rip + area + {GPR} + 56], rdi
    mov     [rip + area + {GPR} + 64], r8
    mov     [rip + area + {GPR} + 72], r9
    mov     [rip + area + {GPR} + 80], r10
    mov     [rip + area + {GPR} + 88], r11
    mov     [rip + area + {GPR} + 96], r12
    mov     [rip + area + {GPR} + 104], r13
    mov     [rip + area + {GPR} + 112], r14
    mov     [rip + area + {GPR} + 120], r15
    mov     word ptr [rip + area + {ENTRY_SEL} + 0], cs
    mov     word ptr [rip + area + {ENTRY_SEL} + 2], ds
    mov     word ptr [rip + area + {ENTRY_SEL} + 4], es
    mov     word ptr [rip + area + {ENTRY_SEL} + 6], fs
    mov     word ptr [rip + area + {ENTRY_SEL} + 8], gs
    mov     word ptr [rip + area + {ENTRY_SEL} + 10], ss
    sldt    word ptr [rip + area + {ENTRY_SEL} + 14]

    // before FS and GS are loaded, which changes their bases; flags stay as
    // they are until they are saved
    mov     ebx, 0
    lea     rsi, [rip + area + {ENTRY_BASE}]
.Lsave_base:
    lea     ecx, [rbx + {MSR_FS_BASE}]
    rdmsr
    mov     [rsi + rbx * 8], eax
    mov     [rsi + rbx * 8 + 4], edx
    lea     ebx, [rbx + 1]
    lea     ecx, [rbx - 3]
    jrcxz   .Lsaved_bases
    jmp     .Lsave_base
.Lsaved_bases:

    mov     ecx, {SEL_DATA}
    mov     ds, ecx
    mov     es, ecx
    mov     fs, ecx
    mov     gs, ecx
    mov     ss, ecx
    lea     rsp, [rip + area + {STACK_END}]
    pushfq
    pop     [rip + area + {ENTRY_RFLAGS}]
    cli
    cld
    mov     rax, cr0
    mov     [rip + area + {ENTRY_CR} + 0], rax
    mov     rcx, cr2
    mov     [rip + area + {ENTRY_CR} + 8], rcx
    mov     rcx, cr3
    mov     [rip + area + {ENTRY_CR} + 16], rcx
    mov     rbx, cr4
    mov     [rip + area + {ENTRY_CR} + 24], rbx
    // SSE before any Rust: EM, TS, CD, NW, AM off, WP, NE, MP on; PAE and LA57 as
    // they are, MCE (else #MC is a shutdown), OSFXSR and OSXMMEXCPT on, the rest
    // off: with PGE go stale global translations, with CET, PCIDE and FRED (bit
    // 32) their rules. WP is never cleared, so CET may still be on here.
    and     eax, {CR0_KEEP}
    or      eax, {CR0_SET}
    mov     cr0, rax
    and     ebx, {CR4_KEEP}
    or      ebx, {CR4_SET}
    mov     cr4, rbx
    lea     rax, [rip + .Lown_cs]       // a shadow stack would refuse the RETFQ
    push    {SEL_CODE64}
    push    rax
    retfq
.Lown_cs:
    mov     ecx, {MSR_EFER}
    rdmsr
    mov     [rip + area + {ENTRY_EFER}], eax
    mov     [rip + area + {ENTRY_EFER} + 4], edx
    btr     eax, {EFER_FFXSR}           // with it FXSAVE leaves XMM out
    jnc     .Lefer
    wrmsr
.Lefer:
    lea     rdi, [rip + area]
    lea     rsi, [rip + header]
    xor     ebp, ebp
    call    {run}
    lea     rdi, [rip + area]
    cmp     dword ptr [rdi + {EXIT}], {EXIT_LINUX64}
    jae     exit_long
    jmp     exit_protected
.Lsel_tss:
    .word   {SEL_TSS}
