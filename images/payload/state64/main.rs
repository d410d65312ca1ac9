//! Long mode code that prints its state at entry.
#![no_std]
#![expect(unsafe_code)]

core::arch::global_asm!(include_str!("../capture.S"), include_str!("state64.S"));
