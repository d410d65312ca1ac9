//! Crash notes and other data of the running system for a dump.

use super::RawRange;
use super::xen::XenHost;
use super::{kallsyms, kcore};
use crate::sys::file;
use crate::sys::number;
use handoff::addr::{MIB, PAGE_SIZE, PhysRange, align_down};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io;
use std::path::Path;
use xen_shim::cmdline::Cmdline;

/// Maximum number of CPUs: more than any kernel supports, and below the 65534
/// program headers of an ELF file.
const MAX_CPUS: usize = 32768;

/// Warning for AMD SME: the handoff and a crash Xen read memory without
/// decryption.
const ENCRYPTED: &str = "this kernel encrypts its memory (mem_encrypt=on): the handoff and a Xen as crash kernel read \
    ciphertext; boot without mem_encrypt=on";

/// The running kernel's mapping of its code and data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// First virtual address.
    pub virt: u64,
    /// Its physical address.
    pub phys: u64,
    /// Length in bytes.
    pub len: u64,
}

/// Data of the running system for a dump, besides memory. With Xen these are
/// machine addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CrashInfo {
    /// Notes for the registers of each CPU: Linux's `crash_notes` of each
    /// present CPU, or Xen's.
    pub cpu_notes: Vec<RawRange>,
    /// Linux's VMCOREINFO note. With Xen it is dom0's.
    pub vmcoreinfo: Option<RawRange>,
    /// Xen's VMCOREINFO note.
    pub xen_vmcoreinfo: Option<RawRange>,
    /// The kernel's mapping of its code and data; unknown with Xen.
    pub text: Option<Text>,
    /// Virtual address of physical address 0 in the kernel's direct map;
    /// unknown with Xen.
    pub direct_map: Option<u64>,
    /// Facts that could not be determined, relevant only when a crash image is
    /// loaded.
    #[serde(rename = "doubts", skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl CrashInfo {
    /// Reads the data of a bare-metal Linux below `root` ("/" for the real one),
    /// booted with `cmdline`. Everything is empty for a kernel without crash dump
    /// support.
    #[must_use]
    pub fn read(root: &Path, cmdline: &str) -> Self {
        let mut warnings = Vec::new();
        let mut info = Self {
            cpu_notes: cpu_notes(root, &mut warnings),
            vmcoreinfo: vmcoreinfo(root, &mut warnings),
            warnings,
            ..Self::default()
        };
        if info.cpu_notes.is_empty() && info.vmcoreinfo.is_none() {
            return info;
        }
        if Cmdline::linux(cmdline).value("mem_encrypt") == Some("on") {
            info.warnings.push(ENCRYPTED.to_owned());
        }
        let path = root.join("proc/kcore");
        let found = File::open(&path).and_then(|mut file| kcore::read(&mut file));
        match found {
            Ok(found) => (info.text, info.direct_map) = (found.text, found.direct_map),
            Err(err) => {
                info.direct_map = arm_direct_map(root);
                if info.direct_map.is_none() {
                    info.warnings.push(format!(
                        "the kernel's virtual addresses are unknown ({}: {err}): some tools may not be \
                         able to read a dump of a kernel with randomized addresses",
                        path.display()
                    ));
                }
            }
        }
        info
    }

    /// Returns a range that ends before it starts, which only a recording can
    /// have.
    #[must_use]
    pub fn backwards(&self) -> Option<RawRange> {
        let mut all = self.cpu_notes.iter().chain(&self.vmcoreinfo);
        let backwards = |range: &&RawRange| range.end < range.start;
        all.find(backwards)
            .or_else(|| self.xen_vmcoreinfo.iter().find(backwards))
            .copied()
    }

    /// Returns warnings for a user who loads a crash image.
    pub fn warnings(&self) -> impl Iterator<Item = String> + '_ {
        let memory_only = self.cpu_notes.is_empty().then(|| {
            "the crash notes of the CPUs are unknown: a dump will have memory only, no registers"
                .to_owned()
        });
        self.warnings.iter().cloned().chain(memory_only)
    }

    /// Combines `self`, read in a PV dom0, with the data of the Xen below. Xen
    /// saves the registers of physical CPUs. dom0 reports the machine address of
    /// its VMCOREINFO note (Linux, `paddr_vmcoreinfo_note` of arch/x86/xen).
    /// Only its first page is certain to be there, and that has the whole note,
    /// so the range is truncated to it.
    #[must_use]
    pub fn with_xen(&self, xen: &XenHost) -> Self {
        let first_page = |note: RawRange| {
            let end = (note.start & !(PAGE_SIZE - 1)).saturating_add(PAGE_SIZE);
            RawRange {
                end: note.end.min(end),
                ..note
            }
        };
        Self {
            cpu_notes: xen.cpu_notes.clone(),
            vmcoreinfo: self.vmcoreinfo.map(first_page),
            xen_vmcoreinfo: xen.vmcoreinfo,
            ..Self::default()
        }
    }
}

