//! Runs real kernels in QEMU and reads their serial output. The cases are in `tests/tests/e2e`.
//!
//! Every run leaves its files in `target/e2e/NAME/`: `serial.log`, the initial RAM disk, and
//! `command`, the QEMU command line to repeat it manually.

pub mod attempt;
pub mod case;
pub mod chain;
mod clock;
pub mod crash;
mod dirs;
pub mod dump;
pub mod gdb;
mod guest_binary;
pub mod hypercall;
pub mod jump;
mod keyboard;
pub mod kvm_guest;
pub mod machine;
pub mod outcome;
pub mod payload_guest;
pub mod plan_json;
pub mod pool;
mod process;
pub mod qmp;
pub mod run;
pub mod save;
pub mod serial;
pub mod snapshot;
mod template;
mod times;
pub mod to_xen;
pub mod virt_guest;
pub mod virt_xen;
pub mod vmlinux;
pub mod xen;

pub use dirs::target_dir;
pub use guest_binary::{
    cross_known_pages_bin, cross_mbtool_bin, hypercall_guest_bin, jump_guest_bin, known_pages_bin,
    mbtool_bin, xen_guest_bin,
};
pub use keyboard::Keyboard;
pub use machine::{
    ARM64, ARM64_EL1, ARMHF, ARMHF_SVC, Board, DEBUG_EXIT, EMULATED, FIRST_LINUX, Firmware,
    Machine, RISCV64, SERIAL_CMDLINE, VirtBoard,
};
pub use outcome::{EndReason, Outcome};
