// call_state: calls in a given state, with every register known, and keeps what
// they were before and after.
// In:  RDI = Setup.
// Out: before and after the call: call_before, call_after (call.rs, NAMES).
// Clobber: as a C function may.

    .section .text.call, "ax", @progbits
    .code64

    .global call_state
call_state:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    mov [rip + call_rsp], rsp
    sgdt [rip + call_gdtr]
    sidt [rip + call_idtr]
    mov rax, cr0
    mov [rip + call_cr], rax
    mov rax, cr3
    mov [rip + call_cr + 8], rax
    mov rax, cr4
    mov [rip + call_cr + 16], rax

    mov rbx, rdi
    mov rax, [rbx + {PML4}]
    mov cr3, rax
    lgdt [rbx + {FULL_GDT}]
    mov eax, [rbx + {TR}]
    ltr ax
    mov eax, [rbx + {DS}]
    mov ds, eax
    mov fs, eax
    mov ss, eax
    mov eax, [rbx + {ES}]
    mov es, eax
    mov gs, eax
    mov eax, [rbx + {CS}]
    push rax
    lea rax, [rip + 1f]
    push rax
    retfq
1:  lgdt [rbx + {GDT}]
    lidt [rbx + {IDT}]
    mov ecx, 0xc0000100                 // FS, GS and kernel GS base
    mov eax, 0x11110000
    mov edx, 0xffff8888
1:  wrmsr
    add eax, 0x1111
    inc ecx
    cmp ecx, 0xc0000103
    jb 1b
    mov ecx, {MSR_EFER}
    rdmsr
    or eax, {EFER_NXE_SCE}
    wrmsr
    mov rax, [rbx + {CR0}]
    mov cr0, rax
    mov rax, [rbx + {CR4}]              // from here on SSE may be off
    mov cr4, rax
    mov eax, 0x12345678
    mov cr2, rax
    mov rax, [rbx + {TARGET}]
    mov [rip + call_target], rax
    mov rax, 0xca11000000000000
    mov rcx, 0xca11000000000001
    mov rdx, 0xca11000000000002
    mov rbx, 0xca11000000000003
    mov rbp, 0xca11000000000005
    mov rsi, 0xca11000000000006
    mov rdi, 0xca11000000000007
    mov r8, 0xca11000000000008
    mov r9, 0xca11000000000009
    mov r10, 0xca1100000000000a
    mov r11, 0xca1100000000000b
    mov r12, 0xca1100000000000c
    mov r13, 0xca1100000000000d
    mov r14, 0xca1100000000000e
    mov r15, 0xca1100000000000f
    capture call_before
    call [rip + call_target]
    capture call_after

    mov rax, [rip + call_cr + 16]
    mov cr4, rax
    mov rax, [rip + call_cr]
    mov cr0, rax
    mov rax, [rip + call_cr + 8]
    mov cr3, rax
    lgdt [rip + call_gdtr]
    lidt [rip + call_idtr]
    mov eax, {OWN_DATA}
    mov ds, eax
    mov es, eax
    mov fs, eax
    mov gs, eax
    mov ss, eax
    mov rsp, [rip + call_rsp]
    push {OWN_CODE}
    lea rax, [rip + 1f]
    push rax
    retfq
1:  cld
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret

    .section .bss.call, "aw", @nobits
    .balign 16
    .global call_before
call_before:
    .skip {WORDS} * 8
    .global call_after
call_after:
    .skip {WORDS} * 8
call_rsp:
    .skip 8
call_cr:
    .skip 24
call_target:
    .skip 8
call_gdtr:
    .skip 16
call_idtr:
    .skip 16
