// entry32: from 32-bit protected mode without paging to Rust in long mode.
//
// In:       flat segments, paging off, interrupts off. Under Multiboot2
//           EAX = 0x36d76289 and EBX = boot information; every other register,
//           ESP included, is unknown. Runs at any multiple of 16
//           below 4 GiB (Rust aligns its constants).
// Out:      calls payload_main(RDI = state) with interrupts off, 0-4 GiB
//           identity-mapped, SSE on, a 16-byte aligned stack.
// Saves:    every register as found, into entry_state.
// Clobbers: DR0-DR3 (they hold values before any memory is known), DR7 stays.

    .section .text.entry, "ax", @progbits
    .code32
    .global entry32
entry32:
    // No register is free and no stack is known: ESP and EAX are parked in
    // debug registers. MOV DR leaves the arithmetic flags undefined, so from
    // here on only the control flags are those of the loader.
    mov dr0, esp
    mov dr1, eax

    // A `call` is the only way to learn EIP, and it writes four bytes. They go
    // to the reserved word of the boot information, or, if by EAX there is
    // none, to {SCRATCH}; DR3 keeps the old value.
    cmp eax, {MB2_MAGIC}
    lea eax, [ebx + 4]
    je 1f
    mov eax, {SCRATCH}
1:  mov dr2, eax
    mov esp, [eax]
    mov dr3, esp
    lea esp, [eax + 4]
    call .Lanchor
.Lanchor:
    pop eax                             // EAX = run-time address of .Lanchor
    add eax, [eax + TO_STATE]

    // EAX = entry_state
    mov [eax + {EBX}], ebx
    mov [eax + {ECX}], ecx
    mov [eax + {EDX}], edx
    mov [eax + {ESI}], esi
    mov [eax + {EDI}], edi
    mov [eax + {EBP}], ebp
    mov ebx, dr0
    mov [eax + {ESP}], ebx
    mov ebx, dr1
    mov [eax + {EAX}], ebx
    mov ebx, dr2                        // give the borrowed word back
    mov ecx, dr3
    mov [ebx], ecx
    lea esp, [eax + {EFLAGS} + 4]
    pushfd
    cld
    mov ebx, cs
    mov [eax + {CS}], ebx
    mov ebx, ds
    mov [eax + {DS}], ebx
    mov ebx, es
    mov [eax + {ES}], ebx
    mov ebx, fs
    mov [eax + {FS}], ebx
    mov ebx, gs
    mov [eax + {GS}], ebx
    mov ebx, ss
    mov [eax + {SS}], ebx
    mov ebx, cr0
    mov [eax + {CR0}], ebx
    mov ebx, cr2
    mov [eax + {CR2}], ebx
    mov ebx, cr3
    mov [eax + {CR3}], ebx
    mov ebx, cr4
    mov [eax + {CR4}], ebx
    mov ebx, dr7
    mov [eax + {DR7}], ebx
    sgdt [eax + {GDTR}]
    sidt [eax + {IDTR}]
    sldt [eax + {LDTR}]
    str [eax + {TR}]

    // EBP = entry_state from here to the end of 32-bit code
    mov ebp, eax

    // EFER exists if CPUID reports long mode
    mov eax, 0x80000000
    cpuid
    cmp eax, 0x80000001
    jb .Lno_long_mode
    mov eax, 0x80000001
    cpuid
    bt edx, 29
    jnc .Lno_long_mode
    mov ecx, {MSR_EFER}
    rdmsr
    mov [ebp + {EFER}], eax
    mov [ebp + {EFER} + 4], edx

    // Zeroing .bss is the loader's duty: look first. Only a dirty one is
    // cleared (page tables and stack live there), after noting where.
    mov ebx, ebp
    add ebx, [ebp + {TO_ANCHOR}]        // EBX = run-time address of .Lanchor
    mov edi, ebx
    add edi, [ebx + TO_BSS]
    mov ecx, ebx
    add ecx, [ebx + TO_BSS_END]
    sub ecx, edi
    mov [ebp + {BSS_START}], edi
    mov [ebp + {BSS_BYTES}], ecx
    mov edx, edi
    mov esi, ecx
    shr ecx, 2                          // the linker script aligns both ends
    xor eax, eax
    repe scasd
    je .Lbss_zero
    sub edi, 4
    mov [ebp + {BSS_DIRTY}], edi
    mov edi, edx
    mov ecx, esi
    shr ecx, 2
    rep stosd
