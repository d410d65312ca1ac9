//! Linux -> mbtool -> Linux: bzImage and vmlinux, on BIOS and UEFI, and three kernels in a row.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use images::assets::{Asset, LINUX_6_1, LINUX_6_12, LINUX_7};
use images::guest::{self, LINUX, STAGE1, Stage1, Stage1Initrd};
use mbtool::decompress::decompress;
use mbtool::image::synth::PeBuilder;
use mbtool::image::{As, Image, Protocol};
use tests::{Board, Firmware, Machine, Outcome, SERIAL_CMDLINE, mbtool_bin, serial_cmdline};

tests::cases! {
    linux_6_1_seabios_with_the_same_command_line: restored 14 s;
    linux_6_1_ovmf_keeps_efi: restored 14 s;
    unified_kernel_image_6_1_ovmf: restored 14 s;
    linux_6_12_seabios: restored 14 s;
    linux_6_12_ovmf: restored 14 s, "slow";
    linux_7_seabios_q35_4_cpus_6_gib: booted 14 s on LINUX_7;
    linux_7_ovmf: restored 14 s on LINUX_7;
    vmlinux_6_1_seabios: booted 14 s;
    vmlinux_6_12_ovmf: booted 14 s, "slow";
    three_kernels_in_a_row_on_ovmf: booted 25 s on LINUX_7;
}

/// Four times what the slowest case takes on two free cores.
const DEADLINE: Duration = Duration::from_secs(300);

/// Image and machine.
struct Case {
    firmware: Firmware,
    board: Board,
    cpus: u32,
    memory_mib: u32,
    /// The image.
    image: Vec<u8>,
    /// Prefix of its `uname -r`.
    release: &'static str,
    /// Make a unified kernel image of it, with the initrd and this command line.
    unified: Option<&'static str>,
    /// Options beside the image and the initrd.
    options: &'static str,
    /// Expected command line of the image.
    cmdline: &'static str,
}

impl Case {
    fn new(firmware: Firmware, image: Vec<u8>, release: &'static str) -> Self {
        Self {
            firmware,
            board: Board::Pc,
            cpus: 2,
            memory_mib: 2048,
            image,
            release,
            unified: None,
            options: concat!("--cmdline '", serial_cmdline!(), " a=b'"),
            cmdline: concat!(serial_cmdline!(), " a=b"),
        }
    }

    /// Boots a Linux that loads the image, and checks its report.
    fn check(&self, name: &str) -> Result<Outcome> {
        let (initrd, digest) = guest::linux_initrd()?;
        let initrd_option = match self.unified {
            Some(_) => "",
            None => "--initrd /initrd",
        };
        let script = format!(
            "mbtool load /image {initrd_option} {}\nmbtool exec -f\n",
            self.options
        );
        let first = Stage1::new(&script)?.file("bin/mbtool", mbtool_bin()?)?;
        let first = match self.unified {
            Some(cmdline) => first.bytes("image", &unified(&self.image, &initrd, cmdline))?,
            None => first
                .bytes("image", &self.image)?
                .bytes("initrd", &initrd)?,
        };
        let first = first.finish()?;
        let end = format!("{LINUX}END");
        let outcome = Machine::stage1(self.firmware, first)?
            .board(self.board)
            .cpus(self.cpus)
            .memory_mib(self.memory_mib)
            .run(name, DEADLINE, &[&end])?
            .ended_with(&end)?;
        self.verify(&outcome, &digest.to_string())
            .with_context(|| format!("see {}", outcome.log.display()))?;
        Ok(outcome)
    }

