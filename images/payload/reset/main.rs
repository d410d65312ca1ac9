//! The last page of a firmware that only starts a Multiboot kernel.
#![no_std]
#![expect(unsafe_code)]

core::arch::global_asm!(include_str!("reset.S"));
