//! The firmware's ACPI tables, and the boot CPU, for Xen as crash kernel.

use crate::sys::file;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use x86_64::registers::model_specific::ApicBaseFlags;
use xen_shim::acpi::AcpiTable;
use xen_shim::hypercall::{Transport, XenMachine};

/// Maximum size of a table in bytes.
const TABLE_LIMIT: u64 = 16 << 20;
/// Maximum number of tables.
const MAX_TABLES: usize = 1024;
/// Model-specific register: address and state of the local APIC.
const MSR_APIC_BASE: u64 = 0x1b;

/// ACPI data. Not part of a recorded machine: tables are large, and only useful
/// on their machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acpi {
    /// All tables that Linux exports.
    pub tables: Vec<AcpiTable>,
    /// APIC id of the boot CPU.
    pub boot_cpu: Option<u32>,
    /// Facts that could not be determined, relevant only when a Xen is loaded as crash
    /// image.
    pub warnings: Vec<String>,
}

/// Why the boot CPU could not be determined.
#[derive(Debug, thiserror::Error)]
pub enum BootCpuUnknown {
    /// /proc/cpuinfo could not be read.
    #[error("/proc/cpuinfo: {0}")]
    CpuInfo(io::Error),
    /// /proc/cpuinfo has no APIC ids.
    #[error("/proc/cpuinfo has no APIC ids")]
    NoApicIds,
    /// CPU 0 is offline, and no MSR can be read.
    #[error("CPU 0 is offline")]
    Cpu0Offline,
    /// The MSRs of all online CPUs say that they are not the boot CPU.
    #[error("it is none of the CPUs that are online")]
    NotOnline,
}

impl Acpi {
    /// Reads below `root` ("/" for the real one).
    #[must_use]
    pub fn read(root: &Path) -> Self {
        let mut warnings = Vec::new();
        let tables = tables(root).unwrap_or_else(|err| {
            warnings.push(format!("ACPI tables: {err}"));
            Vec::new()
        });
        let boot_cpu = boot_cpu(root).unwrap_or_else(|why| {
            warnings.push(format!(
                "the boot CPU (started by firmware) is unknown: {why}"
            ));
            None
        });
        Self {
            tables,
            boot_cpu,
            warnings,
        }
    }
}

impl Acpi {
    /// Adds Xen's data to what a PV dom0 has read. Xen numbers the CPU that it was
    /// started on 0.
    #[must_use]
    pub fn on_xen(mut self, transport: &dyn Transport) -> Self {
        self.boot_cpu = match XenMachine::new(transport).apic_id(0) {
            Ok(id) => Some(id),
            Err(err) => {
                self.warnings.push(format!(
                    "the boot CPU (started by firmware) is unknown: {err}"
                ));
                None
            }
        };
        self
    }
}

