//! A virtual machine: firmware, board, CPUs, memory, kernel, devices.

mod command;
mod virt;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Result;
use images::assets::{self, Asset, LINUX_6_12};
use images::guest::Stage1Initrd;

use crate::{gdb, qmp};

pub use virt::{ARM64, ARM64_EL1, ARMHF, ARMHF_SVC, RISCV64, VirtBoard};

/// [`EMULATED`] as a literal, for `concat!`.
#[macro_export]
macro_rules! emulated {
    () => {
        "no_timer_check cryptomgr.notests"
    };
}

/// [`SERIAL_CMDLINE`] as a literal, for `concat!`.
#[macro_export]
macro_rules! serial_cmdline {
    () => {
        concat!("console=ttyS0,115200 quiet panic=-1 ", $crate::emulated!())
    };
}

/// Command line of a Linux that boots on emulated CPUs and prints on the first serial line; a panic is a reset.
pub const SERIAL_CMDLINE: &str = serial_cmdline!();

/// Parameters for every Linux that boots on emulated CPUs.
///
/// Linux counts a few ticks to test its timer, and panics when a busy host has merged too many of
/// them. On a known hypervisor it skips that. Its self-tests of cryptography take a fifth of its
/// boot time under emulation.
pub const EMULATED: &str = emulated!();

/// For dom0, which has Xen's timer. `rodata=off` skips the check of all page tables for writable
/// and executable pages, which takes a second under Xen, where each entry is translated.
pub(crate) const EMULATED_DOM0: &str = "cryptomgr.notests rodata=off";

/// For a Xen on emulated CPUs: without it Xen clears all free memory, which can take longer than the rest of its boot.
pub(crate) const UNSCRUBBED: &str = "bootscrub=0";

/// For a Xen with more CPUs than the host has: those that dom0 does not use are idle.
pub const SMALL_DOM0: &str = "dom0_max_vcpus=2";

/// The device through which a payload ends QEMU.
pub const DEBUG_EXIT: [&str; 2] = ["-device", "isa-debug-exit,iobase=0xf4,iosize=4"];

/// QEMU options for monitors and debuggers.
const WATCHING: [&str; 2] = ["-qmp", "-gdb"];

/// The Linux that most machines start with.
pub static FIRST_LINUX: &Asset = &LINUX_6_12;

/// The firmware that a machine starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// BIOS.
    SeaBios,
    /// UEFI.
    Ovmf,
}

/// QEMU's machine type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Board {
    /// i440FX and PIIX.
    Pc,
    /// Q35 and ICH9, with PCI Express.
    Q35,
}

/// A control domain that Xen starts.
#[derive(Clone, Debug)]
pub(crate) struct Dom0Boot {
    pub(crate) linux: &'static Asset,
    append: String,
}

/// An initial RAM disk.
#[derive(Clone, Debug)]
pub enum Initrd {
    /// As it is.
    Whole(Vec<u8>),
    /// That of a first stage, which can be restored from a template.
    Stage1(Stage1Initrd),
}

impl From<Vec<u8>> for Initrd {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Whole(bytes)
    }
}

impl From<Stage1Initrd> for Initrd {
    fn from(initrd: Stage1Initrd) -> Self {
        Self::Stage1(initrd)
    }
}

