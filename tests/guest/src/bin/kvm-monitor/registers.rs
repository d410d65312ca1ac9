//! Registers of a VCPU, by KVM's numbers (linux/kvm.h, asm/kvm.h: `KVM_REG_RISCV_*`).

use std::mem::offset_of;

use anyhow::{Context, Result};
use kvm_bindings::{
    KVM_REG_RISCV, KVM_REG_RISCV_CORE, KVM_REG_RISCV_CSR, KVM_REG_SIZE_U64, kvm_riscv_core,
    kvm_riscv_csr,
};
use kvm_ioctls::VcpuFd;

/// Number of a register: its type, and its offset in the type's structure.
const fn number(of: u32, offset: usize) -> u64 {
    KVM_REG_RISCV as u64 | KVM_REG_SIZE_U64 | of as u64 | (offset / size_of::<u64>()) as u64
}

/// Program counter.
pub const PC: u64 = number(KVM_REG_RISCV_CORE, offset_of!(kvm_riscv_core, regs.pc));
/// First argument: the hart.
pub const A0: u64 = number(KVM_REG_RISCV_CORE, offset_of!(kvm_riscv_core, regs.a0));
/// Second argument: the device tree.
pub const A1: u64 = number(KVM_REG_RISCV_CORE, offset_of!(kvm_riscv_core, regs.a1));
/// Trap vector.
pub const STVEC: u64 = number(KVM_REG_RISCV_CSR, offset_of!(kvm_riscv_csr, stvec));
/// Translation.
pub const SATP: u64 = number(KVM_REG_RISCV_CSR, offset_of!(kvm_riscv_csr, satp));

/// Reads a register.
pub fn read(vcpu: &VcpuFd, register: u64) -> Result<u64> {
    let mut value = [0; 8];
    vcpu.get_one_reg(register, &mut value)
        .with_context(|| format!("cannot read register {register:#x}"))?;
    Ok(u64::from_le_bytes(value))
}

/// Writes a register.
pub fn write(vcpu: &VcpuFd, register: u64, value: u64) -> Result<()> {
    vcpu.set_one_reg(register, &value.to_le_bytes())
        .with_context(|| format!("cannot write register {register:#x}"))?;
    Ok(())
}
