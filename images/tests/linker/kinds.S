# Every relocation type that the linker knows. Assembled with relaxation permitted: otherwise the assembler computes
# differences and padding itself. "outside" and "absolute" are given to the linker, "absent" is defined nowhere.

    .weak absent

    .section .text.start, "ax", @progbits
    .globl start
    .type start, @function
start:
    .option push
    .option relax
    call outside                        # CALL_PLT
    .reloc ., R_RISCV_CALL, other
    auipc ra, 0
    jalr ra
    jal ra, other                       # JAL
    jal zero, start
    # the assembler would write longer ones
    .reloc ., R_RISCV_BRANCH, other
    beq a0, a1, .
    .reloc ., R_RISCV_BRANCH, start
    bltu a0, a1, .
    .reloc ., R_RISCV_RVC_BRANCH, start
    c.beqz a0, .
    .reloc ., R_RISCV_RVC_BRANCH, near
    c.bnez a0, .
    c.j near                            # RVC_JUMP
    c.nop
    .balign 16                          # ALIGN
aligned:
    lla a0, datum                       # PCREL_HI20, PCREL_LO12_I
    ld a1, datum + 8
    sd a1, datum + 16, t0               # PCREL_LO12_S
    lla a2, absolute
    .option pic
    la a3, outside                      # GOT_HI20
    la a4, datum
    la a5, outside
    la a6, absent
    .option nopic
    c.nop
    .balign 8
    lui a0, %hi(absolute)               # HI20
    addi a1, a0, %lo(absolute)          # LO12_I
    sd a1, %lo(absolute + 8)(a0)        # LO12_S
    lui a0, %hi(absolute + 0x900)
    lbu a1, %lo(absolute + 0x900)(a0)
    ret
    .size start, . - start

    .section .text.near, "ax", @progbits
near:
    # a high part used twice, and behind other ones
1:  auipc a0, %pcrel_hi(datum)
2:  auipc a1, %pcrel_hi(datum + 0x1234)
    addi a1, a1, %pcrel_lo(2b)
    addi a2, a0, %pcrel_lo(1b)
    sb a2, %pcrel_lo(1b)(a0)
    c.nop
    .balign 32
    .globl other
other:
    c.j near
    ret
    .option pop

    .section .rodata.constants, "a", @progbits
    .quad start                         # 64
    .quad other + 0x1234
    .word absolute                      # 32
    .reloc ., R_RISCV_32_PCREL, other
    .word 0
    .word aligned - start               # ADD32, SUB32
    .half aligned - start               # ADD16, SUB16
    .byte aligned - start               # ADD8, SUB8
    .byte 0
    .quad aligned - other               # ADD64, SUB64
    .reloc ., R_RISCV_SET_ULEB128, other + 40
    .reloc ., R_RISCV_SUB_ULEB128, start
    .byte 0x80, 0
    .reloc ., R_RISCV_SET6, aligned
    .reloc ., R_RISCV_SUB6, start
    .byte 0xc0
    .reloc ., R_RISCV_SET8, aligned
    .reloc ., R_RISCV_SUB8, start
    .byte 0xff
    .reloc ., R_RISCV_SET16, aligned
    .reloc ., R_RISCV_SUB16, start
    .half 0xffff
    .reloc ., R_RISCV_SET32, aligned
    .reloc ., R_RISCV_SUB32, start
    .word 0xffffffff

    .section .data.numbers, "aw", @progbits
    .balign 8
    .globl datum
datum:
    .quad 1, 2, datum
    .reloc ., R_RISCV_NONE, datum
    .quad absent

    .section .bss.zeros, "aw", @nobits
    .globl zeros
zeros:
    .zero 4096
