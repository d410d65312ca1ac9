// UNSAFETY: makes hypercalls.
#![expect(unsafe_code)]
//! Facts about the machine that Xen provides to its control domain.

use super::explain::{FailedCall, explain};
use super::transport::request;
use super::wire::{
    MemoryMap, PcpuFlags, PlatformCpuInfo, RawE820Entry, XENPF_GET_CPUINFO,
    XENPF_INTERFACE_VERSION, memory_cmd, op, version_cmd,
};
use super::{DOMID_IO, Errno, HypercallError, Transport, m2p, physinfo};
use handoff::addr::{MIB, PAGE_SIZE, PhysRange};
use std::fmt;
use zerocopy::{FromBytes, FromZeros};

/// Maximum number of entries of a memory map: four times that of Xen's own map.
const MAX_ENTRIES: usize = 4096;
/// Maximum size that [`XenMachine::read`] maps at once, in bytes.
const PART: u64 = MIB;

/// An entry of the machine's memory map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct E820Entry {
    /// First byte.
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
    /// Type, as the firmware calls it: 1 RAM, 2 reserved, 3 ACPI tables, 4 ACPI
    /// NVS, 5 unusable.
    pub kind: u32,
}

impl From<RawE820Entry> for E820Entry {
    fn from(raw: RawE820Entry) -> Self {
        let RawE820Entry { start, len, kind } = raw;
        Self { start, len, kind }
    }
}

/// A release of Xen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XenVersion {
    /// 4.
    pub major: u32,
    /// 17.
    pub minor: u32,
    /// ".7", "-unstable", ".6-pre".
    pub extra: String,
}

impl fmt::Display for XenVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}{}", self.major, self.minor, self.extra)
    }
}

/// The machine that Xen runs on.
#[derive(Clone, Copy, Debug)]
pub struct XenMachine<'a>(&'a dyn Transport);

impl<'a> XenMachine<'a> {
    /// Queries Xen through `transport`.
    #[must_use]
    pub fn new(transport: &'a dyn Transport) -> Self {
        Self(transport)
    }

    /// Returns firmware's memory map with Xen's corrections; Xen's own I/O
    /// memory (local APIC, I/O APICs) is reserved. The crash area and Xen itself
    /// are RAM in it.
    ///
    /// # Errors
    ///
    /// [`HypercallError::Call`] outside of the control domain.
    pub fn memory_map(&self) -> Result<Vec<E820Entry>, HypercallError> {
        let entries = self.0.buffer(MAX_ENTRIES * size_of::<RawE820Entry>())?;
        let map = MemoryMap {
            count: MAX_ENTRIES as u32,
            pad: 0,
            entries: entries.addr(),
        };
        let request = request(self.0, &map)?;
        self.call(op::MEMORY, [memory_cmd::MACHINE_MEMORY_MAP, request.addr()])
            .map_err(|errno| explain(FailedCall::MemoryMap, errno))?;
        let count = request.get::<MemoryMap>().count as usize;
        if count == 0 || count > MAX_ENTRIES {
            return Err(HypercallError::Nonsense {
                call: "XENMEM_machine_memory_map",
                answer: format!("{count} entries, expected 1 to {MAX_ENTRIES}"),
            });
        }
        let entries = <[RawE820Entry]>::ref_from_bytes(entries.bytes()).unwrap_or_default();
        Ok(entries[..count]
            .iter()
            .copied()
            .map(E820Entry::from)
            .collect())
    }

    /// All pages that belong to a domain, sorted and merged, by the
    /// machine-to-physical table: it contains no page of Xen, its free heap, the
    /// crash area or I/O memory. Only valid at the time of the call.
    ///
    /// # Errors
    ///
    /// [`HypercallError::Call`], [`HypercallError::Map`].
    pub fn owned_runs(&self) -> Result<Vec<PhysRange>, HypercallError> {
        m2p::M2pTable::open(self.0)?.owned_runs()
    }

    /// Whether every page of each of `ranges` still belongs to a domain. Must
    /// be checked after a load: a page that was returned to Xen in between may
    /// be lost.
    ///
    /// # Errors
    ///
    /// As [`XenMachine::owned_runs`].
    pub fn owned(&self, ranges: &[PhysRange]) -> Result<Vec<bool>, HypercallError> {
        let table = m2p::M2pTable::open(self.0)?;
        ranges.iter().map(|range| table.owns(*range)).collect()
    }

    /// Free memory of Xen's heap, in bytes; `None` if this Xen accepts no known
    /// version of the sysctl interface.
    ///
    /// # Errors
    ///
    /// [`HypercallError::Call`] outside of the control domain.
    pub fn free_heap(&self) -> Result<Option<u64>, HypercallError> {
        physinfo::free_heap(self.0)
    }

    /// Reads `len` bytes of machine memory from `addr` that belong to no
    /// domain: below 1 MiB, firmware tables, I/O memory.
    ///
    /// # Errors
    ///
    /// [`HypercallError::Map`] for RAM above 1 MiB, and for memory that Xen gives to no domain.
    pub fn read(&self, addr: u64, len: usize) -> Result<Vec<u8>, HypercallError> {
        let nonsense = || HypercallError::Nonsense {
            call: "reading machine memory",
            answer: format!("{len:#x} bytes at {addr:#x} reach past the end of memory"),
        };
        let range = PhysRange::from_len(addr, len as u64).ok_or_else(nonsense)?;
        let mut bytes = Vec::new();
        let mut at = addr;
        while at < range.end {
            let end = range.end.min((at / PART + 1).saturating_mul(PART));
            let mfns: Vec<u64> = (at / PAGE_SIZE..end.div_ceil(PAGE_SIZE)).collect();
            let mapping = self.0.map_foreign(DOMID_IO, &mfns)?;
            let mut words = vec![0; mfns.len() * (PAGE_SIZE as usize / 8)];
            if !mapping.read_words(0, &mut words) {
                return Err(nonsense());
            }
            let skip = (at % PAGE_SIZE) as usize;
            let part = words.iter().flat_map(|word| word.to_le_bytes());
            bytes.extend(part.skip(skip).take((end - at) as usize));
            at = end;
        }
        Ok(bytes)
    }

    /// The APIC id of physical CPU `cpu` (public/platform.h, `xenpf_pcpuinfo`). In
    /// a PV domain CPUID returns synthetic ids.
    ///
    /// # Errors
    ///
    /// [`HypercallError::Call`] outside of the control domain,
    /// [`HypercallError::Nonsense`] where there is no such CPU.
    pub fn apic_id(&self, cpu: u32) -> Result<u32, HypercallError> {
        let wanted = PlatformCpuInfo {
            command: XENPF_GET_CPUINFO,
            version: XENPF_INTERFACE_VERSION,
            cpu,
            ..PlatformCpuInfo::new_zeroed()
        };
        let request = request(self.0, &wanted)?;
        // SAFETY: a platform_op request of the size that this version has.
        unsafe { self.0.hypercall(op::PLATFORM, [request.addr(), 0, 0, 0, 0]) }
            .map_err(|errno| explain(FailedCall::CpuInfo, errno))?;
        let answer: PlatformCpuInfo = request.get();
        if PcpuFlags::from_bits_retain(answer.flags).contains(PcpuFlags::INVALID) {
            return Err(HypercallError::Nonsense {
                call: "XENPF_get_cpuinfo",
                answer: format!("no CPU {cpu}, the last one is {}", answer.max_present),
            });
        }
        Ok(answer.apic_id)
    }

    /// Returns the version of Xen.
    ///
    /// # Errors
    ///
    /// ENOSYS where no Xen answers.
    pub fn version(&self) -> Result<XenVersion, HypercallError> {
        let failed = |errno| explain(FailedCall::Version, errno);
        let number = self
            .call(op::VERSION, [version_cmd::VERSION, 0])
            .map_err(failed)?;
        let extra = self.0.buffer(16)?;
        self.call(op::VERSION, [version_cmd::EXTRAVERSION, extra.addr()])
            .map_err(failed)?;
        let text = extra.bytes().split(|byte| *byte == 0).next();
        Ok(XenVersion {
            major: (number >> 16) as u32 & 0xffff,
            minor: number as u32 & 0xffff,
            extra: String::from_utf8_lossy(text.unwrap_or_default()).into_owned(),
        })
    }

    /// Xen's own command line; Xen truncates it to 1023 bytes (public/version.h,
    /// `xen_commandline_t`).
    ///
    /// # Errors
    ///
    /// ENOSYS where no Xen answers; EPERM where a security policy hides the line.
    pub fn command_line(&self) -> Result<String, HypercallError> {
        let line = self.0.buffer(1024)?;
        self.call(op::VERSION, [version_cmd::COMMANDLINE, line.addr()])
            .map_err(|errno| explain(FailedCall::Version, errno))?;
        let text = line.bytes().split(|byte| *byte == 0).next();
        let text = String::from_utf8_lossy(text.unwrap_or_default());
        Ok(text.trim().to_owned())
    }

    fn call(&self, op: u64, [command, argument]: [u64; 2]) -> Result<i64, Errno> {
        // SAFETY: each caller passes the address of a buffer of its own with the
        // structure that the command expects, or 0 where it takes none.
        unsafe { self.0.hypercall(op, [command, argument, 0, 0, 0]) }
    }
}

#[cfg(test)]
#[path = "host_tests.rs"]
mod tests;
