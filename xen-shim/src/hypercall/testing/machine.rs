//! What Xen says about the machine.

use super::super::wire::{u32_at, u64_at};
use super::super::{DOMID_IO, DOMID_XEN, Errno, HypercallError, Mapping};
use super::{Setup, State};
use handoff::addr::{MIB, PAGE_SIZE, PhysRange};

/// First frame of the machine-to-physical table, wherever it really is.
const TABLE: u64 = 0x10_0000_0000;
/// Frames of the machine in 2 MiB of the table.
const EXTENT: u64 = 512 * 512;

/// memory_op.
pub fn memory_op(state: &State, command: u64, argument: u64) -> Result<i64, Errno> {
    let setup = &state.setup;
    match command {
        2 => Ok(frames(setup) as i64),
        5 => {
            let request = state.read(argument, 24)?;
            let room = u64::from(u32_at(request, 0));
            let list = u64_at(request, 8);
            let mut last = TABLE;
            let count = room.min(frames(setup).div_ceil(EXTENT));
            for n in 0..count {
                if !setup.m2p_holes.contains(&(n as usize)) {
                    last = TABLE + n * 512;
                }
                state.write(list + n * 8, &last.to_le_bytes())?;
            }
            state.write(argument + 16, &(count as u32).to_le_bytes())?;
            Ok(0)
        }
        10 => {
            let request = state.read(argument, 16)?;
            let (room, to) = (u32_at(request, 0) as usize, u64_at(request, 8));
            if room < setup.memory_map.len() + 1 {
                return Err(Errno::EINVAL);
            }
            for (n, entry) in setup.memory_map.iter().enumerate() {
                let mut bytes = entry.start.to_le_bytes().to_vec();
                bytes.extend(entry.len.to_le_bytes());
                bytes.extend(entry.kind.to_le_bytes());
                state.write(to + 20 * n as u64, &bytes)?;
            }
            let count = setup.memory_map.len() as u32;
            state.write(argument, &count.to_le_bytes())?;
            Ok(0)
        }
        _ => Err(Errno::ENOSYS),
    }
}

/// platform_op: what is known of a CPU alone. There are 2, with APIC ids 16 and 18.
pub fn platform(state: &State, argument: u64) -> Result<i64, Errno> {
    let request = state.read(argument, 136)?;
    if u32_at(request, 4) != 0x0300_0001 {
        return Err(Errno::EACCES);
    }
    if u32_at(request, 0) != 55 {
        return Err(Errno::ENOSYS);
    }
    let cpu = u32_at(request, 8);
    let flags = if cpu > 1 { 2 } else { 1 };
    let answer = [1, flags, 16 + 2 * cpu, cpu].map(u32::to_le_bytes).concat();
    state.write(argument + 12, &answer)?;
    Ok(0)
}

/// sysctl: physinfo alone.
pub fn sysctl(state: &State, argument: u64) -> Result<i64, Errno> {
    let setup = &state.setup;
    let request = state.read(argument, 136)?;
    if u32_at(request, 4) != setup.sysctl {
        return Err(Errno::EACCES);
    }
    if u32_at(request, 0) != 3 {
        return Err(Errno::EOPNOTSUPP);
    }
    // four numbers more in version 0x15
    let total_at = if setup.sysctl >= 0x15 { 48 } else { 40 };
    let total = frames(setup).to_le_bytes();
    state.write(argument + total_at, &total)?;
    let free = setup.free_pages.to_le_bytes();
    state.write(argument + total_at + 8, &free)?;
    Ok(0)
}

/// xen_version.
pub fn version(state: &State, command: u64, argument: u64) -> Result<i64, Errno> {
    let setup = &state.setup;
    match command {
        0 => Ok(i64::from(setup.version.0) << 16 | i64::from(setup.version.1)),
        1 => {
            let mut text = [0; 16];
            for (to, from) in text[..15].iter_mut().zip(setup.extra.bytes()) {
                *to = from;
            }
            state.write(argument, &text)?;
            Ok(0)
        }
        9 => {
            let mut text = [0; 1024];
            for (to, from) in text[..1023].iter_mut().zip(setup.command_line.bytes()) {
                *to = from;
            }
            state.write(argument, &text)?;
            Ok(0)
        }
        _ => Err(Errno::ENOSYS),
    }
}

/// Foreign frames: of the machine-to-physical table, and of memory that is no
/// domain's.
pub fn map(setup: &Setup, domain: u16, mfns: &[u64]) -> Result<Mapping, HypercallError> {
    let mut content = Vec::new();
    for &mfn in mfns {
        let failed = |errno| HypercallError::Map { domain, mfn, errno };
        match domain {
            DOMID_XEN => {
                let page = mfn
                    .checked_sub(TABLE)
                    .filter(|page| page * 512 < frames(setup).next_multiple_of(EXTENT))
                    .ok_or_else(|| failed(Errno::EINVAL))?;
                content.extend((page * 512..(page + 1) * 512).flat_map(|frame| {
                    let addr = frame * PAGE_SIZE;
                    let owned = setup.owned.iter().any(|range| range.contains(addr));
                    // dom0 has its memory in another order
                    let word = if owned { frame ^ 1 } else { setup.m2p_unowned };
                    word.to_le_bytes()
                }));
            }
            DOMID_IO => {
                let page = PhysRange {
                    start: mfn * PAGE_SIZE,
                    end: (mfn + 1) * PAGE_SIZE,
                };
                let ram = setup.memory_map.iter().any(|entry| {
                    entry.kind == 1
                        && page.start >= MIB.max(entry.start)
                        && page.start - entry.start < entry.len
                });
                if ram {
                    return Err(failed(Errno::EBUSY));
                }
                let mut bytes = [0; PAGE_SIZE as usize];
                for (start, data) in &setup.firmware {
                    let Some(range) = PhysRange::from_len(*start, data.len() as u64) else {
                        continue;
                    };
                    if let Some(shared) = range.intersect(&page) {
                        let to = (shared.start - page.start) as usize;
                        let from = (shared.start - start) as usize;
                        let len = shared.len() as usize;
                        bytes[to..to + len].copy_from_slice(&data[from..from + len]);
                    }
                }
                content.extend(bytes);
            }
            _ => return Err(failed(Errno::ESRCH)),
        }
    }
    Mapping::copy_of(&content).map_err(|errno| HypercallError::Map {
        domain,
        mfn: mfns.first().copied().unwrap_or_default(),
        errno,
    })
}

/// One past the highest frame of RAM.
fn frames(setup: &Setup) -> u64 {
    let ram = setup.memory_map.iter().filter(|entry| entry.kind == 1);
    let ends = ram.map(|entry| (entry.start + entry.len) / PAGE_SIZE);
    ends.max().unwrap_or_default()
}
