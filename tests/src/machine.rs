//! A virtual machine: what it has, and the QEMU command line for that.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use images::assets::{LINUX_6_1, OVMF};

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

/// A machine that boots a kernel given on QEMU's command line.
#[derive(Clone, Debug)]
pub struct Machine {
    pub(crate) firmware: Firmware,
    board: Board,
    cpus: u32,
    memory_mib: u32,
    kernel: PathBuf,
    append: String,
    pub(crate) initrd: Option<Vec<u8>>,
    extra: Vec<OsString>,
    reboots: bool,
    pub(crate) failures: Vec<String>,
}

impl Machine {
    /// A machine with 2 CPUs and 2 GiB that boots `kernel`: a Linux image, or an ELF image with a Multiboot header.
    pub fn new(firmware: Firmware, kernel: &Path) -> Self {
        Self {
            firmware,
            board: Board::Pc,
            cpus: 2,
            memory_mib: 2048,
            kernel: kernel.to_owned(),
            append: String::new(),
            initrd: None,
            extra: Vec::new(),
            reboots: false,
            failures: [
                "MBTOOL-STAGE1 FAIL",
                "Kernel panic - not syncing",
                "Panic on CPU ",
            ]
            .map(str::to_owned)
            .into(),
        }
    }

    /// A machine that boots Linux 6.1 into a first stage (see [`images::guest::Stage1`]) on its serial console.
    pub fn stage1(firmware: Firmware, initrd: Vec<u8>) -> Result<Self> {
        let machine = Self::new(firmware, LINUX_6_1.path()?);
        Ok(machine
            .append("console=ttyS0,115200 quiet panic=-1")
            .initrd(initrd))
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

    /// Sets the size of the memory in MiB.
    pub fn memory_mib(mut self, mib: u32) -> Self {
        self.memory_mib = mib;
        self
    }

    /// Adds words to the kernel's command line.
    pub fn append(mut self, words: &str) -> Self {
        if !self.append.is_empty() {
            self.append.push(' ');
        }
        self.append.push_str(words);
        self
    }

    /// Sets the initial RAM disk.
    pub fn initrd(mut self, initrd: Vec<u8>) -> Self {
        self.initrd = Some(initrd);
        self
    }

    /// Adds arguments to QEMU's command line.
    pub fn args<I: IntoIterator<Item: Into<OsString>>>(mut self, args: I) -> Self {
        self.extra.extend(args.into_iter().map(Into::into));
        self
    }

    /// Lets the machine go on after a reset, its memory as it is; without this a reset ends the run.
    pub fn reboots(mut self) -> Self {
        self.reboots = true;
        self
    }

    /// Replaces the texts that end a run as failed: for tests in which a kernel is meant to panic.
    pub fn failures(mut self, texts: &[&str]) -> Self {
        self.failures = texts.iter().map(|t| (*t).to_owned()).collect();
        self
    }

    /// The command that runs this machine in the directory `dir`, its serial port written to `serial.log` there.
    pub(crate) fn command(&self, dir: &Path) -> Result<Command> {
        let mut command = images::qemu::command()?;
        let board = match self.board {
            Board::Pc => "pc",
            Board::Q35 => "q35",
        };
        command
            .current_dir(dir)
            .args(["-accel", "tcg", "-machine", board])
            .args(["-smp", &self.cpus.to_string()])
            .args(["-m", &format!("{}M", self.memory_mib)])
            .args(["-monitor", "none", "-display", "none", "-net", "none"])
            .args(["-serial", "file:serial.log"]);
        if !self.reboots {
            command.arg("-no-reboot");
        }
        if self.firmware == Firmware::Ovmf {
            command.arg("-bios").arg(OVMF.path()?);
        }
        command.arg("-kernel").arg(&self.kernel);
        if self.initrd.is_some() {
            command.args(["-initrd", "initrd"]);
        }
        if !self.append.is_empty() {
            command.args(["-append", &self.append]);
        }
        command.args(&self.extra);
        Ok(command)
    }
}
