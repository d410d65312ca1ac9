//! Reserves memory for the handoff's log, also in the image's memory map.

use super::{PlanError, RamLogPlaceError};
use crate::host::{Host, MapEntry, MemoryKind, map};
use crate::ramlog;
use handoff::addr::{MIB, PhysRange};
use handoff::spec::Console;

/// Returns the host with the memory of every RAM log reserved, so that nothing
/// is loaded there and the image does not use it.
///
/// # Errors
///
/// When a log is below 1 MiB, or not in memory.
pub(super) fn keep(
    consoles: &[Console],
    host: &Host,
    warnings: &mut Vec<String>,
) -> Result<Host, PlanError> {
    let mut host = host.clone();
    for console in consoles {
        let Console::RamLog { addr, size } = *console else {
            continue;
        };
        let refused = |why| PlanError::RamLog { addr, why };
        let range = PhysRange::from_len(addr, size.into());
        let range = range.ok_or_else(|| refused(RamLogPlaceError::Wraps))?;
        if range.start < MIB {
            return Err(refused(RamLogPlaceError::Low));
        }
        let bytes_of = |kind: MemoryKind| -> u64 {
            let parts = host.memory_map.iter().filter(|entry| entry.kind == kind);
            let parts = parts.filter_map(|entry| entry.range().intersect(&range));
            parts.map(|part| part.len()).sum()
        };
        let ram = bytes_of(MemoryKind::Ram);
        if ram + bytes_of(MemoryKind::Reserved) != range.len() {
            return Err(refused(RamLogPlaceError::NoRam));
        }
        let kept = ramlog::reserved(&host.cmdline);
        let kept = kept.iter().any(|kept| kept.covers(&range));
        if ram > 0 {
            warnings.push(format!(
                "RAM log at {range}: the running kernel uses that memory as RAM; the next one will \
                 do so too, overwrite the log and refuse to read it: boot it with \
                 memmap={size:#x}${addr:#x} on its command line"
            ));
        } else if !kept {
            warnings.push(format!(
                "RAM log at {range}: reserved, but not by memmap= on the running kernel's command \
                 line: make sure that it is not used otherwise"
            ));
        }
        host.memory_map
            .push(MapEntry::new(range, MemoryKind::Reserved));
        host.memory_map = map::normalize(&host.memory_map).map_err(|err| refused(err.into()))?;
    }
    Ok(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(cmdline: &str) -> Host {
        let entry = |start, end, kind| MapEntry { start, end, kind };
        Host {
            memory_map: vec![
                entry(0, 0x9_f000, MemoryKind::Ram),
                entry(MIB, 64 * MIB, MemoryKind::Ram),
                entry(64 * MIB, 65 * MIB, MemoryKind::Reserved),
                entry(65 * MIB, 128 * MIB, MemoryKind::Ram),
                entry(128 * MIB, 129 * MIB, MemoryKind::AcpiNvs),
            ],
            cmdline: cmdline.into(),
            ..Host::default()
        }
    }

    fn log(addr: u64) -> [Console; 1] {
        [Console::RamLog { addr, size: 0x2000 }]
    }

    #[test]
    fn reserved_memory_is_unchanged() {
        let host = host("memmap=1M$64M");
        let mut warnings = vec![];
        let after = keep(&log(64 * MIB), &host, &mut warnings).unwrap();
        assert_eq!((after, warnings), (host, vec![]));
    }

    #[test]
    fn ram_becomes_reserved_with_a_warning() {
        let mut warnings = vec![];
        let after = keep(&log(2 * MIB), &host(""), &mut warnings).unwrap();
        let range = PhysRange::from_len(2 * MIB, 0x2000).unwrap();
        assert!(!map::ram_ranges(&after.memory_map).any(|ram| ram.overlaps(&range)));
        assert!(
            warnings[0].contains("memmap=0x2000$0x200000"),
            "{warnings:?}"
        );
        let after = keep(&log(64 * MIB), &host(""), &mut warnings).unwrap();
        assert_eq!(after, host(""));
        assert!(warnings[1].contains("not by memmap="), "{warnings:?}");
    }

    #[test]
    fn other_addresses_are_refused() {
        for (addr, expected) in [
            (0x1000, RamLogPlaceError::Low),
            (128 * MIB, RamLogPlaceError::NoRam),
            (128 * MIB - 0x1000, RamLogPlaceError::NoRam),
            (129 * MIB, RamLogPlaceError::NoRam),
            (u64::MAX - 0xfff, RamLogPlaceError::Wraps),
        ] {
            let error = keep(&log(addr), &host(""), &mut vec![]).unwrap_err();
            assert!(
                matches!(error, PlanError::RamLog { addr: at, why } if (at, why) == (addr, expected)),
                "{error:?}"
            );
        }
    }
}