/// Reads all files of /sys/firmware/acpi/tables. Its directories have tables
/// loaded by AML, and data that tables point to.
fn tables(root: &Path) -> io::Result<Vec<AcpiTable>> {
    let dir = root.join("sys/firmware/acpi/tables");
    let named = |path: &Path, err: io::Error| {
        io::Error::new(err.kind(), format!("{}: {err}", path.display()))
    };
    let mut tables = Vec::new();
    for entry in fs::read_dir(&dir).map_err(|err| named(&dir, err))? {
        let entry = entry.map_err(|err| named(&dir, err))?;
        let path = entry.path();
        if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        if tables.len() == MAX_TABLES {
            let text = format!("{}: more than {MAX_TABLES} tables", dir.display());
            return Err(io::Error::other(text));
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        let bytes = file::read_bytes(&path, TABLE_LIMIT).map_err(|err| named(&path, err))?;
        tables.push(AcpiTable { name, bytes });
    }
    tables.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(tables)
}

/// Returns the APIC id of the boot CPU. Linux numbers the CPU that it was started
/// on 0, and kexec starts on CPU 0. Only a kernel that itself was started after a
/// crash can run on another one. The MSR is read where available (/dev/cpu/N/msr).
fn boot_cpu(root: &Path) -> Result<Option<u32>, BootCpuUnknown> {
    let path = root.join("proc/cpuinfo");
    let text = file::read(&path, file::LISTING).map_err(BootCpuUnknown::CpuInfo)?;
    let ids = apic_ids(&text);
    let is_boot_cpu = |cpu: u32| {
        let file = File::open(root.join(format!("dev/cpu/{cpu}/msr"))).ok()?;
        let mut word = [0; 8];
        file.read_exact_at(&mut word, MSR_APIC_BASE).ok()?;
        Some(u64::from_le_bytes(word) & ApicBaseFlags::BSP.bits() != 0)
    };
    if let Some((_, id)) = ids.iter().find(|(cpu, _)| is_boot_cpu(*cpu) == Some(true)) {
        return Ok(Some(*id));
    }
    match ids.iter().find(|(cpu, _)| *cpu == 0) {
        Some((cpu, _)) if is_boot_cpu(*cpu) == Some(false) => Err(BootCpuUnknown::NotOnline),
        Some((_, id)) => Ok(Some(*id)),
        None if ids.is_empty() => Err(BootCpuUnknown::NoApicIds),
        None => Err(BootCpuUnknown::Cpu0Offline),
    }
}

/// Returns number and APIC id of each CPU in /proc/cpuinfo. "initial apicid" is
/// the value of the CPU and of the MADT; "apicid" may be renumbered.
fn apic_ids(text: &str) -> Vec<(u32, u32)> {
    let value = |block: &str, key: &str| {
        let of = |line: &str| {
            let (name, value) = line.split_once(':')?;
            (name.trim_end() == key).then(|| value.trim().parse().ok())?
        };
        block.lines().find_map(of)
    };
    let cpu = |block: &str| {
        let id = value(block, "initial apicid").or_else(|| value(block, "apicid"))?;
        Some((value(block, "processor")?, id))
    };
    text.split("\n\n").filter_map(cpu).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::put;

    const CPUINFO: &[u8] = b"processor\t: 0\nmodel name\t: a: b\napicid\t\t: 9\ninitial apicid\t: 8\n\n\
        processor\t: 1\napicid\t\t: 12\ninitial apicid\t: 12\n\nprocessor\t: 7\napicid\t\t: 66000\n\n";

    #[test]
    fn files_are_tables_and_directories_are_not() {
        let root = tempfile::tempdir().unwrap();
        let dir = "sys/firmware/acpi/tables";
        put(root.path(), &format!("{dir}/SSDT1"), b"SSDT");
        put(root.path(), &format!("{dir}/APIC"), b"APIC");
        put(root.path(), &format!("{dir}/dynamic/SSDT9"), b"SSDT");
        put(root.path(), &format!("{dir}/data/BERT"), b"xx");
        put(root.path(), "proc/cpuinfo", CPUINFO);
        let acpi = Acpi::read(root.path());
        let names: Vec<&str> = acpi
            .tables
            .iter()
            .map(|table| table.name.as_str())
            .collect();
        assert_eq!(names, ["APIC", "SSDT1"]);
        assert_eq!(acpi.tables[1].bytes, b"SSDT");
        assert_eq!(acpi.boot_cpu, Some(8));
        assert_eq!(acpi.warnings, [""; 0]);
    }

    #[test]
    fn the_msr_is_used_where_readable() {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), "proc/cpuinfo", CPUINFO);
        let msr = |cpu: u32, value: u64| {
            let bytes = [&[0; 0x1b][..], &value.to_le_bytes()].concat();
            put(root.path(), &format!("dev/cpu/{cpu}/msr"), &bytes);
        };
        msr(0, 0xfee0_0800);
        let found = || boot_cpu(root.path());
        assert!(matches!(found(), Err(BootCpuUnknown::NotOnline)));
        msr(7, 0xfee0_0900);
        assert_eq!(found().unwrap(), Some(66000));
        msr(0, 0xfee0_0900);
        assert_eq!(found().unwrap(), Some(8));
    }

    #[test]
    fn missing_sources_are_warnings() {
        let root = tempfile::tempdir().unwrap();
        let acpi = Acpi::read(root.path());
        assert_eq!((acpi.tables.len(), acpi.boot_cpu), (0, None));
        assert_eq!(acpi.warnings.len(), 2, "{:?}", acpi.warnings);
        put(root.path(), "proc/cpuinfo", b"processor\t: 0\n\n");
        let found = || boot_cpu(root.path());
        assert!(matches!(found(), Err(BootCpuUnknown::NoApicIds)));
        put(
            root.path(),
            "proc/cpuinfo",
            b"processor\t: 1\napicid\t: 3\n\n",
        );
        assert!(matches!(found(), Err(BootCpuUnknown::Cpu0Offline)));
    }
}
