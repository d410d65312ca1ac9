//! Shared by the tests: a loader for individual steps, manually built boot
//! information, and QEMU.
#![allow(dead_code, reason = "no test uses all of it")]

pub mod trap;

use elf::ElfBytes;
use elf::abi::{DT_RELA, DT_RELASZ, ET_DYN, PT_LOAD, R_X86_64_RELATIVE};
use elf::endian::LittleEndian;
use handoff::spec::{Console, Drill, Exit, OnFault, Region, Relocate, Spec, Verify};
use images::{launch, qemu};
use std::fs;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Address of the boot information in these tests.
pub const MBI: u32 = 0x200_0000;
/// Address of modules.
pub const MODULE: u64 = 0x300_0000;
/// Timeout; a run takes well under a second.
const DEADLINE: Duration = Duration::from_secs(60);

/// A segment to load.
#[derive(Clone)]
pub struct Part {
    pub address: u64,
    pub memsz: u64,
    pub bytes: Vec<u8>,
}

/// A loaded image.
#[derive(Clone)]
pub struct Loaded {
    pub parts: Vec<Part>,
    pub entry: u64,
}

/// A handoff at `base` on COM1 that verifies `regions`, halts on a fault, and
/// enters `entry` with the boot information at [`MBI`].
pub fn multiboot2_spec(base: u64, entry: u64, verify: Verify, regions: Vec<Region>) -> Spec {
    Spec {
        base,
        consoles: vec![Console::Pio {
            port: 0x3f8,
            divisor: Some(1),
        }],
        on_fault: OnFault::Halt,
        verify,
        regions,
        relocate: Relocate::default(),
        fixups: vec![],
        exit: Exit::Multiboot2 {
            entry: entry as u32,
            mbi: MBI,
        },
        drill: Drill::Off,
        guard: false,
    }
}

/// Lays out an ELF file at its physical addresses plus `delta`.
pub fn load_elf(file: &[u8], delta: u64, relocate: bool) -> Loaded {
    let elf = ElfBytes::<LittleEndian>::minimal_parse(file).unwrap();
    let headers: Vec<_> = elf.segments().unwrap().iter().collect();
    let loads: Vec<_> = headers
        .into_iter()
        .filter(|h| h.p_type == PT_LOAD)
        .collect();
    let mut parts: Vec<_> = loads
        .iter()
        .map(|h| Part {
            address: h.p_paddr + delta,
            memsz: h.p_memsz,
            bytes: elf.segment_data(h).unwrap().to_vec(),
        })
        .collect();
    if relocate && elf.ehdr.e_type == ET_DYN {
        let value = |tag| {
            let dynamic = elf.dynamic().unwrap().unwrap();
            dynamic.iter().find(|d| d.d_tag == tag).unwrap().d_val()
        };
        let (table, size) = (value(DT_RELA), value(DT_RELASZ));
        let holder = loads
            .iter()
            .find(|h| (h.p_vaddr..h.p_vaddr + h.p_filesz).contains(&table));
        let holder = holder.unwrap();
        let at = (holder.p_offset + table - holder.p_vaddr) as usize;
        for relocation in file[at..at + size as usize].chunks_exact(24) {
            let word = |i: usize| u64::from_le_bytes(relocation[i..i + 8].try_into().unwrap());
            assert_eq!(word(8), u64::from(R_X86_64_RELATIVE));
            let part = parts.iter_mut().find(|p| {
                let offset = (word(0) + delta).wrapping_sub(p.address);
                offset < p.bytes.len() as u64
            });
            let part = part.unwrap();
            let offset = (word(0) + delta - part.address) as usize;
            part.bytes[offset..offset + 8].copy_from_slice(&(word(16) + delta).to_le_bytes());
        }
    }
    let entry = elf.ehdr.e_entry - loads[0].p_vaddr + loads[0].p_paddr + delta;
    Loaded { parts, entry }
}

