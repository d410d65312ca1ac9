//! `kvm-monitor MIB IMAGE INITRD TREE [to-stvec]`: a virtual machine with one VCPU on riscv64, by
//! KVM. It enters a Linux with a device tree, prints what the guest writes to its UART, and how the
//! guest ended.
//!
//! With `to-stvec` it continues a guest that fetched from an unmapped address after it switched
//! translation off: at stvec, where a machine without second stage of translation would continue.

#[cfg(target_arch = "riscv64")]
mod memory;
#[cfg(target_arch = "riscv64")]
mod registers;
#[cfg(target_arch = "riscv64")]
mod vcpu;

use std::process::ExitCode;

use anyhow::Result;
use guest_programs::kvm::MARKER;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{MARKER}FAIL {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(target_arch = "riscv64"))]
fn run() -> Result<()> {
    anyhow::bail!("kvm-monitor runs on riscv64 only")
}

#[cfg(target_arch = "riscv64")]
fn run() -> Result<()> {
    use anyhow::{Context, bail};
    use guest_programs::kvm::{INITRD, KERNEL, TREE};

    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (mib, files, to_stvec) = match arguments[..] {
        [mib, image, initrd, tree] => (mib, [image, initrd, tree], false),
        [mib, image, initrd, tree, "to-stvec"] => (mib, [image, initrd, tree], true),
        _ => bail!("usage: kvm-monitor MIB IMAGE INITRD TREE [to-stvec]"),
    };
    let mib: usize = mib.parse().context("MIB")?;
    let mut memory = memory::GuestMemory::new(mib << 20)?;
    for (file, at) in files.into_iter().zip([KERNEL, INITRD, TREE]) {
        memory.load(file.as_ref(), at)?;
    }
    vcpu::run(&mut memory, to_stvec)
}
