// entry64: from a CPU's first instruction to a Multiboot (1) kernel.
//
// In:      a reset: real mode, CS base 0xffff0000, EIP 0xfff0; this page is at
//          0xfffff000. The page's two words at 0xfe0 are filled in.
// Out:     jumps to the first word: 32-bit protected mode, flat segments,
//          paging and interrupts off, EAX = 0x2bad_b002, EBX = the second word.
// Devices: A20 is on, everything else as the reset left it.

    .set PAGE, 0xfffff000
    .section .text.entry, "ax", @progbits
    .code16
    .global entry64
entry64:
    mov al, 2                           // A20; bit 0 would reset
    out 0x92, al
    .byte 0x2e, 0x66, 0x0f, 0x01, 0x16  // lgdt cs:[..] with all 32 bits of the base
    .word 0xf000 + .Lgdt_pointer - entry64
    mov eax, 0x11                       // PE, ET
    mov cr0, eax
    .byte 0x66, 0xea                    // ljmp
    .long PAGE + .Lprotected - entry64
    .word 0x08

    .code32
.Lprotected:
    mov eax, 0x10
    mov ds, eax
    mov es, eax
    mov fs, eax
    mov gs, eax
    mov ss, eax
    mov eax, 0x2badb002
    mov ecx, [PAGE + 0xfe0]
    mov ebx, [PAGE + 0xfe4]
    jmp ecx

    .balign 8
.Lgdt:
    .quad 0
    .quad 0x00cf9b000000ffff            // flat code
    .quad 0x00cf93000000ffff            // flat data
.Lgdt_pointer:
    .word 3 * 8 - 1
    .long PAGE + .Lgdt - entry64

    .org 0xff0
    .byte 0xe9                          // jmp, 16-bit
    .word entry64 - . - 2
    .org 0x1000
