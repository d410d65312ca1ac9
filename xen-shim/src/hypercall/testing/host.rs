//! Hypercalls about the machine.

use super::super::wire::{
    MachphysMfnList, MemoryMap, PcpuFlags, PlatformCpuInfo, RawE820Entry, SYSCTL_PHYSINFO, Sysctl,
    XENPF_GET_CPUINFO, XENPF_INTERFACE_VERSION, memory_cmd, version_cmd,
};
use super::super::{DOMID_IO, DOMID_XEN, Errno, ForeignMapping, HypercallError};
use super::{FakeHost, State};
use handoff::addr::{MIB, PAGE_SIZE, PhysRange};

/// First frame of the fake machine-to-physical table.
const TABLE: u64 = 0x10_0000_0000;
/// Frames of the machine in 2 MiB of the table.
const EXTENT: u64 = 512 * 512;

/// memory_op.
pub fn memory_op(state: &State, command: u64, argument: u64) -> Result<i64, Errno> {
    let setup = &state.setup;
    match command {
        memory_cmd::MAXIMUM_RAM_PAGE => Ok(frames(setup) as i64),
        memory_cmd::MACHPHYS_MFN_LIST => {
            let mut list: MachphysMfnList = state.get(argument)?;
            let mut last = TABLE;
            let count = u64::from(list.max_extents).min(frames(setup).div_ceil(EXTENT));
            for n in 0..count {
                if !setup.m2p_holes.contains(&(n as usize)) {
                    last = TABLE + n * 512;
                }
                state.put(list.extents + n * 8, &last)?;
            }
            list.count = count as u32;
            state.put(argument, &list)?;
            Ok(0)
        }
        memory_cmd::MACHINE_MEMORY_MAP => {
            let mut map: MemoryMap = state.get(argument)?;
            if (map.count as usize) < setup.memory_map.len() + 1 {
                return Err(Errno::EINVAL);
            }
            let entries = setup.memory_map.iter().map(|entry| RawE820Entry {
                start: entry.start,
                len: entry.len,
                kind: entry.kind,
            });
            let entries: Vec<_> = entries.collect();
            state.put(map.entries, &entries[..])?;
            map.count = entries.len() as u32;
            state.put(argument, &map)?;
            Ok(0)
        }
        _ => Err(Errno::ENOSYS),
    }
}

/// platform_op: only XENPF_get_cpuinfo, for 2 CPUs with APIC ids 16 and 18.
pub fn platform(state: &State, argument: u64) -> Result<i64, Errno> {
    let mut info: PlatformCpuInfo = state.get(argument)?;
    if info.version != XENPF_INTERFACE_VERSION {
        return Err(Errno::EACCES);
    }
    if info.command != XENPF_GET_CPUINFO {
        return Err(Errno::ENOSYS);
    }
    let flags = if info.cpu > 1 {
        PcpuFlags::INVALID
    } else {
        PcpuFlags::ONLINE
    };
    info.max_present = 1;
    info.flags = flags.bits();
    info.apic_id = 16 + 2 * info.cpu;
    info.acpi_id = info.cpu;
    state.put(argument, &info)?;
    Ok(0)
}

/// sysctl: only physinfo.
pub fn sysctl(state: &State, argument: u64) -> Result<i64, Errno> {
    let setup = &state.setup;
    let mut info: Sysctl = state.get(argument)?;
    if info.version != setup.sysctl {
        return Err(Errno::EACCES);
    }
    if info.command != SYSCTL_PHYSINFO {
        return Err(Errno::EOPNOTSUPP);
    }
    // one more number in version 0x15
    let at = usize::from(setup.sysctl >= 0x15);
    info.numbers[at..at + 2].copy_from_slice(&[frames(setup), setup.free_pages]);
    state.put(argument, &info)?;
    Ok(0)
}

/// xen_version.
pub fn version(state: &State, command: u64, argument: u64) -> Result<i64, Errno> {
    let setup = &state.setup;
    match command {
        version_cmd::VERSION => Ok(i64::from(setup.version.0) << 16 | i64::from(setup.version.1)),
        version_cmd::EXTRAVERSION => {
            let mut text = [0; 16];
            for (to, from) in text[..15].iter_mut().zip(setup.extra.bytes()) {
                *to = from;
            }
            state.write(argument, &text)?;
            Ok(0)
        }
        version_cmd::COMMANDLINE => {
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

/// Foreign frames: of the machine-to-physical table, and of memory that belongs
/// to no domain.
pub fn map(setup: &FakeHost, domain: u16, mfns: &[u64]) -> Result<ForeignMapping, HypercallError> {
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
                    // dom0 has its memory in a different order
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
    ForeignMapping::copy_of(&content).map_err(|errno| HypercallError::Map {
        domain,
        mfn: mfns.first().copied().unwrap_or_default(),
        errno,
    })
}

/// One past the highest frame of RAM.
fn frames(setup: &FakeHost) -> u64 {
    let ram = setup.memory_map.iter().filter(|entry| entry.kind == 1);
    let ends = ram.map(|entry| (entry.start + entry.len) / PAGE_SIZE);
    ends.max().unwrap_or_default()
}
