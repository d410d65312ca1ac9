//! Runs in dom0, as root: `xen-guest run|heap|crash`. Loads the handoff and the test payload by
//! Xen's kexec, without mbtool's planner: both are in the crash area, and the handoff moves the
//! payload to its link address.
//!
//! `run` starts it immediately. `heap` does too, with a segment in free memory of Xen's heap, where
//! Xen loses pages. `crash` loads it as the crash image.

use std::env;
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use elf::ElfBytes;
use elf::abi::PT_LOAD;
use elf::endian::LittleEndian;
use handoff::abi::Extent;
use handoff::addr::{FOUR_GIB, MIB, PAGE_SIZE, PhysRange, align_down};
use handoff::blob;
use handoff::spec::{
    Console, Digest, Drill, Exit, OnFault, Region, Relocate, Spec, Verify, zero_pages,
};
use images::payloads::MB2_FIXED;
use xen_shim::hypercall::{
    Arch, ImageKind, Kexec, KexecRange, LoadImage, Privcmd, XenMachine, XenSegment,
};

/// A segment and its name.
struct Part {
    name: String,
    dest: PhysRange,
    data: Vec<u8>,
}

impl Part {
    fn new(name: &str, start: u64, data: Vec<u8>) -> Result<Self> {
        let len = (data.len() as u64).next_multiple_of(PAGE_SIZE);
        Ok(Self {
            name: name.to_owned(),
            dest: PhysRange::from_len(start, len).context("a segment that ends above 2^64")?,
            data,
        })
    }

    fn region(&self) -> Region {
        Region {
            name: self.name.clone(),
            range: self.dest,
            loaded: self.data.len() as u64,
            digest: Digest::Crc32(crc32fast::hash(&self.data)),
            zero_pages: zero_pages(&self.data, self.dest.len()),
        }
    }
}

fn main() -> ExitCode {
    let mode: Vec<String> = env::args().skip(1).collect();
    match run(&mode.join(" ")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("xen-guest: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(mode: &str) -> Result<()> {
    let kind = match mode {
        "run" | "heap" => ImageKind::Default,
        "crash" => ImageKind::Crash,
        _ => bail!("usage: xen-guest run|heap|crash"),
    };
    let privcmd = Privcmd::open()?;
    let kexec = Kexec::new(&privcmd);
    let area = kexec.range(KexecRange::Crash)?;
    ensure!(area.len() >= 32 * MIB, "crash area {area}: give Xen one");

    let (mut parts, relocate, entry) = payload(area.start + 2 * MIB)?;
    // boot information without tags: its size, then the end tag
    let words = [16_u32, 0, 0, 8];
    let mbi = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    parts.push(Part::new("mbi", area.start + MIB, mbi)?);
    if mode == "heap" {
        parts.splice(0..0, in_heap(&XenMachine::new(&privcmd), area)?);
    }
    let built = blob::build(&Spec {
        base: area.start,
        consoles: vec![Console::Pio {
            port: 0x3f8,
            divisor: None,
        }],
        on_fault: OnFault::Reset,
        verify: Verify::Crc32,
        regions: parts.iter().map(Part::region).collect(),
        relocate,
        fixups: vec![],
        exit: Exit::Multiboot2 {
            entry,
            mbi: (area.start + MIB) as u32,
        },
        drill: Drill::Off,
        guard: false,
    })
    .map_err(anyhow::Error::msg)?;
    let mut bytes = built.bytes;
    bytes.resize(built.memsz as usize, 0);
    parts.push(Part::new("handoff", area.start, bytes)?);

    let segment = |part: &Part| (part.data.clone(), part.dest);
    let loaded: Vec<_> = parts.iter().map(segment).collect();
    let mut segments: Vec<_> = loaded
        .iter()
        .map(|(data, dest)| XenSegment::new(data, *dest))
        .collect();
    if kind == ImageKind::Default {
        // page 0, which Xen copies to the destinations of lost pages, must be
        // mapped
        let page0 = PhysRange {
            start: 0,
            end: PAGE_SIZE,
        };
        segments.push(XenSegment::new(&[], page0));
    }
    kexec.load(&LoadImage {
        kind,
        arch: Arch::X86_64,
        entry: built.entry,
        segments: &segments,
    })?;
    if kind == ImageKind::Crash {
        return Ok(());
    }
    Err(kexec.exec(kind).into())
}

/// Returns the payload, loaded from `stage` on, the moves and clears that put it in place, and its
/// entry point.
fn payload(stage: u64) -> Result<(Vec<Part>, Relocate, u32)> {
    let file = ElfBytes::<LittleEndian>::minimal_parse(MB2_FIXED)?;
    let (mut parts, mut relocate, mut next) = (Vec::new(), Relocate::default(), stage);
    for header in file.segments().context("no program headers")?.iter() {
        if header.p_type != PT_LOAD {
            continue;
        }
        let data = file.segment_data(&header)?.to_vec();
        let (len, end) = (data.len() as u64, header.p_paddr + header.p_memsz);
        relocate.extents.push(Extent {
            to: header.p_paddr,
            from: next,
            len,
        });
        let rest = PhysRange::new(header.p_paddr + len, end).context("a segment beyond itself")?;
        if !rest.is_empty() {
            relocate.clear.push(rest);
        }
        let part = Part::new(&format!("payload {}", parts.len()), next, data)?;
        next = part.dest.end;
        parts.push(part);
    }
    Ok((parts, relocate, file.ehdr.e_entry as u32))
}

/// Data for the largest free range below 4 GiB, and a segment that uses most of the remaining
/// memory, so that Xen allocates pages that are loaded destinations.
fn in_heap(machine: &XenMachine<'_>, area: PhysRange) -> Result<[Part; 2]> {
    let mut free: Vec<PhysRange> = machine
        .memory_map()?
        .iter()
        .filter(|entry| entry.kind == 1 && entry.start >= MIB)
        .filter_map(|entry| PhysRange::from_len(entry.start, entry.len))
        .filter(|range| range.end <= FOUR_GIB)
        .collect();
    for used in machine.owned_runs()?.iter().chain([&area]) {
        free = free
            .iter()
            .flat_map(|range| range.minus(used))
            .flatten()
            .collect();
    }
    let largest = free.into_iter().max_by_key(PhysRange::len);
    let largest = largest.context("no free memory below 4 GiB")?;
    let heap = machine.free_heap()?;
    let heap = heap.context("Xen does not tell how much memory is free")?;
    let all = align_down(heap / 5 * 4, PAGE_SIZE);
    let len = largest.len().min(align_down(all / 2, PAGE_SIZE));
    println!("xen-guest: {len:#x} bytes at {largest}, {all:#x} of {heap:#x} in all");
    let data = |seed: u64, len: u64| {
        let words = (0..len / 8).map(|n| (n ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        words.flat_map(u64::to_le_bytes).collect()
    };
    Ok([
        Part::new("heap", largest.start, data(1, len))?,
        Part::new("rest", area.start + 16 * MIB, data(1 << 32, all - len))?,
    ])
}