/// Lays out a file by its Multiboot2 address and entry address tags, which in
/// these images are at the start of the file.
pub fn load_flat(file: &[u8]) -> Loaded {
    let word = |at: usize| u64::from(u32::from_le_bytes(file[at..at + 4].try_into().unwrap()));
    let (mut address, mut entry) = (None, None);
    let mut at = 16;
    loop {
        match word(at) & 0xffff {
            0 => break,
            2 => {
                assert_eq!(word(at + 8), word(at + 12), "the header leads the image");
                address = Some((word(at + 12), word(at + 16), word(at + 20)));
            }
            3 => entry = Some(word(at + 8)),
            _ => {}
        }
        at += (word(at + 4) as usize).next_multiple_of(8);
    }
    let (start, load_end, bss_end) = address.unwrap();
    let bytes = file[..(load_end - start) as usize].to_vec();
    let part = Part {
        address: start,
        memsz: bss_end - start,
        bytes,
    };
    Loaded {
        parts: vec![part],
        entry: entry.unwrap(),
    }
}

/// A tag of the boot information, padded.
pub fn tag(kind: u32, payload: &[u8]) -> Vec<u8> {
    let mut tag = kind.to_le_bytes().to_vec();
    tag.extend((payload.len() as u32 + 8).to_le_bytes());
    tag.extend(payload);
    tag.resize(tag.len().next_multiple_of(8), 0);
    tag
}

/// Boot information from tags; the end tag is added.
pub fn mbi(tags: &[Vec<u8>]) -> Vec<u8> {
    let mut body = tags.concat();
    body.extend(tag(0, &[]));
    let mut mbi = (body.len() as u32 + 8).to_le_bytes().to_vec();
    mbi.extend([0; 4]);
    mbi.extend(body);
    mbi
}

/// Little-endian bytes of 32-bit words.
pub fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// The result of a run of QEMU.
pub struct Run {
    pub status: ExitStatus,
    pub serial: String,
    /// QEMU's log of interrupts and exceptions, with all registers.
    pub exceptions: String,
}

/// QEMU with `kernel` and `plan` of a directory, and COM1 into its `serial`.
pub fn qemu_command(dir: &Path) -> Command {
    let mut command = qemu::command().unwrap();
    command
        // fewer devices make QEMU and its firmware start faster
        .args(["-accel", "tcg", "-m", "1024", "-nodefaults", "-no-reboot"])
        .args(["-display", "none"])
        .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=4"])
        .arg("-kernel")
        .arg(dir.join("kernel"))
        .arg("-initrd")
        .arg(dir.join("plan"))
        .arg("-serial")
        .arg(format!("file:{}", dir.join("serial").display()));
    command
}

/// Starts the launcher with a plan. `until` ends a guest that does not end
/// itself, when its output contains the text.
pub fn run(plan: &[u8], until: Option<&str>) -> Run {
    run_with(&[], plan, until)
}

/// Like [`run`], with more arguments for QEMU.
pub fn run_with(machine: &[&str], plan: &[u8], until: Option<&str>) -> Run {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("kernel"), launch::kernel(launch::DEFAULT_BASE)).unwrap();
    fs::write(path("plan"), plan).unwrap();
    let mut command = qemu_command(dir.path());
    command
        .args(["-monitor", "none"])
        .args(machine)
        .args(["-d", "int", "-D"])
        .arg(path("exceptions"))
        .stdin(Stdio::null());
    let mut guest = command.spawn().unwrap();
    let start = Instant::now();
    let text = |name: &str| {
        let bytes = fs::read(path(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let serial = || text("serial");
    let mut stopped = false;
    let status = loop {
        if let Some(status) = guest.try_wait().unwrap() {
            break status;
        }
        let done = until.is_some_and(|text| serial().contains(text));
        let late = start.elapsed() > DEADLINE;
        if (done || late) && !stopped {
            stopped = true;
            guest.kill().unwrap();
        }
        assert!(
            !late,
            "no end after {DEADLINE:?}; the guest said:\n{}",
            serial()
        );
        std::thread::sleep(Duration::from_millis(3));
    };
    Run {
        status,
        serial: serial(),
        exceptions: text("exceptions"),
    }
}
