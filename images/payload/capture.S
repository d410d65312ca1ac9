// capture TO: stores the state of the CPU, WORDS words, at the label TO (names:
// capture.rs). Needs a stack of one word. Clobbers nothing but flags.
.macro capture to
    mov [rip + \to + 0], rax
    mov [rip + \to + 8], rcx
    mov [rip + \to + 16], rdx
    mov [rip + \to + 24], rbx
    mov [rip + \to + 32], rsp
    mov [rip + \to + 40], rbp
    mov [rip + \to + 48], rsi
    mov [rip + \to + 56], rdi
    mov [rip + \to + 64], r8
    mov [rip + \to + 72], r9
    mov [rip + \to + 80], r10
    mov [rip + \to + 88], r11
    mov [rip + \to + 96], r12
    mov [rip + \to + 104], r13
    mov [rip + \to + 112], r14
    mov [rip + \to + 120], r15
    pushfq
    pop [rip + \to + 128]
    mov rax, cr0
    mov [rip + \to + 136], rax
    mov rax, cr2
    mov [rip + \to + 144], rax
    mov rax, cr3
    mov [rip + \to + 152], rax
    mov rax, cr4
    mov [rip + \to + 160], rax
    mov ecx, 0xc0000080
    rdmsr
    mov [rip + \to + 168], eax
    mov [rip + \to + 172], edx
    mov ecx, 0xc0000100
    rdmsr
    mov [rip + \to + 176], eax
    mov [rip + \to + 180], edx
    mov ecx, 0xc0000101
    rdmsr
    mov [rip + \to + 184], eax
    mov [rip + \to + 188], edx
    mov ecx, 0xc0000102
    rdmsr
    mov [rip + \to + 192], eax
    mov [rip + \to + 196], edx
    mov word ptr [rip + \to + 200], cs
    mov word ptr [rip + \to + 208], ds
    mov word ptr [rip + \to + 216], es
    mov word ptr [rip + \to + 224], fs
    mov word ptr [rip + \to + 232], gs
    mov word ptr [rip + \to + 240], ss
    str word ptr [rip + \to + 248]
    sldt word ptr [rip + \to + 256]
    sgdt [rip + \to + 264]
    sidt [rip + \to + 280]
    mov rax, [rip + \to + 0]
    mov rcx, [rip + \to + 8]
    mov rdx, [rip + \to + 16]
.endm
