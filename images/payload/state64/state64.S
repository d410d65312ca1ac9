// entry64: prints the state at entry, one word a line, and ends QEMU.
//
// In:      long mode, CPL 0, a stack of one word; this page can be written.
// Out:     COM1: `STATE64 ` and 16 hex digits for each word of capture.S;
//          isa-debug-exit (port 0xf4) with 0x10, or HLT.

    .section .text.entry, "ax", @progbits
    .code64
    .global entry64
entry64:
    capture found
    cld
    lea rsi, [rip + found]
    mov r8d, 37
1:  lea rbx, [rip + label]
2:  mov al, [rbx]
    inc rbx
    test al, al
    jz 3f
    call put
    jmp 2b
3:  lodsq
    mov r9, rax
    mov r10d, 16
4:  rol r9, 4
    mov eax, r9d
    and eax, 15
    add al, '0'
    cmp al, '9'
    jbe 5f
    add al, 'a' - '9' - 1
5:  call put
    dec r10d
    jnz 4b
    mov al, 13
    call put
    mov al, 10
    call put
    dec r8d
    jnz 1b
    mov al, 0x10
    mov edx, 0xf4
    out dx, al
6:  hlt
    jmp 6b

// In:      AL = a byte for COM1, which is not waited for longer than a while.
// Clobber: RCX, RDX
put:
    mov ah, al
    mov ecx, 100000
1:  mov edx, 0x3fd
    in al, dx
    test al, 0x20
    jnz 2f
    dec ecx
    jnz 1b
2:  mov edx, 0x3f8
    mov al, ah
    out dx, al
    ret

label:
    .asciz "STATE64 "
    .balign 8
found:
    .fill 37, 8, 0