.Lbss_zero:

    // ESP = top of the stack, EDI = page tables, page aligned wherever we are
    mov esp, ebx
    add esp, [ebx + TO_STACK_TOP]
    and esp, -16
    mov edi, ebx
    add edi, [ebx + TO_TABLES]
    add edi, 4095
    and edi, -4096

    // +0 PML4, +0x1000 PDPT, +0x2000 four page directories of 2 MiB pages
    lea eax, [edi + 0x1000 + {PRESENT_WRITE}]
    mov [edi], eax
    lea eax, [edi + 0x2000 + {PRESENT_WRITE}]
    xor ecx, ecx
1:  mov [edi + 0x1000 + ecx * 8], eax
    add eax, 0x1000
    inc ecx
    cmp ecx, 4
    jb 1b
    mov eax, {PRESENT_WRITE_LARGE}
    xor ecx, ecx
1:  mov [edi + 0x2000 + ecx * 8], eax
    add eax, 0x200000
    inc ecx
    cmp ecx, 2048
    jb 1b

    mov cr3, edi
    mov eax, {CR4_LONG_MODE}
    mov cr4, eax
    mov ecx, {MSR_EFER}
    rdmsr
    or eax, {EFER_LME}
    wrmsr
    mov eax, cr0
    and eax, {CR0_KEEP}
    or eax, {CR0_SET}
    mov cr0, eax

    // compatibility mode until CS has the L bit
    lea eax, [ebp + {GDT}]
    mov [ebp + {GDT_POINTER} + 2], eax
    lgdt [ebp + {GDT_POINTER}]
    push {CODE64}
    lea eax, [ebx + TO_LONG_MODE]
    push eax
    retf

.Lno_long_mode:
    // Nothing below this line can run: say so byte by byte and stop.
    mov ebx, ebp
    add ebx, [ebp + {TO_ANCHOR}]
    lea esi, [ebx + TO_TEXT]
    mov dx, {COM1}
1:  lodsb
    test al, al
    jz 2f
    out dx, al
    jmp 1b
2:  hlt
    jmp 2b

    .code64
.Llong_mode:
    mov eax, {DATA}
    mov ds, eax
    mov es, eax
    mov fs, eax
    mov gs, eax
    mov ss, eax
    mov esp, esp                        // upper halves are undefined after the switch
    mov edi, ebp
    xor ebp, ebp
    call payload_main
1:  hlt
    jmp 1b

    // Distances from .Lanchor: link-time constants, so they hold at any address.
    .balign 4
.Lto_state:      .long entry_state - .Lanchor
.Lto_bss:        .long __bss_start - .Lanchor
.Lto_bss_end:    .long __bss_end - .Lanchor
.Lto_stack_top:  .long entry_stack_top - .Lanchor
.Lto_tables:     .long entry_tables - .Lanchor
.Lno_long_mode_text:
    .asciz "MBTOOL-PAYLOAD this processor has no long mode\r\n"

    .set TO_STATE, .Lto_state - .Lanchor
    .set TO_BSS, .Lto_bss - .Lanchor
    .set TO_BSS_END, .Lto_bss_end - .Lanchor
    .set TO_STACK_TOP, .Lto_stack_top - .Lanchor
    .set TO_TABLES, .Lto_tables - .Lanchor
    .set TO_LONG_MODE, .Llong_mode - .Lanchor
    .set TO_TEXT, .Lno_long_mode_text - .Lanchor

    // Writable, and outside of the image checksum.
    .section .entry, "aw", @progbits
    .balign 16
    .global entry_state
entry_state:
    .fill {GDT}, 1, 0
    .quad 0
    .quad 0x00af9b000000ffff            // {CODE64}: 64-bit code
    .quad 0x00cf93000000ffff            // {DATA}: flat data
    .word 3 * 8 - 1                     // GDT_POINTER
    .long 0
    .word 0
    .long .Lanchor - entry_state        // TO_ANCHOR
    .long 0

    .section .bss.entry, "aw", @nobits
    .balign 16
entry_tables:
    .skip 7 * 4096                      // six pages, and one to align them
    .balign 16
    .skip {STACK_BYTES}
entry_stack_top:
