// The two ways out of the launcher. Both start in long mode with interrupts
// off, and neither returns.

    .section .text.jump, "ax", @progbits
    .code64

// jump_long: into the state of a kernel that Linux (up to 6.12) starts by kexec.
// In:  RDI = entry, RSI = PML4, RDX = end of a page for the stack,
//      RCX = GDT pointer (10 bytes: limit, base) with 0x08 = 32-bit code, 0x10 =
//      64-bit code, 0x18 = data, 0x40 = available TSS; R8 = PML5 or 0.
// Out: CS 0x10, DS..SS 0x18, TR 0x40, GDT and IDT limit 0, CR0 0x80000033,
//      CR4 0x20 (with PML5: 0x1020), EFER 0xd01, RFLAGS 0x46, RSP = end of page - 8 with a zero
//      there, every other register zero.
    .global jump_long
jump_long:
    lgdt [rcx]
    mov cr3, rsi
    lea rsp, [rdx - 16]
    mov [rsp], rdi                      // popped by the last RET
    mov qword ptr [rsp + 8], 0
    mov eax, 0x40
    ltr ax
    mov eax, 0x18
    mov ds, eax
    mov es, eax
    mov fs, eax
    mov gs, eax
    mov ss, eax
    lea rax, [rip + 1f]
    push 0x10
    push rax
    retfq
1:  test r8, r8
    jz 3f
    lea rax, [rip + 2f]                 // LA57 cannot change in long mode
    push 0x08
    push rax
    lea rbx, [rip + 3f]
    mov rdx, r8                         // R8 does not exist there
    retfq
    .code32
2:  mov eax, cr0
    and eax, 0x7fffffff
    mov cr0, eax
    mov eax, cr4
    or eax, 0x1000
    mov cr4, eax
    mov cr3, edx
    mov eax, cr0
    or eax, 0x80000000
    mov cr0, eax
    push 0x10
    push ebx
    retf
    .code64
3:  sub rsp, 16                         // limit 0, base 0
    mov qword ptr [rsp], 0
    mov qword ptr [rsp + 8], 0
    lgdt [rsp]
    lidt [rsp]
    add rsp, 16
    mov ecx, {MSR_EFER}
    rdmsr
    or eax, {EFER_NXE_SCE}
    wrmsr
    mov eax, 0x80000033
    mov cr0, rax
    mov rax, cr4
    and eax, 0x1000
    or eax, 0x20                        // last: from here on SSE is off
    mov cr4, rax
    xor eax, eax
    mov cr2, rax
    xor ebx, ebx
    xor ecx, ecx
    xor edx, edx
    xor esi, esi
    xor edi, edi
    xor ebp, ebp
    xor r8d, r8d
    xor r9d, r9d
    xor r10d, r10d
    xor r11d, r11d
    xor r12d, r12d
    xor r13d, r13d
    xor r14d, r14d
    xor r15d, r15d
    ret

// jump_xen: into the state of an image for x86-64 that Xen (up to 4.20) starts.
// In:  RDI = entry, RSI = PML4 that maps this page, the control page and the
//      segments; RDX = control page, with GDT and IDT pointers at 0x800 and 0x810;
//      RCX = GDT pointer (10 bytes) with 0xe008 = 64-bit code, 0xe040 = available TSS.
// Out: CS 0xe008, DS..SS 0, TR 0xe040, GDT and IDT at the addresses in the control page,
//      CR0 0x80000033, CR4 0x20, EFER 0xd01, PAT Xen's, PIC masked, RSP = control
//      page + 120, RBP = entry, other registers poison.
    .balign 256
    .global jump_xen
jump_xen:
    lgdt [rcx]
    mov eax, 0xe040
    ltr ax
    lea rax, [rip + 1f]
    push 0xe008
    push rax
    retfq
