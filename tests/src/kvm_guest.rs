//! A riscv64 Linux as guest of KVM, in a Linux that QEMU runs: the guest loads a Linux with mbtool,
//! and starts it. Both print on one console; `kvm-monitor` is their virtual machine monitor.

use anyhow::{Context, Result, ensure};
use guest_programs::kvm::{INITRD, MARKER, RAM, UART, UART_LEN};
use images::assets;
use images::digest::Sha256Digest;
use images::guest::{self, LINUX, module_files};
use mbtool::fdt::{DeviceTree, DtNode};

use crate::guest_binary::cross_kvm_monitor_bin;
use crate::machine::{Machine, VirtBoard};
use crate::outcome::Outcome;
use crate::virt_guest::{VIRT_DEADLINE, virt_stage1};

/// Memory of the guest.
const MIB: u64 = 256;

/// Memory of the host: the guest's, and its files in three places.
const HOST_MIB: u32 = 1024;

/// Frequency of QEMU's timer, which KVM hands on.
const TIMEBASE: u32 = 10_000_000;

/// CPUs of the host, without supervisor timers: with them KVM lost the guest's timer in three of five
/// runs of QEMU 10.0, and the guest waited for ever; without them in none of four.
const HOST_CPU: &str = "rv64,h=true,sstc=false";

/// What the monitor does after an instruction fetch that has no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Monitor {
    /// It ends the guest, as QEMU does.
    Ends,
    /// It continues at stvec.
    ToStvec,
}

/// A run.
#[derive(Debug)]
pub struct KvmRun {
    /// Its log.
    pub outcome: Outcome,
    /// Digest of the second Linux's payload.
    pub digest: Sha256Digest,
    /// Command line of the second Linux.
    pub cmdline: String,
}

impl KvmRun {
    /// Returns the parameter `key` of the monitor's line `line`.
    ///
    /// # Errors
    ///
    /// It is missing.
    pub fn monitor(&self, line: &str, key: &str) -> Result<&str> {
        let found = self.outcome.value(&format!("{MARKER}{line}"));
        let rest =
            found.with_context(|| format!("no {MARKER}{line}: {}", self.outcome.describe()))?;
        let mut parameters = rest.split(' ').filter_map(|part| part.split_once('='));
        let found = parameters.find(|(name, _)| *name == key);
        found
            .map(|(_, value)| value)
            .with_context(|| format!("no {key} in {rest:?}"))
    }

    /// Returns what the second Linux printed as `key`.
    ///
    /// # Errors
    ///
    /// It did not.
    pub fn second(&self, key: &str) -> Result<&str> {
        let found = self.outcome.value(&format!("{LINUX}{key}="));
        found.with_context(|| format!("the second Linux did not report {key}"))
    }
}

/// Runs a guest. Its first stage runs `script`, in which `LOAD` are the parameters for mbtool of the
/// second Linux.
///
/// # Errors
///
/// The host did not reach the end of its first stage.
pub fn run_kvm(
    name: &str,
    board: &'static VirtBoard,
    monitor: Monitor,
    script: &str,
) -> Result<KvmRun> {
    let cmdline = format!("{} a=b", board.serial_cmdline());
    let load = format!("/image --initrd /initrd --cmdline '{cmdline}'");
    let (initrd, digest) = guest::dt_linux_initrd(board.busybox, None)?;
    let kernel = board.linux.path()?;
    let inner = virt_stage1(board, &script.replace("LOAD", &load))?
        .file("image", kernel)?
        .bytes("initrd", &initrd)?
        .finish()?
        .whole();
    let tree = tree(&board.serial_cmdline(), inner.len() as u64)
        .write()
        .context("the guest's device tree")?;

    let modules = assets::kvm_modules(board.linux)?;
    ensure!(
        !modules.is_empty(),
        "{} has no modules for KVM",
        kernel.display()
    );
    let option = match monitor {
        Monitor::Ends => "",
        Monitor::ToStvec => " to-stvec",
    };
    let script = format!(
        "for module in irqbypass kvm; do insmod /lib/modules/$(uname -r)/$module.ko; done\n\
         kvm-monitor {MIB} /image /guest-initrd /guest-tree{option}\n"
    );
    let stage = virt_stage1(board, &script)?
        .file("bin/kvm-monitor", &cross_kvm_monitor_bin(board.target)?)?
        .archive(module_files(&modules)?)
        .file("image", kernel)?
        .bytes("guest-initrd", &inner)?
        .bytes("guest-tree", &tree)?;
    let end = format!("{MARKER}end=");
    let failed = format!("{MARKER}FAIL");
    let outcome = Machine::virt(board, stage.finish()?)?
        .cpus(2)
        .cpu(HOST_CPU)
        .memory_mib(HOST_MIB)
        .failures(&[&failed])
        .run(name, VIRT_DEADLINE, &[&end])?
        .ended_with(&end)?;
    Ok(KvmRun {
        outcome,
        digest,
        cmdline,
    })
}

