// entry32: recognizable registers, then an invalid instruction. ESP, the
// segments and the tables stay as the handoff left them.

    .section .text.entry, "ax", @progbits
    .code32
    .global entry32
entry32:
    mov eax, 0xfa017000
    mov ecx, 0xfa017001
    mov edx, 0xfa017002
    mov ebx, 0xfa017003
    mov ebp, 0xfa017005
    mov esi, 0xfa017006
    mov edi, 0xfa017007
    .global fault_here
fault_here:
    ud2
    // a handler that returns here by mistake finds no end
1:  hlt
    jmp 1b
