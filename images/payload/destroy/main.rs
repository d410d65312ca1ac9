//! An image that is called in long mode, destroys the state of the CPU, and
//! returns.
#![no_std]
#![expect(unsafe_code)]

core::arch::global_asm!(include_str!("destroy.S"));
