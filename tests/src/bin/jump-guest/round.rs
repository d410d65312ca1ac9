//! Contents of a round.

use anyhow::{Context, Result, anyhow, ensure};
use handoff::abi::Extent;
use handoff::addr::{PAGE_SIZE, PhysRange};
use handoff::blob;
use handoff::pagelist::{self, PageMove};
use handoff::spec::{
    Console, Digest, Drill, Exit, OnFault, Region, Relocate, Spec, Verify, zero_pages,
};
use mbtool::plan::KernelSegment;
use tests::jump::{IMAGE_PAGES, JumpPlace, image};

use crate::iomem;
use crate::memory::{Buffer, Pages};

/// Size of Linux's data that is exchanged with a part of the buffer, in bytes; neither begins nor
/// ends at a page boundary.
const DATA_LEN: u64 = 3 * PAGE_SIZE + 5;
const DATA_PAGES: usize = 5;

/// A planned round.
pub struct Round {
    /// Entry point for Linux.
    pub entry: u64,
    /// Segments to load. All destinations are memory of the buffer.
    pub segments: Vec<KernelSegment>,
    /// Address of the handoff.
    pub base: u64,
    /// Address of the image.
    pub place: u64,
}

/// Plans round `number`.
pub fn plan(number: u32, place: JumpPlace, buffer: &Buffer) -> Result<Round> {
    let mut pages = buffer.pages()?;
    let (image, _) = image(number);
    let base = pages.take(blob::memsz().div_ceil(PAGE_SIZE) as usize)?;
    let waits = pages.take(IMAGE_PAGES)?;
    let mut segments = Vec::new();
    let (at, relocate) = match place {
        JumpPlace::User => {
            segments.push(segment(waits, image));
            (waits, Relocate::default())
        }
        JumpPlace::Kernel => {
            segments.push(segment(waits, backwards(&image)));
            let (at, relocate) = over_kernel(waits, &mut pages, &mut segments)?;
            (at, relocate)
        }
    };
    let regions = segments.iter().map(region).collect();
    let built = blob::build(&Spec {
        base,
        consoles: vec![Console::Pio {
            port: 0x3f8,
            divisor: None,
        }],
        on_fault: OnFault::Halt,
        verify: Verify::Crc32,
        regions,
        relocate,
        fixups: vec![],
        exit: Exit::Return {
            entry: u32::try_from(at).context("the image's place is above 4 GiB")?,
        },
        drill: Drill::Off,
        // each option with and without
        guard: number % 4 >= 2,
    })
    .map_err(|error| anyhow!(error))?;
    segments.push(KernelSegment {
        dest: PhysRange {
            start: base,
            end: base + built.memsz,
        },
        data: built.bytes.into(),
        names: vec!["handoff".into()],
    });
    Ok(Round {
        entry: built.entry,
        segments,
        base,
        place: at,
    })
}

/// Exchanges the image at `waits` with Linux's code, page by page, and some of Linux's data with
/// the buffer.
fn over_kernel(
    waits: u64,
    pages: &mut Pages,
    segments: &mut Vec<KernelSegment>,
) -> Result<(u64, Relocate)> {
    let code = iomem::kernel("Kernel code")?;
    let data = iomem::kernel("Kernel data")?;
    let len = IMAGE_PAGES as u64 * PAGE_SIZE;
    ensure!(
        code.len() >= len && data.len() >= DATA_LEN + PAGE_SIZE,
        "the kernel is smaller than the image: {code}, {data}"
    );
    let steps: Vec<PageMove> = (0..len)
        .step_by(PAGE_SIZE as usize)
        .map(|offset| PageMove {
            to: code.start + offset,
            from: waits + (len - PAGE_SIZE - offset),
        })
        .collect();
    let list = pagelist::encode(&steps, &[pages.take(1)?], true)?;
    for (page, words) in &list.pages {
        let bytes = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        segments.push(segment(*page, bytes));
    }
    let extent = Extent {
        to: pages.take(DATA_PAGES)? + 1,
        from: data.start + 3,
        len: DATA_LEN,
    };
    let relocate = Relocate {
        swap: true,
        list: Some(list),
        extents: vec![extent],
        clear: vec![],
    };
    Ok((code.start, relocate))
}

/// The pages in reverse order.
fn backwards(bytes: &[u8]) -> Vec<u8> {
    bytes
        .chunks(PAGE_SIZE as usize)
        .rev()
        .flatten()
        .copied()
        .collect()
}

fn segment(start: u64, data: Vec<u8>) -> KernelSegment {
    let end = start + (data.len() as u64).next_multiple_of(PAGE_SIZE);
    KernelSegment {
        dest: PhysRange { start, end },
        data: data.into(),
        names: vec![],
    }
}

fn region(segment: &KernelSegment) -> Region {
    Region {
        name: format!("at {:#x}", segment.dest.start),
        range: segment.dest,
        loaded: segment.data.len() as u64,
        digest: Digest::Crc32(crc32fast::hash(&segment.data)),
        zero_pages: zero_pages(&segment.data, segment.dest.len()),
    }
}