/// The device tree of the guest, with an initial RAM disk of `initrd` bytes.
fn tree(bootargs: &str, initrd: u64) -> DeviceTree {
    let cells = |values: &[u32]| -> Vec<u8> {
        values
            .iter()
            .flat_map(|value| value.to_be_bytes())
            .collect()
    };
    let wide = |values: &[u64]| -> Vec<u8> {
        values
            .iter()
            .flat_map(|value| value.to_be_bytes())
            .collect()
    };
    let mut tree = DeviceTree::default();
    let root = &mut tree.root;
    root.set("#address-cells", cells(&[2]));
    root.set("#size-cells", cells(&[2]));
    root.set_string("compatible", "linux,dummy-virt");
    root.set_string("model", "kvm-monitor");

    let uart = format!("serial@{UART:x}");
    let mut chosen = DtNode::new("chosen");
    chosen.set_string("bootargs", bootargs);
    chosen.set_string("stdout-path", &format!("/{uart}"));
    chosen.set("linux,initrd-start", wide(&[INITRD]));
    chosen.set("linux,initrd-end", wide(&[INITRD + initrd]));

    let mut memory = DtNode::new(&format!("memory@{RAM:x}"));
    memory.set_string("device_type", "memory");
    memory.set("reg", wide(&[RAM, MIB << 20]));

    let mut controller = DtNode::new("interrupt-controller");
    controller.set("#interrupt-cells", cells(&[1]));
    controller.set("interrupt-controller", []);
    controller.set_string("compatible", "riscv,cpu-intc");
    let mut cpu = DtNode::new("cpu@0");
    cpu.set_string("device_type", "cpu");
    cpu.set("reg", cells(&[0]));
    cpu.set_string("status", "okay");
    cpu.set_string("compatible", "riscv");
    cpu.set_string("riscv,isa", "rv64imafdc_zicntr_zicsr_zifencei");
    cpu.set_string("mmu-type", "riscv,sv39");
    cpu.children.push(controller);
    let mut cpus = DtNode::new("cpus");
    cpus.set("#address-cells", cells(&[1]));
    cpus.set("#size-cells", cells(&[0]));
    cpus.set("timebase-frequency", cells(&[TIMEBASE]));
    cpus.children.push(cpu);

    let mut serial = DtNode::new(&uart);
    serial.set_string("compatible", "ns16550a");
    serial.set("reg", wide(&[UART, UART_LEN]));
    serial.set("clock-frequency", cells(&[3_686_400]));
    root.children = vec![chosen, memory, cpus, serial];
    tree
}

#[cfg(test)]
mod tests {
    use super::*;
    use guest_programs::kvm::{KERNEL, TREE};
    use handoff::addr::PhysRange;

    #[test]
    fn the_files_of_the_guest_have_their_places() {
        let end = RAM + (MIB << 20);
        assert!(KERNEL < TREE && TREE < INITRD && INITRD < end);
        let tree = tree("a=b", 0x1000);
        assert_eq!(tree.memory().unwrap(), [PhysRange { start: RAM, end }]);
        let uart = tree.stdout().unwrap().unwrap();
        assert_eq!(uart.address, UART);
        assert_eq!(DeviceTree::read(&tree.write().unwrap()).unwrap(), tree);
    }
}