1:  xor eax, eax
    mov ds, eax
    mov es, eax
    mov fs, eax
    mov gs, eax
    mov ss, eax
    mov cr3, rsi                        // from here on only state that the image may use
    lgdt [rdx + 0x800]
    lidt [rdx + 0x810]
    lea rsp, [rdx + 120 - 8]
    mov [rsp], rdi                      // popped by the last RET
    mov ecx, {MSR_EFER}
    rdmsr
    or eax, {EFER_NXE_SCE}
    wrmsr
    mov ecx, 0x277                      // PAT
    mov eax, 0x00070406
    mov edx, 0x00000501
    wrmsr
    mov al, 0xff
    out 0x21, al
    out 0xa1, al
    mov eax, 0x80000033
    mov cr0, rax
    mov eax, 0x20                       // from here on SSE is off
    mov cr4, rax
    mov rbp, rdi
    mov rax, 0xffff82d040000000
    mov cr2, rax
    mov rbx, rax
    mov rcx, rax
    mov rdx, rax
    mov rsi, rax
    mov rdi, rax
    mov r8, rax
    mov r9, rax
    mov r10, rax
    mov r11, rax
    mov r12, rax
    mov r13, rax
    mov r14, rax
    mov r15, rax
    ret
    .if . - jump_xen > 256
    .error "jump_xen is longer than a piece of a page"
    .endif

// ap_start: code of an application CPU, copied to AP_PAGE below 1 MiB, with the
// words at its end filled in.
// Out: long mode on the given tables and stack, in the given function.
    .balign 16
    .global ap_start
ap_start:
    .code16
    jmp 1f
    .balign 8
    .quad 0                             // 8: page tables
    .quad 0                             // 16: end of the stack
    .quad 0                             // 24: function
    .quad 0                             // 32: GDT
    .quad 0x00af9b000000ffff
    .quad 0x00cf93000000ffff
    .word 23                            // 56: GDT pointer
    .long {AP_PAGE} + 32
    .balign 8
    .long {AP_PAGE} + .Lap_long - ap_start      // 64: far pointer
    .word 0x08
1:  cli
    mov ax, cs
    mov ds, ax
    lgdtd ds:[56]
    mov eax, 0x620                      // PAE, OSFXSR, OSXMMEXCPT
    mov cr4, eax
    mov eax, dword ptr ds:[8]
    mov cr3, eax
    mov ecx, {MSR_EFER}
    rdmsr
    or ax, 0x100                        // LME
    wrmsr
    mov eax, 0x80000033                 // PG, NE, ET, MP, PE: long mode at once
    mov cr0, eax
    .byte 0x66, 0xff, 0x2e, 64, 0       // jmp far dword ptr [64]
    .code64
.Lap_long:
    mov eax, 0x10
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov rsp, [{AP_PAGE} + 16]
    xor ebp, ebp
    jmp [{AP_PAGE} + 24]
    .global ap_end
ap_end:

// jump_direct: into 32-bit protected mode without paging.
// In:  EDI = entry, ESI = EAX to be, EDX = EBX to be,
//      RCX = GDT pointer with 0x10 = 32-bit code, 0x18 = data.
// Out: CS 0x10, DS..SS 0x18, CR0 0x33, CR4 0, EFER.LME clear, IDT limit 0,
//      ECX = entry, EDX ESI EDI EBP ESP = poison: no target may depend on them.
    .global jump_direct
jump_direct:
    lgdt [rcx]
    push 0
    push 0
    lidt [rsp]
    lea rax, [rip + 1f]
    push 0x10
    push rax
    retfq
    .code32
1:  mov eax, 0x18
    mov ds, eax
    mov es, eax
    mov fs, eax
    mov gs, eax
    mov ss, eax
    mov eax, 0x33
    mov cr0, eax                        // paging off: identity-mapped, so we go on
    mov ebx, edx                        // RDMSR and WRMSR use EDX
    mov ecx, {MSR_EFER}
    rdmsr
    and eax, {EFER_NO_LME}
    wrmsr
    xor eax, eax
    mov cr4, eax
    mov ecx, edi
    mov eax, esi
    mov edx, 0xdead0002
    mov esi, 0xdead0006
    mov edi, 0xdead0007
    mov ebp, 0xdead0005
    mov esp, 0xdead0004
    jmp ecx
    .code64
