//! Linux's hyp-stub ABI on ARM: how a kernel that runs below hypervisor mode asks whatever has
//! installed vectors there to set them, to reset them, or to restart in hypervisor mode.
//!
//! The tables (`calls`, `era`, `occupant`, `outcome`) are data, compiled on every host; docs/hyp-abi.md
//! is generated from them. `answer` classifies what a call returned. The live parts make calls.
//!
//! Sources: Linux's arch/arm64/kernel/hyp-stub.S, arch/arm64/kvm/hyp/nvhe/{hyp-init,host}.S and
//! hyp-main.c, arch/arm/kernel/hyp-stub.S, arch/arm/kvm/hyp/hyp-entry.S (until 5.6), their
//! asm/virt.h, Documentation/virt/kvm/arm/hyp-abi.rst; Xen's xen/arch/arm/vsmc.c; Arm DEN 0028 (SMC
//! Calling Convention).

pub mod answer;
pub mod calls;
pub mod era;
pub mod occupant;
pub mod outcome;
pub mod show;

#[cfg(target_arch = "arm")]
pub mod arm;
#[cfg(target_arch = "aarch64")]
pub mod arm64;
#[cfg(any(target_arch = "aarch64", target_arch = "arm"))]
pub mod live;

#[cfg(test)]
mod tests;