/// Location of the machine's memory in QEMU.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Memory<'a> {
    /// Chosen by QEMU.
    Private,
    /// In this file, which has all of it at the end.
    Saved(&'a Path),
    /// Initialized from this file, which is not changed. The state of CPUs and devices comes by the
    /// monitor.
    Restored(&'a Path),
}

/// A machine that boots a kernel given on QEMU's command line, or from its disks.
#[derive(Clone, Debug)]
pub struct Machine {
    pub(crate) firmware: Firmware,
    board: Board,
    /// In place of firmware and board, for another architecture.
    pub(crate) virt: Option<&'static VirtBoard>,
    cpus: u32,
    topology: Option<String>,
    cpu: Option<String>,
    memory_mib: u32,
    parallel: bool,
    pub(crate) kernel: Option<PathBuf>,
    append: String,
    pub(crate) initrd: Option<Initrd>,
    pub(crate) extra: Vec<OsString>,
    reboots: bool,
    pub(crate) dom0: Option<Dom0Boot>,
    pub(crate) typing: bool,
    pub(crate) failures: Vec<String>,
}

impl Machine {
    /// A machine with 2 CPUs and 2 GiB that boots `kernel`: a Linux image, or an ELF image with a Multiboot header.
    pub fn new(firmware: Firmware, kernel: &Path) -> Self {
        Self {
            firmware,
            board: Board::Pc,
            virt: None,
            cpus: 2,
            topology: None,
            cpu: None,
            memory_mib: 2048,
            parallel: false,
            kernel: Some(kernel.to_owned()),
            append: String::new(),
            initrd: None,
            extra: Vec::new(),
            reboots: false,
            dom0: None,
            typing: false,
            failures: [
                "MBTOOL-STAGE1 FAIL",
                "MBTOOL-DEBIAN FAIL",
                "Kernel panic - not syncing",
                "Panic on CPU ",
            ]
            .map(str::to_owned)
            .into(),
        }
    }

    /// The same machine, which boots from its disks.
    pub fn from_disk(firmware: Firmware) -> Self {
        Self {
            kernel: None,
            ..Self::new(firmware, Path::new(""))
        }
    }

    /// A machine that boots [`FIRST_LINUX`] into a first stage (see [`images::guest::Stage1`]) on its serial console.
    pub fn stage1(firmware: Firmware, initrd: impl Into<Initrd>) -> Result<Self> {
        let machine = Self::new(firmware, FIRST_LINUX.path()?);
        Ok(machine.append(SERIAL_CMDLINE).initrd(initrd))
    }

    /// A machine of another architecture, with 640 MiB, that boots the board's Linux into a first
    /// stage on its serial console.
    pub fn virt(board: &'static VirtBoard, initrd: impl Into<Initrd>) -> Result<Self> {
        let mut machine = Self::new(Firmware::SeaBios, board.linux.path()?);
        machine.virt = Some(board);
        machine.cpu = Some(board.cpu.to_owned());
        machine.memory_mib = 640;
        machine.parallel = board.parallel;
        Ok(machine.append(&board.serial_cmdline()).initrd(initrd))
    }

    /// A machine on which QEMU starts Xen `version` ("4.17" or "4.20"), by Multiboot 1, and Xen starts [`FIRST_LINUX`]
    /// as dom0 with `initrd` (see [`images::guest::Stage1`]). Both talk on the serial port. `xen_args` and `dom0_args` are
    /// added to their command lines, as [`Self::append`] (Xen's) does later.
    pub fn xen(
        version: &str,
        xen_args: &str,
        dom0_args: &str,
        initrd: impl Into<Initrd>,
    ) -> Result<Self> {
        let xen = assets::xen(version)?.path()?;
        let mut machine = Self::new(Firmware::SeaBios, xen);
        machine.dom0 = Some(Dom0Boot {
            linux: FIRST_LINUX,
            append: format!("console=hvc0 quiet panic=-1 {EMULATED_DOM0} {dom0_args}"),
        });
        Ok(machine
            .append("com1=115200,8n1 console=com1")
            .append(UNSCRUBBED)
            .append(xen_args)
            .initrd(initrd))
    }

    /// Sets the Linux that it starts with; with Xen, that of dom0.
    pub fn linux(mut self, linux: &'static Asset) -> Result<Self> {
        match &mut self.dom0 {
            Some(dom0) => dom0.linux = linux,
            None => self.kernel = Some(linux.path()?.to_owned()),
        }
        Ok(self)
    }

    /// Sets the machine type.
    pub fn board(mut self, board: Board) -> Self {
        self.board = board;
        self
    }

    /// Sets the number of CPUs.
    pub fn cpus(mut self, cpus: u32) -> Self {
        self.cpus = cpus;
        self
    }

    /// Sets how the CPUs are arranged: more of QEMU's `-smp`, as in
    /// "maxcpus=6,sockets=2,cores=3,threads=1". This determines their APIC ids.
    pub fn topology(mut self, topology: &str) -> Self {
        self.topology = Some(topology.to_owned());
        self
    }

    /// Sets the CPU model: QEMU's `-cpu`.
    pub fn cpu(mut self, model: &str) -> Self {
        self.cpu = Some(model.to_owned());
        self
    }

    /// Sets the size of the memory in MiB.
    pub fn memory_mib(mut self, mib: u32) -> Self {
        self.memory_mib = mib;
        self
    }

    /// Runs each emulated CPU in a separate thread, so that they run in parallel. A single thread
    /// takes a sixth less of the host's time, or even less if they wait for each other.
    pub fn parallel(mut self) -> Self {
        self.parallel = true;
        self
    }

    /// Sets the kernel's command line.
    pub fn command_line(mut self, line: &str) -> Self {
        line.clone_into(&mut self.append);
        self
    }

    /// Adds parameters to the kernel's command line.
    pub fn append(mut self, parameters: &str) -> Self {
        if !self.append.is_empty() && !parameters.is_empty() {
            self.append.push(' ');
        }
        self.append.push_str(parameters);
        self
    }

    /// Sets the initial RAM disk.
    pub fn initrd(mut self, initrd: impl Into<Initrd>) -> Self {
        self.initrd = Some(initrd.into());
        self
    }

    /// Adds a disk (virtio) with the content of `image`. What the guest writes is kept across its
    /// reboots, and is discarded at the end of the run; the image is not changed.
    pub fn disk(self, image: &Path) -> Self {
        // QEMU takes two commas for one
        let image = image.display().to_string().replace(',', ",,");
        let drive = format!("file={image},format=raw,if=virtio,snapshot=on,cache=unsafe");
        self.args(["-drive", &drive])
    }

    /// Adds a disk (IDE) with a FAT file system that has the files of `dir`: an EFI system partition. `dir` is not changed.
    pub fn fat_disk(self, dir: &Path) -> Self {
        let dir = dir.display().to_string().replace(',', ",,");
        let drive = format!("file=fat:{dir},format=raw,if=ide,snapshot=on");
        self.args(["-drive", &drive])
    }

    /// Adds arguments to QEMU's command line.
    pub fn args<I: IntoIterator<Item: Into<OsString>>>(mut self, args: I) -> Self {
        self.extra.extend(args.into_iter().map(Into::into));
        self
    }

    /// Lets the machine continue after a reset, with its memory preserved; by default a reset ends
    /// the run.
    pub fn reboots(mut self) -> Self {
        self.reboots = true;
        self
    }

    /// Lets the test type on the serial port (see [`Self::run_typing`](crate::Machine::run_typing)).
    pub fn typing(mut self) -> Self {
        self.typing = true;
        self
    }

    /// Gives it a monitor (see [`Qmp`](crate::qmp::Qmp)).
    pub fn monitor(self) -> Self {
        let socket = format!("unix:{},server=on,wait=off", qmp::SOCKET);
        self.args(["-qmp", &socket])
    }

    /// Gives it a gdbstub (see [`Gdb::connect_in`](crate::gdb::Gdb::connect_in)).
    pub fn debugger(self) -> Self {
        let socket = format!("unix:{},server=on,wait=off", gdb::SOCKET);
        self.args(["-gdb", &socket])
    }

    /// True when a monitor or a debugger is attached.
    pub(crate) fn is_watched(&self) -> bool {
        let watching = |word: &OsString| WATCHING.iter().any(|option| word == option);
        self.extra.iter().any(watching)
    }

    /// The same machine without monitor, gdbstub and input on its serial port.
    pub(crate) fn quiet(mut self) -> Self {
        self.typing = false;
        let mut words = std::mem::take(&mut self.extra).into_iter();
        while let Some(word) = words.next() {
            if WATCHING.iter().any(|option| word == *option) {
                words.next();
            } else {
                self.extra.push(word);
            }
        }
        self
    }

    /// Replaces the texts that end a run as failed: for tests in which a kernel panics
    /// intentionally.
    pub fn failures(mut self, texts: &[&str]) -> Self {
        self.failures = texts.iter().map(|t| (*t).to_owned()).collect();
        self
    }

    /// Returns its first stage, if it has one.
    pub(crate) fn stage1_initrd(&self) -> Result<Option<Stage1Initrd>> {
        match (&self.initrd, &self.dom0) {
            (Some(Initrd::Stage1(initrd)), None) => Ok(Some(initrd.clone())),
            (Some(Initrd::Stage1(initrd)), Some(dom0)) => {
                initrd.clone().for_dom0(dom0.linux).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Describes the machine, without the files that it boots and without monitors: two machines
    /// with the same description and files reach the same state.
    pub(crate) fn description(&self) -> String {
        let mut extra = self.clone().quiet().extra;
        // one port, which no system uses
        if let Some(at) = extra.windows(2).position(|pair| pair == DEBUG_EXIT) {
            extra.drain(at..at + 2);
        }
        let virt = self.virt.map(|board| format!("{} ", board.target.name()));
        format!(
            "{}{:?} {:?} {} {:?} {:?} {} MiB {:?} {:?} {extra:?}",
            virt.unwrap_or_default(),
            self.firmware,
            self.board,
            self.cpus,
            self.topology,
            self.cpu,
            self.memory_mib,
            self.append,
            self.dom0.as_ref().map(|dom0| &dom0.append),
        )
    }
}
