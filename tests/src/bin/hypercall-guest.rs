//! Runs in dom0, as root: makes every hypercall that mbtool supports, and prints the results, one
//! per line.
//!
//! `hypercall-guest` makes all queries and runs the table of images, `hypercall-guest open` only
//! opens the device, `hypercall-guest range` queries the crash area, `hypercall-guest under` prints
//! the hypervisor.

use std::env;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use handoff::addr::{MIB, PhysRange};
use mbtool::host::hypervisor::Hypervisor;
use tests::hypercall::{MARKER, answer};
use xen_shim::hypercall::testing::load_cases;
use xen_shim::hypercall::{
    Arch, HypercallError, ImageKind, Kexec, KexecRange, LoadImage, Privcmd, Transport, XenMachine,
    XenSegment,
};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let done = match &arguments[..] {
        [] => everything(),
        [open] if open == "open" => Privcmd::open()
            .map(|_| println!("{MARKER}open ok"))
            .map_err(Into::into),
        [range] if range == "range" => crash_area(),
        [under] if under == "under" => {
            println!("{MARKER}under {}", Hypervisor::read(Path::new("/")));
            Ok(())
        }
        _ => Err(anyhow::anyhow!("usage: hypercall-guest [open|range|under]")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{MARKER}FAIL {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn crash_area() -> Result<()> {
    let device = Privcmd::open()?;
    println!("{MARKER}version {}", XenMachine::new(&device).version()?);
    let area = Kexec::new(&device).range(KexecRange::Crash)?;
    println!("{MARKER}range crash {area}");
    Ok(())
}

fn everything() -> Result<()> {
    let device = Privcmd::open()?;
    machine(&XenMachine::new(&device))?;
    ranges(&Kexec::new(&device))?;
    status(&Kexec::new(&device))?;
    let kexec = Kexec::new(&device);
    for case in load_cases(kexec.range(KexecRange::Crash)?) {
        println!("{MARKER}load {} {}", case.name, answer(&case.run(&kexec)));
    }
    firmware(&XenMachine::new(&device))?;
    ownership(&device)?;
    replace(&kexec)?;
    let device = Privcmd::open()?.without_memory_device();
    let kexec = Kexec::new(&device);
    let area = kexec.range(KexecRange::Crash)?;
    let cases = load_cases(area);
    for name in ["default-8-MiB", "crash-8-MiB"] {
        let case = cases.iter().find(|case| case.name == name).context(name)?;
        println!("{MARKER}locked {name} {}", answer(&case.run(&kexec)));
    }
    println!("{MARKER}END");
    Ok(())
}

fn machine(machine: &XenMachine<'_>) -> Result<()> {
    println!("{MARKER}version {}", machine.version()?);
    for entry in machine.memory_map()? {
        let end = entry.start + entry.len;
        println!("{MARKER}e820 {:#x}-{end:#x} {}", entry.start, entry.kind);
    }
    let heap = machine.free_heap()?.context("no version of sysctl fits")?;
    println!("{MARKER}heap {heap:#x}");
    let start = Instant::now();
    let runs = machine.owned_runs()?;
    let took = start.elapsed().as_millis();
    for run in &runs {
        println!("{MARKER}owned {run}");
    }
    let sum: u64 = runs.iter().map(PhysRange::len).sum();
    println!("{MARKER}owned-sum {sum:#x}");
    println!("{MARKER}owned-took {took} ms, {} runs", runs.len());
    Ok(())
}

fn ranges(kexec: &Kexec<'_>) -> Result<()> {
    let named = [
        ("crash", KexecRange::Crash),
        ("xen", KexecRange::Xen),
        ("cpu0", KexecRange::Cpu(0)),
        ("cpu1", KexecRange::Cpu(1)),
        ("vmcoreinfo", KexecRange::Vmcoreinfo),
        ("cpu9999", KexecRange::Cpu(9999)),
    ];
    for (name, range) in named {
        match kexec.range(range) {
            Ok(range) => println!("{MARKER}range {name} {range}"),
            Err(error) => println!("{MARKER}range {name} {error}"),
        }
    }
    Ok(())
}

/// One page of the crash area, as an image.
fn load(kexec: &Kexec<'_>, kind: ImageKind, data: &[u8], start: u64) -> Result<(), HypercallError> {
    let dest = PhysRange {
        start,
        end: start + (data.len() as u64).next_multiple_of(0x1000),
    };
    kexec.load(&LoadImage {
        kind,
        arch: Arch::X86_64,
        entry: start,
        segments: &[XenSegment::new(data, dest)],
    })
}

fn status(kexec: &Kexec<'_>) -> Result<()> {
    let place = kexec.range(KexecRange::Crash)?.start + 16 * MIB;
    let mut seen = vec![kexec.status(ImageKind::Default)?];
    for loads in [true, true, false, false] {
        if loads {
            load(kexec, ImageKind::Default, &[1], place)?;
        } else {
            kexec.unload(ImageKind::Default)?;
        }
        seen.push(kexec.status(ImageKind::Default)?);
    }
    println!("{MARKER}status {seen:?}");
    println!("{MARKER}exec-nothing {}", kexec.exec(ImageKind::Default));
    Ok(())
}

/// The BIOS data area, and ACPI tables by their addresses.
fn firmware(machine: &XenMachine<'_>) -> Result<()> {
    let word = |addr| -> Result<u16, HypercallError> {
        let bytes = machine.read(addr, 2)?;
        Ok(u16::from_le_bytes([bytes[0], bytes[1]]))
    };
    println!("{MARKER}bda-base-kib {}", word(0x413)?);
    println!("{MARKER}bda-ebda {:#x}", word(0x40e)?);
    let bios = machine.read(0xe_0000, 0x2_0000)?;
    let at = bios
        .chunks(16)
        .position(|chunk| chunk.starts_with(b"RSD PTR "))
        .context("no RSDP")?
        * 16;
    println!("{MARKER}rsdp {:#x}", 0xe_0000 + at);
    let rsdt = u32::from_le_bytes(bios[at + 16..at + 20].try_into()?);
    let table = machine.read(rsdt.into(), 4)?;
    println!("{MARKER}rsdt {}", String::from_utf8_lossy(&table));
    let ram = machine.owned_runs()?;
    let ram = ram.last().context("dom0 owns nothing")?;
    println!(
        "{MARKER}read-ram {}",
        answer(&machine.read(ram.start, 16).map(|_| ()))
    );
    Ok(())
}

/// A page released by dom0's balloon is no longer owned.
fn ownership(device: &dyn Transport) -> Result<()> {
    const TARGET: &str = "/sys/devices/system/xen_memory/xen_memory0/target_kb";
    let machine = XenMachine::new(device);
    let before = machine.owned_runs()?;
    let owned = machine.owned(&before)?;
    println!("{MARKER}owned-again {}", owned.iter().all(|owned| *owned));
    let target: u64 = fs::read_to_string(TARGET)?.trim().parse()?;
    fs::write(TARGET, (target - (32 << 10)).to_string())?;
    let start = Instant::now();
    loop {
        let owned = machine.owned(&before)?;
        if owned.iter().any(|owned| !owned) {
            break;
        }
        if start.elapsed().as_secs() > 20 {
            bail!("the balloon gave nothing back");
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let sum = |runs: &[PhysRange]| runs.iter().map(PhysRange::len).sum::<u64>();
    // until it is complete
    std::thread::sleep(std::time::Duration::from_secs(1));
    let after = machine.owned_runs()?;
    println!("{MARKER}ballooned {:#x}", sum(&before) - sum(&after));
    Ok(())
}

/// A crash image that overwrites the list of the previous one.
fn replace(kexec: &Kexec<'_>) -> Result<()> {
    let area = kexec.range(KexecRange::Crash)?;
    // words that are sources in such a list
    let mut data = Vec::new();
    while data.len() < MIB as usize {
        data.extend((area.start | 8).to_le_bytes());
    }
    load(kexec, ImageKind::Crash, &data, area.start + 32 * MIB)?;
    load(kexec, ImageKind::Crash, &data, area.start)?;
    kexec.unload(ImageKind::Crash)?;
    println!("{MARKER}replaced");
    Ok(())
}
