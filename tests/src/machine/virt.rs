//! QEMU's machine `virt` of other architectures.

use elf::abi::{EM_AARCH64, EM_ARM, EM_RISCV};
use images::assets::{
    Asset, BUSYBOX_ARM64, BUSYBOX_ARMHF, BUSYBOX_RISCV64, LINUX_ARM64, LINUX_ARMHF, LINUX_RISCV64,
    MAKEDUMPFILE_RISCV64, QEMU_ARM, QEMU_ARM64, QEMU_RISCV64, VMCORE_DMESG_ARM64,
    VMCORE_DMESG_ARMHF,
};
use images::cross::CrossTarget;
use images::guest::VmcoreReader;

/// A machine with a device tree. All differences between the architectures are here.
#[derive(Debug)]
pub struct VirtBoard {
    /// The architecture.
    pub target: CrossTarget,
    /// Its emulator.
    pub qemu: &'static Asset,
    /// `-machine`.
    pub machine: &'static str,
    /// `-cpu`, unless the test chooses.
    pub cpu: &'static str,
    /// A thread of the host for each CPU. Debian's kernels for armhf stop in the first seconds of user space without.
    pub parallel: bool,
    /// Linux's name of the first UART.
    pub console: &'static str,
    /// The Linux that it starts with.
    pub linux: &'static Asset,
    /// A static user land.
    pub busybox: &'static Asset,
    /// The program that reads its dumps.
    pub dump_reader: VmcoreReader,
    /// `e_machine` of its core dumps.
    pub elf_machine: u16,
}

/// 64-bit RISC-V with the hypervisor extension and OpenSBI.
pub static RISCV64: VirtBoard = VirtBoard {
    target: CrossTarget::Riscv64,
    qemu: &QEMU_RISCV64,
    machine: "virt",
    cpu: "rv64,h=true",
    parallel: false,
    console: "ttyS0",
    linux: &LINUX_RISCV64,
    busybox: &BUSYBOX_RISCV64,
    dump_reader: VmcoreReader::Makedumpfile(&MAKEDUMPFILE_RISCV64),
    elf_machine: EM_RISCV,
};

/// 64-bit ARM with EL2, without VHE.
pub static ARM64: VirtBoard = arm64("virt,virtualization=on,gic-version=3");

/// 64-bit ARM that starts Linux at EL1, as in a virtual machine.
pub static ARM64_EL1: VirtBoard = arm64("virt,virtualization=off,gic-version=3");

const fn arm64(machine: &'static str) -> VirtBoard {
    VirtBoard {
        target: CrossTarget::Arm64,
        qemu: &QEMU_ARM64,
        machine,
        cpu: "cortex-a57",
        parallel: false,
        console: "ttyAMA0",
        linux: &LINUX_ARM64,
        busybox: &BUSYBOX_ARM64,
        dump_reader: VmcoreReader::VmcoreDmesg(&VMCORE_DMESG_ARM64),
        elf_machine: EM_AARCH64,
    }
}

/// 32-bit ARM that starts Linux in Hyp mode.
pub static ARMHF: VirtBoard = armhf("virt,virtualization=on");

/// 32-bit ARM that starts Linux in Supervisor mode.
pub static ARMHF_SVC: VirtBoard = armhf("virt,virtualization=off");

const fn armhf(machine: &'static str) -> VirtBoard {
    VirtBoard {
        target: CrossTarget::Armhf,
        qemu: &QEMU_ARM,
        machine,
        cpu: "cortex-a15",
        parallel: true,
        console: "ttyAMA0",
        linux: &LINUX_ARMHF,
        busybox: &BUSYBOX_ARMHF,
        dump_reader: VmcoreReader::VmcoreDmesg(&VMCORE_DMESG_ARMHF),
        elf_machine: EM_ARM,
    }
}

impl VirtBoard {
    /// Command line of a Linux that prints on the first UART; a panic is a reset.
    #[must_use]
    pub fn serial_cmdline(&self) -> String {
        format!("console={} quiet panic=-1 cryptomgr.notests", self.console)
    }
}
