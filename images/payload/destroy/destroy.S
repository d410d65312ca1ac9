// entry64: leaves nothing of the machine state as it was, and returns.
//
// In:      called in long mode (CPL 0, IF = 0), at any page; RSP in an 8 KiB
//          stack that ends on a page boundary, 8 below its end. PATTERN bytes
//          behind the start: a number of words, and the words.
// Out:     RAX = sum of the words, each added to the sum rotated left by one.
//          Everything else is different: page tables, CR0, CR2, CR4, EFER (SCE,
//          NXE), FS and GS bases, CS (0x30, of an overwritten GDT), the other
//          selectors (null), TR, GDTR and IDTR (limit 0 at a bad address),
//          RFLAGS (IF = 0), RSP and all general registers.
// Memory:  only the stack is written, so that the image can be compared.

    .set PATTERN, 0x1000

    .section .text.entry, "ax", @progbits
    .code64
    .global entry64
entry64:
    pop r11                             // the way back
    lea rsi, [rip + entry64 + PATTERN]
    lodsq
    mov rcx, rax
    xor r10d, r10d
1:  lodsq
    rol r10, 1
    add r10, rax
    dec rcx
    jnz 1b

    // page tables: another root, in the lower page of the stack
    lea rdi, [rsp - 0x1800]
    and rdi, -4096
    mov rdx, rdi
    mov rsi, cr3
    and rsi, -4096
    mov ecx, 512
    rep movsq
    mov cr3, rdx

    // GDT: null up to 0x28, 0x30 code, 0x38 and 0x40 an available TSS at 0
    sub rsp, 0x48
    mov rdi, rsp
    mov ecx, 9
    xor eax, eax
    rep stosq
    mov rax, 0x00af9b000000ffff
    mov [rsp + 0x30], rax
    mov rax, 0x0000890000000067
    mov [rsp + 0x38], rax
    mov rax, rsp
    push rax
    mov word ptr [rsp - 2], 0x47
    lgdt [rsp - 2]
    mov eax, 0x38
    ltr ax
    push 0x30
    lea rax, [rip + 1f]
    push rax
    retfq
1:  mov rax, 0xffffdeadbeef0000         // base (not canonical ones are refused)
    mov [rsp], rax
    mov word ptr [rsp - 2], 0
    lgdt [rsp - 2]
    lidt [rsp - 2]
    xor eax, eax
    mov ds, eax
    mov es, eax
    mov fs, eax
    mov gs, eax
    mov ss, eax

    mov ecx, 0xc0000100                 // FS, GS and kernel GS base
    mov eax, 0xdead0100
    mov edx, 0xffff8000
1:  wrmsr
    inc eax
    inc ecx
    cmp ecx, 0xc0000103
    jb 1b
    mov ecx, 0xc0000080
    rdmsr
    and eax, 0xfffff7ff                 // NXE off: page tables have none here
    xor eax, 1                          // SCE
    wrmsr

    mov rax, cr4
    and eax, 0x1020                     // PAE and LA57 cannot change
    or eax, 0x18c                       // TSD, DE, PGE, PCE
    mov cr4, rax
    mov eax, 0x80040019                 // PG AM ET TS PE; WP NE EM MP off
    mov cr0, rax
    mov rax, 0xdeadbeef
    mov cr2, rax

    push 0x44cd7                        // AC NT OF DF SF ZF AF PF CF
    popfq
    mov rax, r10
    mov rbx, 0xdead000000000003
    mov rcx, 0xdead000000000001
    mov rdx, 0xdead000000000002
    mov rsi, 0xdead000000000006
    mov rdi, 0xdead000000000007
    mov rbp, 0xdead000000000005
    mov rsp, 0xdead000000000004
    mov r8, 0xdead000000000008
    mov r9, 0xdead000000000009
    mov r10, 0xdead00000000000a
    mov r12, 0xdead00000000000c
    mov r13, 0xdead00000000000d
    mov r14, 0xdead00000000000e
    mov r15, 0xdead00000000000f
    jmp r11
destroy_end:
