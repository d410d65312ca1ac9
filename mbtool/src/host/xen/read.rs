//! Reads the machine from Xen, in its control domain.

use super::{XenHost, bounded};
use crate::host::{MapEntry, MemoryKind, RawRange, low_memory};
use handoff::addr::PhysRange;
use std::io;
use xen_shim::hypercall::{
    E820Entry, Errno, HypercallError, Kexec, KexecRange, Transport, XenMachine,
};

/// Maximum number of physical CPUs.
const MAX_CPUS: u32 = 1 << 16;

/// Xen's data for a [`crate::host::Host`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The machine's memory map, neither sorted nor merged.
    pub memory_map: Vec<MapEntry>,
    /// The crash area.
    pub crash_regions: Vec<RawRange>,
    /// Other facts.
    pub xen: XenHost,
}

/// Queries Xen for everything. A missing optional fact is a warning.
///
/// # Errors
///
/// When the memory map or the crash area is unavailable: this is not a control
/// domain that may load.
pub fn read(transport: &dyn Transport, warnings: &mut Vec<String>) -> Result<Told, HypercallError> {
    let (machine, kexec) = (XenMachine::new(transport), Kexec::new(transport));
    let memory_map: Vec<MapEntry> = machine.memory_map()?.iter().map(entry).collect();
    let crash = kexec.range(KexecRange::Crash)?;
    let crash_regions: Vec<RawRange> = (!crash.is_empty())
        .then_some(crash.into())
        .into_iter()
        .collect();
    let mut unknown = |what: &str, err: HypercallError| warnings.push(format!("{what}: {err}"));
    let (owned, owned_unknown) = match machine.owned_runs() {
        Ok(owned) => (owned, None),
        Err(err) => {
            let why = err.to_string();
            unknown("the memory owned by Xen's domains is unknown", err);
            (Vec::new(), Some(why))
        }
    };
    let heap_free = machine.free_heap().unwrap_or_else(|err| {
        unknown("the size of Xen's free heap is unknown", err);
        None
    });
    let version = machine.version().map_or_else(
        |err| {
            unknown("Xen's version is unknown", err);
            "(version unknown)".to_owned()
        },
        |version| version.to_string(),
    );
    // a security policy may hide it
    let command_line = machine.command_line().ok();
    let command_line = command_line.filter(|line| line != "<denied>");
    let cpu_notes = cpu_notes(&kexec).unwrap_or_else(|err| {
        unknown("the crash notes of Xen's CPUs are unknown", err);
        Vec::new()
    });
    let optional = |range| {
        let range: PhysRange = kexec.range(range).ok()?;
        (!range.is_empty()).then(|| RawRange::from(range))
    };
    let (vmcoreinfo, image) = (optional(KexecRange::Vmcoreinfo), optional(KexecRange::Xen));
    let normal = crate::host::map::normalize(&memory_map).unwrap_or_default();
    let safe = bounded(&normal, &crash_regions, &owned);
    Ok(Told {
        memory_map,
        crash_regions,
        xen: XenHost {
            version,
            command_line,
            safe,
            owned_unknown,
            heap_free,
            cpu_notes,
            vmcoreinfo,
            image,
        },
    })
}

/// The notes of CPU 0, 1, ... up to the last; empty without a crash area.
fn cpu_notes(kexec: &Kexec<'_>) -> Result<Vec<RawRange>, HypercallError> {
    let mut notes = Vec::new();
    for cpu in 0..MAX_CPUS {
        match kexec.range(KexecRange::Cpu(cpu)) {
            // a possible CPU that is not present
            Ok(range) if range.is_empty() => {}
            Ok(range) => notes.push(range.into()),
            Err(err) if matches!(err.errno(), Some(Errno::ERANGE | Errno::EINVAL)) => break,
            Err(err) => return Err(err),
        }
    }
    Ok(notes)
}

/// Converts E820 types.
fn entry(entry: &E820Entry) -> MapEntry {
    MapEntry {
        start: entry.start,
        end: entry.start.saturating_add(entry.len),
        kind: match entry.kind {
            1 => MemoryKind::Ram,
            3 => MemoryKind::AcpiTables,
            4 => MemoryKind::AcpiNvs,
            5 => MemoryKind::Unusable,
            7 => MemoryKind::Pmem,
            12 => MemoryKind::Pram,
            _ => MemoryKind::Reserved,
        },
    }
}

/// Machine memory below 1 MiB, and other memory that belongs to no domain.
/// dom0's /dev/mem has dom0's own RAM there.
pub struct MachineMemory<'a>(pub &'a dyn Transport);

impl low_memory::PhysicalMemory for MachineMemory<'_> {
    fn read(&self, addr: u64, buf: &mut [u8]) -> io::Result<()> {
        let bytes = XenMachine::new(self.0)
            .read(addr, buf.len())
            .map_err(io::Error::other)?;
        buf.copy_from_slice(&bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::low_memory::PhysicalMemory as _;
    use crate::host::xen::{Safe, SafeRun};
    use handoff::addr::MIB;
    use xen_shim::hypercall::testing::{FakeHost, FakeXen};

    const MEMORY: u64 = 12;
    const MAX_PAGE: u64 = 2;

    #[test]
    fn the_machine_is_read_from_xen() {
        let mut warnings = vec![];
        let told = read(&FakeXen::default(), &mut warnings).unwrap();
        assert_eq!(warnings, [""; 0]);
        assert_eq!(told.memory_map.len(), 6);
        let reserved = told.memory_map.last().unwrap();
        assert_eq!(
            (reserved.start, reserved.kind),
            (0xfee0_0000, MemoryKind::Reserved)
        );
        let Told {
            crash_regions, xen, ..
        } = told;
        assert_eq!(
            crash_regions,
            [RawRange {
                start: 256 * MIB,
                end: 512 * MIB
            }]
        );
        assert_eq!(xen.version, "4.17.7-fake");
        let run = |start, end, kind| SafeRun {
            start: start * MIB,
            end: end * MIB,
            kind,
        };
        assert_eq!(
            xen.safe,
            [run(256, 512, Safe::CrashArea), run(512, 1536, Safe::Owned)]
        );
        assert_eq!(xen.heap_free, Some(200 * MIB));
        assert_eq!(xen.cpu_notes.len(), 2);
        assert!(xen.vmcoreinfo.is_some());
        assert_eq!(xen.image.unwrap().start, 0x7fa0_0000);
    }

    #[test]
    fn without_a_crash_area_there_are_no_notes() {
        let setup = FakeHost {
            crash: PhysRange::default(),
            ..FakeHost::default()
        };
        let told = read(&FakeXen::new(setup), &mut vec![]).unwrap();
        assert!(told.crash_regions.is_empty() && told.xen.cpu_notes.is_empty());
        assert!(told.xen.safe.iter().all(|run| run.kind == Safe::Owned));
    }

    #[test]
    fn a_table_that_cannot_be_read_is_a_warning() {
        let xen = FakeXen::default();
        xen.fail_next(MEMORY, MAX_PAGE, Errno::EPERM);
        let mut warnings = vec![];
        let told = read(&xen, &mut warnings).unwrap();
        assert!(told.xen.owned_unknown.is_some());
        assert!(warnings[0].contains("domains is unknown"), "{warnings:?}");
        assert!(told.xen.safe.iter().all(|run| run.kind == Safe::CrashArea));
    }

    #[test]
    fn no_kexec_is_an_error() {
        let setup = FakeHost {
            no_kexec: true,
            ..FakeHost::default()
        };
        assert!(read(&FakeXen::new(setup), &mut vec![]).is_err());
    }

    #[test]
    fn low_memory_is_the_machines() {
        let setup = FakeHost {
            firmware: vec![(0x40e, vec![0xc0, 0x9f])],
            ..FakeHost::default()
        };
        let xen = FakeXen::new(setup);
        let mut word = [0; 2];
        MachineMemory(&xen).read(0x40e, &mut word).unwrap();
        assert_eq!(word, [0xc0, 0x9f]);
    }
}