/// Returns the virtual address of physical address 0 in a kernel of 32-bit ARM, which has no /proc/kcore. The kernel itself is
/// in the direct map, at a distance of whole 2 MiB (`CONFIG_ARM_PATCH_PHYS_VIRT`): "Kernel code" of /proc/iomem is from
/// `_text` on, which /proc/kallsyms does not have, and `_stext` begins in the 2 MiB after it. `None` for other kernels, and
/// where addresses are hidden.
fn arm_direct_map(root: &Path) -> Option<u64> {
    let text = u32::try_from(kallsyms::address(root, "_stext")?).ok()?;
    let iomem = fs::read_to_string(root.join("proc/iomem")).ok()?;
    let code = iomem
        .lines()
        .find_map(|line| line.trim().strip_suffix(" : Kernel code"))?;
    let start = u32::from_str_radix(code.split_once('-')?.0, 16).ok()?;
    Some(align_down(text.wrapping_sub(start).into(), 2 * MIB))
}

/// `crash_notes` and `crash_notes_size` of each CPU (Linux,
/// Documentation/ABI/testing/sysfs-devices-system-cpu): address in hex without
/// 0x, size in decimal.
fn cpu_notes(root: &Path, warnings: &mut Vec<String>) -> Vec<RawRange> {
    let dir = root.join("sys/devices/system/cpu");
    let mut cpus: Vec<u32> = match fs::read_dir(&dir) {
        Ok(entries) => entries
            .flatten()
            .filter_map(|entry| {
                entry
                    .file_name()
                    .to_str()?
                    .strip_prefix("cpu")?
                    .parse()
                    .ok()
            })
            .take(MAX_CPUS)
            .collect(),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(err) => {
            warnings.push(format!("cannot read {}: {err}", dir.display()));
            Vec::new()
        }
    };
    cpus.sort_unstable();
    let mut notes = Vec::with_capacity(cpus.len());
    for cpu in cpus {
        let at = dir.join(format!("cpu{cpu}/crash_notes"));
        let size = dir.join(format!("cpu{cpu}/crash_notes_size"));
        let (at, size) = match (read(&at), read(&size)) {
            (Ok(at), Ok(size)) => (at, size),
            // a kernel without crash dump support
            (Err(err), _) if err.kind() == io::ErrorKind::NotFound => continue,
            (Err(err), _) | (_, Err(err)) => {
                warnings.push(format!(
                    "CPU {cpu}'s registers will not be in a dump: {err}"
                ));
                continue;
            }
        };
        match range(number::hex(at.trim()), size.trim().parse().ok()) {
            Some(range) => notes.push(range),
            None => warnings.push(format!(
                "CPU {cpu}'s registers will not be in a dump: crash_notes is {:?} and \
                 crash_notes_size {:?}, expected an address in hex and a decimal size",
                file::excerpt(at.trim()),
                file::excerpt(size.trim())
            )),
        }
    }
    notes
}

/// Reads /sys/kernel/vmcoreinfo: address and size, both in hex, the address
/// with 0x.
fn vmcoreinfo(root: &Path, warnings: &mut Vec<String>) -> Option<RawRange> {
    let path = root.join("sys/kernel/vmcoreinfo");
    let content = match read(&path) {
        Ok(content) => content,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return None,
        Err(err) => {
            warnings.push(format!("VMCOREINFO is unknown: {}: {err}", path.display()));
            return None;
        }
    };
    let hex = |word: &str| number::hex(word.strip_prefix("0x").unwrap_or(word));
    let mut words = content.split_whitespace().map(hex);
    let found = range(words.next().flatten(), words.next().flatten());
    if found.is_none() {
        warnings.push(format!(
            "VMCOREINFO is unknown: {} is {:?}, expected an address and a size in hex",
            path.display(),
            file::excerpt(content.trim())
        ));
    }
    found
}

fn read(path: &Path) -> io::Result<String> {
    file::read(path, file::ATTRIBUTE)
}

/// Returns a range that is not empty.
fn range(start: Option<u64>, len: Option<u64>) -> Option<RawRange> {
    let range = PhysRange::from_len(start?, len?)?;
    (!range.is_empty()).then(|| range.into())
}

#[cfg(test)]
#[path = "crash_notes_tests.rs"]
mod tests;
