// The Multiboot2 header (specification 3.1), at the very start of the image.
// Assembled once per variant; the operands say which tags it has.

    .section .multiboot2, "a", @progbits
    .balign 8
header:
    .long {MAGIC}
    .long 0                                     // architecture: i386
    .long header_end - header
    .long -({MAGIC} + 0 + (header_end - header)) & 0xffffffff

    // information request, required: meminfo and memory map
    .balign 8
    .short 1, 0
    .long 16
    .long 4, 6

    // modules on page boundaries
    .balign 8
    .short 6, 0
    .long 8

    .if {ADDRESS}
    // load addresses of an image without ELF header, then its entry
    .balign 8
    .short 2, 0
    .long 24
    .long header                                // header_addr
    .long __image_start                         // load_addr
    .long __load_end                            // load_end_addr
    .long __bss_end                             // bss_end_addr
    .balign 8
    .short 3, 0
    .long 12
    .long entry32
    .endif

    .if {RELOCATABLE}
    // relocatable, optional: the loader may move us
    .balign 8
    .short 10, 1
    .long 24
    .long {MIN}, {MAX}, {ALIGN}, {PREFERENCE}
    .endif

    .balign 8
    .short 0, 0
    .long 8
header_end:
