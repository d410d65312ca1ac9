//! kexec_op with the checks of Xen (xen/common/kexec.c, kimage.c; x86
//! machine_kexec.c) in their order.

use super::super::wire::{KexecExec, KexecGetRange, KexecLoad, KexecSegment, kexec_cmd};
use super::super::{Arch, Errno, ImageKind, MAX_SEGMENTS};
use super::pages::{ImagePages, dest};
use super::{FakeHost, State};
use handoff::addr::{MIB, PAGE_SIZE, PhysRange};
use zerocopy::FromBytes;

/// Address of Xen's relocation code, in Xen's own address space.
const RELOCATION_CODE: u64 = 0xffff_82d0_4020_0000;
/// Number of entries of a list page, except the last, which links to the next
/// page.
const LIST_ENTRIES: u64 = 511;

/// A loaded image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedImage {
    /// Entry point: machine address.
    pub entry: u64,
    /// ELF machine number.
    pub arch: u16,
    /// Content and destination of each segment; `None`: only mapped.
    pub segments: Vec<(Option<Vec<u8>>, PhysRange)>,
    /// Pages of data whose destination was free memory of Xen's heap. They may be
    /// loaded correctly or replaced by page 0.
    pub lost: Vec<u64>,
    /// Address of the list of a crash image.
    list: Option<u64>,
    /// Number of pages taken from the heap.
    pages: u64,
}

/// Images by kind and slot.
#[derive(Debug, Default)]
pub struct KexecState {
    slots: [[Option<LoadedImage>; 2]; 2],
    current: [usize; 2],
    pub started: Option<ImageKind>,
    pub panicked: Option<String>,
}

impl KexecState {
    pub fn image(&self, kind: ImageKind) -> Option<&LoadedImage> {
        let kind = usize::from(kind.number());
        self.slots[kind][self.current[kind]].as_ref()
    }
}

/// The hypercall.
pub fn op(state: &mut State, command: u64, argument: u64) -> Result<i64, Errno> {
    if state.setup.no_kexec {
        return Err(Errno::ENOSYS);
    }
    match command {
        kexec_cmd::EXEC => exec(state, argument),
        kexec_cmd::GET_RANGE => get_range(state, argument),
        kexec_cmd::LOAD => load(state, argument),
        kexec_cmd::UNLOAD => {
            let kind = kind(state.get(argument)?)?;
            swap(state, kind, None);
            Ok(0)
        }
        kexec_cmd::STATUS => {
            let kind = kind(state.get(argument)?)?;
            Ok(state.kexec.current[kind] as i64)
        }
        // up to 4.18
        _ if state.setup.version < (4, 19) => Ok(0),
        _ => Err(Errno::EOPNOTSUPP),
    }
}

fn kind(number: u8) -> Result<usize, Errno> {
    match number {
        0 | 1 => Ok(usize::from(number)),
        _ => Err(Errno::EINVAL),
    }
}

fn exec(state: &mut State, argument: u64) -> Result<i64, Errno> {
    let kind = match state.get::<KexecExec>(argument)?.kind {
        0 => ImageKind::Default,
        1 => ImageKind::Crash,
        _ => return Err(Errno::EINVAL),
    };
    if state.kexec.image(kind).is_none() {
        return Err(Errno::ENOENT);
    }
    state.kexec.started = Some(kind);
    Ok(0)
}

fn get_range(state: &State, argument: u64) -> Result<i64, Errno> {
    let setup = &state.setup;
    let mut answer: KexecGetRange = state.get(argument)?;
    let cpu = answer.cpu;
    let notes = setup.image.end;
    let (start, size) = match answer.range {
        0 => (setup.crash.start, setup.crash.len()),
        1 => (setup.image.start, setup.image.len()),
        2 if cpu >= setup.cpus => return Err(Errno::ERANGE),
        2 if setup.crash.is_empty() => return Err(Errno::EINVAL),
        2 => (
            notes + u64::from(cpu) * 0x1000,
            if cpu == 0 { 0x1f4 } else { 0x194 },
        ),
        6 => (notes - 0x2000, 0x1000),
        _ => return Err(Errno::EINVAL),
    };
    (answer.start, answer.size) = (start, size);
    state.put(argument, &answer)?;
    Ok(0)
}