    fn verify(&self, outcome: &Outcome, digest: &str) -> Result<()> {
        let report: BTreeMap<&str, &str> = outcome
            .lines
            .iter()
            .filter_map(|line| line.split_once(LINUX)?.1.split_once('='))
            .collect();
        let get = |key: &str| {
            report
                .get(key)
                .copied()
                .with_context(|| format!("it did not report {key}"))
        };
        let expect = |key: &str, expected: &str| -> Result<()> {
            let found = get(key)?;
            ensure!(found == expected, "{key} is {found:?}, not {expected:?}");
            Ok(())
        };
        expect("digest", digest)?;
        expect("xen", "none")?;
        expect("cpus", &self.cpus.to_string())?;
        expect("cmdline", self.cmdline)?;
        // loader type of kexec
        expect("loader", "208")?;
        ensure!(get("linux")?.starts_with(self.release), "{}", get("linux")?);
        ensure!(get("acpi-tables")?.parse::<u32>()? > 0, "no ACPI tables");
        let kib: u64 = get("mem")?.trim_end_matches("KiB").parse()?;
        let all = u64::from(self.memory_mib) * 1024;
        ensure!(
            kib > all / 16 * 15 - 128 * 1024 && kib <= all,
            "{kib} KiB of memory, the machine has {all}"
        );
        let setup_data: Vec<&str> = get("setup-data")?.split_whitespace().collect();
        ensure!(
            setup_data.contains(&"0x9"),
            "no random bytes: {setup_data:?}"
        );
        let regions = get("efi-regions")?;
        match self.firmware {
            Firmware::SeaBios => ensure!(regions == "none", "EFI on a BIOS machine"),
            Firmware::Ovmf => {
                ensure!(regions.parse::<u32>()? > 0, "no EFI runtime regions");
                ensure!(setup_data.contains(&"0x4"), "no EFI data: {setup_data:?}");
            }
        }
        // the handoff entered it in long mode, by Linux's protocol
        let jump = outcome.value("[handoff] jump to ").context("no handoff")?;
        ensure!(jump.contains(" (linux, 64-bit), boot_params 0x"), "{jump}");
        Ok(())
    }
}

