//! The QEMU command line of a machine, and the files that QEMU loads.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use images::assets::OVMF;

use super::{Board, Firmware, Initrd, Machine, Memory};
use crate::qmp;

impl Machine {
    /// Puts the files that QEMU loads into `dir`.
    pub(crate) fn prepare(&self, dir: &Path) -> Result<()> {
        if let Some(Initrd::Whole(initrd)) = &self.initrd {
            fs::write(dir.join("initrd"), initrd)?;
        }
        if let Some(initrd) = self.stage1_initrd()? {
            fs::write(dir.join("initrd"), initrd.whole())?;
        }
        if let (Some(dom0), Some(kernel)) = (&self.dom0, &self.kernel) {
            // QEMU does not decompress Multiboot images, and a module name ends at the first blank
            let name = kernel.display().to_string();
            let packed = fs::read(kernel).with_context(|| format!("cannot read {name}"))?;
            let unpacked = mbtool::decompress::decompress(packed, &name)?;
            fs::write(dir.join("xen"), &unpacked.bytes)?;
            let linux = dom0.linux.path()?;
            fs::copy(linux, dir.join("vmlinuz"))
                .with_context(|| format!("cannot copy {}", linux.display()))?;
        }
        Ok(())
    }

    /// The command that runs this machine in the directory `dir`, its serial port written to
    /// `serial.log` there, appended if the machine is restored.
    pub(crate) fn command(&self, dir: &Path, memory: Memory<'_>) -> Result<Command> {
        let mut command = match self.virt {
            None => images::qemu::command()?,
            Some(board) => images::qemu::of(board.qemu)?,
        };
        let accelerator = if self.parallel {
            "tcg,thread=multi"
        } else {
            "tcg,thread=single"
        };
        let mut smp = self.cpus.to_string();
        if let Some(topology) = &self.topology {
            smp = format!("{smp},{topology}");
        }
        command
            .current_dir(dir)
            .args([
                "-accel",
                accelerator,
                "-machine",
                &self.machine_type(memory),
            ])
            .args(["-smp", &smp])
            .args(["-m", &format!("{}M", self.memory_mib)])
            .args(["-monitor", "none", "-display", "none", "-net", "none"])
            .args(self.memory_arguments(memory));
        if let Some(cpu) = &self.cpu {
            command.args(["-cpu", cpu]);
        }
        let append = if matches!(memory, Memory::Restored(..)) {
            "on"
        } else {
            "off"
        };
        if self.typing {
            let device =
                format!("stdio,id=serial,signal=off,logfile=serial.log,logappend={append}");
            command.args(["-chardev", &device]);
        } else {
            let device = format!("file,id=serial,path=serial.log,append={append}");
            command.args(["-chardev", &device]);
        }
        command.args(["-serial", "chardev:serial"]);
        if !self.reboots {
            command.arg("-no-reboot");
        }
        if self.firmware == Firmware::Ovmf {
            command.arg("-bios").arg(OVMF.path()?);
        }
        match (&self.dom0, &self.kernel) {
            (Some(dom0), _) => {
                // a comma separates modules, two are one
                let mut modules = format!("vmlinuz {}", dom0.append.trim_end().replace(',', ",,"));
                if self.initrd.is_some() {
                    modules.push_str(",initrd");
                }
                command.args(["-kernel", "xen", "-initrd", &modules]);
            }
            (None, None) => {}
            (None, Some(kernel)) => {
                command.arg("-kernel").arg(kernel);
                if self.initrd.is_some() {
                    command.args(["-initrd", "initrd"]);
                }
            }
        }
        if !self.append.is_empty() {
            command.args(["-append", &self.append]);
        }
        command.args(&self.extra);
        Ok(command)
    }

    /// QEMU's `-machine`.
    fn machine_type(&self, memory: Memory<'_>) -> String {
        let board = match (self.virt, self.board) {
            (Some(board), _) => board.machine,
            (None, Board::Pc) => "pc",
            (None, Board::Q35) => "q35",
        };
        match memory {
            Memory::Private => board.to_owned(),
            Memory::Saved(_) | Memory::Restored(..) => format!("{board},memory-backend=ram"),
        }
    }

    /// Where the memory is, for QEMU's command line, and the monitor by which the machine is saved or restored.
    fn memory_arguments(&self, memory: Memory<'_>) -> Vec<String> {
        let (ram, share) = match memory {
            Memory::Private => return Vec::new(),
            Memory::Saved(ram) => (ram, "on"),
            Memory::Restored(ram) => (ram, "off"),
        };
        let ram = ram.display().to_string().replace(',', ",,");
        let mib = self.memory_mib;
        let backend =
            format!("memory-backend-file,id=ram,size={mib}M,mem-path={ram},share={share}");
        let socket = format!("unix:{},server=on,wait=off", qmp::TEMPLATE_SOCKET);
        let mut words = ["-object", &backend, "-qmp", &socket]
            .map(str::to_owned)
            .to_vec();
        if let Memory::Restored(_) = memory {
            words.extend(["-incoming", "defer"].map(str::to_owned));
        }
        words
    }
}
