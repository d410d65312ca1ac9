// The Multiboot (1) header (specification 0.6.96, section 3.1), at the very
// start of the image.

    .section .multiboot, "a", @progbits
    .balign 4
header1:
    .long {MAGIC}
    .long {FLAGS}
    .long -({MAGIC} + {FLAGS}) & 0xffffffff

    .if {ADDRESS}
    .long header1                               // header_addr
    .long __image_start                         // load_addr
    .long __load_end                            // load_end_addr
    .long __bss_end                             // bss_end_addr
    .long entry32                               // entry_addr
    .endif
