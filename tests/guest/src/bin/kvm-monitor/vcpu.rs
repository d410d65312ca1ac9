//! The VCPU, from its entry to its end.

use std::io::{Write, stdout};

use anyhow::{Context, Result, bail};
use guest_programs::kvm::{KERNEL, MARKER, TREE, UART, UART_LEN};
use kvm_bindings::KVM_EXIT_RISCV_SBI;
use kvm_ioctls::{Kvm, VcpuExit, VcpuFd};
use rustix::io::Errno;

use crate::memory::GuestMemory;
use crate::registers::{A0, A1, PC, SATP, STVEC, read, write};

/// Answer to a call of firmware that there is none (SBI specification, chapter 3:
/// `SBI_ERR_NOT_SUPPORTED`).
const NOT_SUPPORTED: u64 = -2_i64 as u64;

/// Line status register of the UART, and its bits "transmitter empty".
const LINE_STATUS: u64 = UART + 5;
const EMPTY: u8 = 0x60;

/// Runs a kernel at [`KERNEL`] until it ends.
pub fn run(memory: &mut GuestMemory, to_stvec: bool) -> Result<()> {
    let kvm = Kvm::new().context("/dev/kvm")?;
    let vm = kvm.create_vm().context("cannot create a virtual machine")?;
    memory.give(&vm)?;
    let mut vcpu = vm.create_vcpu(0).context("cannot create a VCPU")?;
    write(&vcpu, PC, KERNEL)?;
    write(&vcpu, A0, 0)?;
    write(&vcpu, A1, TREE)?;
    let mut out = stdout();
    loop {
        match vcpu.run() {
            Ok(VcpuExit::MmioWrite(UART, data)) => {
                out.write_all(&data[..1])?;
                out.flush()?;
            }
            Ok(VcpuExit::MmioWrite(address, _)) if is_uart(address) => {}
            Ok(VcpuExit::MmioRead(address, data)) if is_uart(address) => {
                data.fill(0);
                if address == LINE_STATUS {
                    data[0] = EMPTY;
                }
            }
            Ok(VcpuExit::Unsupported(KVM_EXIT_RISCV_SBI)) => {
                vcpu.get_kvm_run().__bindgen_anon_1.riscv_sbi.ret = [NOT_SUPPORTED, 0];
            }
            Ok(VcpuExit::SystemEvent(kind, _)) => {
                println!("\n{MARKER}end=system-event kind={kind}");
                return Ok(());
            }
            Ok(other) => bail!("the guest left with {other:?}"),
            Err(error) => match Errno::from_raw_os_error(error.errno()) {
                Errno::INTR | Errno::AGAIN => {}
                Errno::OPNOTSUPP if to_stvec && read(&vcpu, SATP)? == 0 => redirect(&vcpu)?,
                Errno::OPNOTSUPP => {
                    println!("\n{MARKER}end=not-supported {}", state(&vcpu)?);
                    return Ok(());
                }
                _ => return Err(error).context("KVM_RUN"),
            },
        }
    }
}

/// Continues at stvec.
fn redirect(vcpu: &VcpuFd) -> Result<()> {
    println!("\n{MARKER}redirected {}", state(vcpu)?);
    // the two lowest bits are the mode
    write(vcpu, PC, read(vcpu, STVEC)? & !3)
}

fn state(vcpu: &VcpuFd) -> Result<String> {
    let (pc, satp, stvec) = (read(vcpu, PC)?, read(vcpu, SATP)?, read(vcpu, STVEC)?);
    Ok(format!("pc={pc:#x} satp={satp:#x} stvec={stvec:#x}"))
}

fn is_uart(address: u64) -> bool {
    (UART..UART + UART_LEN).contains(&address)
}