fn read(asset: &'static Asset) -> Result<Vec<u8>> {
    let path = asset.path()?;
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// A unified kernel image, as ukify makes it: a stub that is not used here, then the files.
fn unified(kernel: &[u8], initrd: &[u8], cmdline: &str) -> Vec<u8> {
    let image = PeBuilder::efi()
        .section(".text", &[0xcc; 0x400])
        .section(".osrel", b"ID=debian\n")
        .section(".cmdline", cmdline.as_bytes())
        .section(".initrd", initrd)
        .section(".linux", kernel);
    image.build()
}

/// Returns the ELF vmlinux in the bzImage `file`.
fn vmlinux(file: &[u8]) -> Result<Vec<u8>> {
    let image = Image::parse_as(file, "vmlinuz", As::Linux)?;
    let Protocol::Linux(setup) = &image.protocol else {
        anyhow::bail!("{:?}", image.protocol);
    };
    let payload = setup.payload.context("it has no payload")?;
    let (start, length) = (payload.offset as usize, payload.length as usize);
    let packed = image.segments[0].data[start..start + length].to_vec();
    let unpacked = decompress(packed, "payload")?.bytes;
    ensure!(unpacked.starts_with(b"\x7fELF"), "the payload is no ELF");
    Ok(unpacked)
}

fn linux_6_1_seabios_with_the_same_command_line() -> Result<()> {
    let case = Case {
        options: "--reuse-cmdline --cmdline more=1",
        cmdline: concat!(serial_cmdline!(), " more=1"),
        ..Case::new(Firmware::SeaBios, read(&LINUX_6_1)?, "6.1.")
    };
    case.check("linux_6_1_seabios").map(drop)
}

/// EFI runtime services work in the second kernel: it reads variables.
fn linux_6_1_ovmf_keeps_efi() -> Result<()> {
    let case = Case::new(Firmware::Ovmf, read(&LINUX_6_1)?, "6.1.");
    let outcome = case.check("linux_6_1_ovmf")?;
    let variables = outcome.value("efi-variables=").context("no variables")?;
    ensure!(variables.parse::<u32>()? > 0, "{variables} variables");
    Ok(())
}

/// Kernel, initrd and command line come out of one file; `--append` replaces one parameter and adds one.
fn unified_kernel_image_6_1_ovmf() -> Result<()> {
    let case = Case {
        unified: Some(concat!("a=unified ", serial_cmdline!(), "\n")),
        options: "--append 'a=b more=1'",
        cmdline: concat!(serial_cmdline!(), " a=b more=1"),
        ..Case::new(Firmware::Ovmf, read(&LINUX_6_1)?, "6.1.")
    };
    case.check("unified_kernel_image_6_1_ovmf").map(drop)
}

fn linux_6_12_seabios() -> Result<()> {
    let case = Case::new(Firmware::SeaBios, read(&LINUX_6_12)?, "6.12.");
    case.check("linux_6_12_seabios").map(drop)
}

fn linux_6_12_ovmf() -> Result<()> {
    let case = Case::new(Firmware::Ovmf, read(&LINUX_6_12)?, "6.12.");
    case.check("linux_6_12_ovmf").map(drop)
}

/// Memory on both sides of 4 GiB.
fn linux_7_seabios_q35_4_cpus_6_gib() -> Result<()> {
    let case = Case {
        board: Board::Q35,
        cpus: 4,
        memory_mib: 6144,
        ..Case::new(Firmware::SeaBios, read(&LINUX_7)?, "7.")
    };
    case.check("linux_7_seabios_q35_4_cpus_6_gib").map(drop)
}

fn linux_7_ovmf() -> Result<()> {
    let case = Case::new(Firmware::Ovmf, read(&LINUX_7)?, "7.");
    case.check("linux_7_ovmf").map(drop)
}

/// The kernel without its decompressor; placed high, a multiple of 2 MiB away from its link
/// address.
fn vmlinux_6_1_seabios() -> Result<()> {
    let case = Case::new(Firmware::SeaBios, vmlinux(&read(&LINUX_6_1)?)?, "6.1.");
    case.check("vmlinux_6_1_seabios").map(drop)
}

fn vmlinux_6_12_ovmf() -> Result<()> {
    let case = Case::new(Firmware::Ovmf, vmlinux(&read(&LINUX_6_12)?)?, "6.12.");
    case.check("vmlinux_6_12_ovmf").map(drop)
}

/// 6.1 starts 6.12, which starts 7, each by mbtool; EFI is passed on twice.
fn three_kernels_in_a_row_on_ovmf() -> Result<()> {
    let (initrd, digest) = guest::linux_initrd()?;
    let load = "mbtool load /image --initrd /initrd --reuse-cmdline\nmbtool exec -f\n";
    let stage = |image: &'static Asset, initrd: &[u8]| -> Result<Stage1Initrd> {
        Stage1::new(load)?
            .file("bin/mbtool", mbtool_bin()?)?
            .file("image", image.path()?)?
            .bytes("initrd", initrd)?
            .finish()
    };
    let second = stage(&LINUX_7, &initrd)?.whole();
    let first = stage(&LINUX_6_12, &second)?;
    let end = format!("{LINUX}END");
    let outcome = Machine::stage1(Firmware::Ovmf, first)?
        .linux(&LINUX_6_1)?
        .run("three_kernels_in_a_row", DEADLINE, &[&end])?
        .ended_with(&end)?;
    let case = Case {
        cmdline: SERIAL_CMDLINE,
        ..Case::new(Firmware::Ovmf, Vec::new(), "7.")
    };
    case.verify(&outcome, &digest.to_string())
        .with_context(|| format!("see {}", outcome.log.display()))?;
    let starts: Vec<&str> = outcome
        .lines
        .iter()
        .filter_map(|line| Some(line.split_once(&format!("{STAGE1}START "))?.1))
        .collect();
    ensure!(
        starts.len() == 2
            && starts[0].starts_with("linux=6.1.")
            && starts[1].starts_with("linux=6.12.")
            && starts.iter().all(|start| start.contains(" cpus=2 efi=yes")),
        "{starts:?}"
    );
    Ok(())
}