fn load(state: &mut State, argument: u64) -> Result<i64, Errno> {
    let load: KexecLoad = state.get(argument)?;
    let KexecLoad { arch, entry, .. } = load;
    let count = load.segment_count as usize;
    if count > MAX_SEGMENTS {
        return Err(Errno::EINVAL);
    }
    let bytes = state.read(load.segments, (count * size_of::<KexecSegment>()) as u64)?;
    let segment = |bytes: &[u8]| KexecSegment::read_from_bytes(bytes).map_err(|_| Errno::EFAULT);
    let raw = bytes.chunks_exact(size_of::<KexecSegment>()).map(segment);
    let raw: Vec<_> = raw.collect::<Result<_, _>>()?;
    let kind = kind(load.kind)?;
    let crash = kind == 1;
    check(&raw, entry, crash.then_some(state.setup.crash))?;

    let mut pages = ImagePages::new(&state.setup, crash, &raw);
    let code = pages.control()?;
    pages.map(code)?;
    let head = pages.control()?;
    pages.map(head)?;
    let mut entries = 0;
    let mut segments = Vec::new();
    let mut lost = Vec::new();
    for segment in raw {
        let dest = dest(&segment);
        let (start, dest_size) = (segment.dest, segment.dest_len);
        // Xen's result for a segment without data and size
        let mut result = Err(Errno::ENOMEM);
        let data = if segment.data == 0 {
            None
        } else {
            let data = state.read(segment.data, segment.data_len)?.to_vec();
            let data_pages = segment.data_len.div_ceil(PAGE_SIZE);
            if !crash {
                entries += 1 + dest_size / PAGE_SIZE;
                pages.take(data_pages)?;
                let addrs = (0..data_pages).map(|page| start + page * PAGE_SIZE);
                lost.extend(addrs.filter(|addr| heap(&state.setup, *addr)));
            }
            result = Ok(());
            Some(data)
        };
        for page in 0..dest_size / PAGE_SIZE {
            result = pages.map(start + page * PAGE_SIZE);
            result?;
        }
        result?;
        segments.push((data, dest));
    }
    pages.take(entries / LIST_ENTRIES)?;
    if ![Arch::X86_64, Arch::I386].map(Arch::number).contains(&arch) {
        return Err(Errno::EINVAL);
    }
    pages.map(RELOCATION_CODE)?;
    let image = LoadedImage {
        entry,
        arch,
        segments,
        lost,
        list: crash.then_some(head),
        pages: pages.taken,
    };
    swap(state, kind, Some(image));
    if let Some(owned) = state.setup.owned_after_load.take() {
        state.setup.owned = owned;
    }
    Ok(0)
}

/// The checks that come before any change; `area` for a crash image.
fn check(raw: &[KexecSegment], entry: u64, area: Option<PhysRange>) -> Result<(), Errno> {
    if let Some(area) = area {
        if entry < area.start || entry > area.end {
            return Err(Errno::EADDRNOTAVAIL);
        }
        let outside = |segment: &KexecSegment| segment.data != 0 && !area.covers(&dest(segment));
        if raw.iter().any(outside) {
            return Err(Errno::EADDRNOTAVAIL);
        }
    }
    for PhysRange { start, end } in raw.iter().map(dest) {
        if start % PAGE_SIZE != 0 || end % PAGE_SIZE != 0 {
            return Err(Errno::EADDRNOTAVAIL);
        }
    }
    for (n, PhysRange { start, end }) in raw.iter().map(dest).enumerate() {
        let hits = |other: PhysRange| end > other.start && start < other.end;
        if raw[..n].iter().map(dest).any(hits) {
            return Err(Errno::EINVAL);
        }
    }
    if raw
        .iter()
        .any(|segment| segment.data_len > segment.dest_len)
    {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

/// True for RAM that is free.
fn heap(setup: &FakeHost, addr: u64) -> bool {
    let ram = setup
        .memory_map
        .iter()
        .any(|entry| entry.kind == 1 && addr >= entry.start && addr - entry.start < entry.len);
    let owned = setup.owned.iter().any(|range| range.contains(addr));
    let kept = setup.crash.contains(addr) || setup.image.contains(addr);
    ram && addr >= MIB && !owned && !kept
}

/// Puts `image` into the other slot and frees the image in the current one.
fn swap(state: &mut State, kind: usize, image: Option<LoadedImage>) {
    let kexec = &mut state.kexec;
    state.setup.free_pages -= image.as_ref().map_or(0, |image| image.pages);
    let old = kexec.slots[kind][kexec.current[kind]].take();
    let damaged = old
        .as_ref()
        .and_then(|old| freed_wrongly(old, image.as_ref()));
    if kexec.panicked.is_none() {
        kexec.panicked = damaged;
    }
    kexec.current[kind] ^= 1;
    kexec.slots[kind][kexec.current[kind]] = image;
    state.setup.free_pages += old.map_or(0, |old| old.pages);
}

/// Returns why freeing `old` would panic the host, after `new` was loaded.
fn freed_wrongly(old: &LoadedImage, new: Option<&LoadedImage>) -> Option<String> {
    if let Some(lost) = old.lost.first() {
        return Some(format!(
            "free_domheap_pages: page 0, recorded as source of {lost:#x}"
        ));
    }
    // the list of a crash image is in the area, where the new image may be
    let list = old.list?;
    let segments = new.map_or(&[][..], |new| &new.segments);
    let (data, dest) = segments
        .iter()
        .find(|(data, dest)| data.is_some() && dest.contains(list))?;
    let from = (list - dest.start) as usize;
    let words = data.as_deref().unwrap_or_default().get(from..)?;
    let (words, _) = words.as_chunks();
    for word in words.iter().take(LIST_ENTRIES as usize + 1) {
        let word = u64::from_ne_bytes(*word);
        if word == 0 || word & 4 != 0 {
            break;
        }
        if word & 0xa != 0 {
            return Some(format!(
                "free_domheap_pages: {word:#x}, data of the new image over the old one's list"
            ));
        }
    }
    None
}
