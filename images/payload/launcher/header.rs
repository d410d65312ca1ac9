//! The Multiboot1 header for QEMU's `-kernel`.
#![no_std]
#![expect(unsafe_code)]

core::arch::global_asm!(
    r#".section .multiboot, "a", @progbits"#,
    ".balign 4",
    ".long {MAGIC}",
    ".long {FLAGS}",
    ".long -({MAGIC} + {FLAGS}) & 0xffffffff",
    MAGIC = const 0x1bad_b002_u32,
    // modules on page boundaries, memory map
    FLAGS = const 3,
);
