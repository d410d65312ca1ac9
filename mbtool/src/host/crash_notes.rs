//! What the running system leaves for a dump.

use super::kcore;
use super::xen::{Run, XenHost};
use crate::sys::file;
use crate::sys::kernel_cmdline;
use crate::sys::text;
use handoff::addr::{PAGE_SIZE, PhysRange};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Most CPUs that are looked at: more than any kernel is built for, and few
/// enough for the 65534 program headers of an ELF file.
const MAX_CPUS: usize = 32768;

/// AMD's SME: the handoff and a crash Xen read the chips without the key.
const ENCRYPTED: &str = "this kernel encrypts its memory (mem_encrypt=on): the handoff and a Xen as crash kernel read \
    ciphertext; boot without mem_encrypt=on";

/// The running kernel's own mapping of its code and data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// First virtual address.
    pub virt: u64,
    /// Its physical address.
    pub phys: u64,
    /// Run.
    pub len: u64,
}

/// Where the running system keeps what belongs into a dump beside memory. With
/// Xen these are machine addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CrashInfo {
    /// Where each CPU's registers will be saved: Linux's `crash_notes` of each
    /// CPU that is present, or what Xen keeps for each.
    pub cpu_notes: Vec<Run>,
    /// Where Linux has its VMCOREINFO note. With Xen it is dom0's.
    pub vmcoreinfo: Option<Run>,
    /// Where Xen has its VMCOREINFO note.
    pub xen_vmcoreinfo: Option<Run>,
    /// The kernel's own mapping; not known with Xen.
    pub text: Option<Text>,
    /// Virtual address that the kernel gives physical address 0 in its map of
    /// all memory; not known with Xen.
    pub direct_map: Option<u64>,
    /// What could not be found out and why: of interest only when a crash image
    /// is loaded.
    #[serde(rename = "doubts", skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl CrashInfo {
    /// Reads what a bare Linux below `root` ("/" for the real one), started with
    /// `cmdline`, gives out. Of a kernel that cannot be dumped everything is empty.
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
        if kernel_cmdline::split(cmdline).contains(&"mem_encrypt=on") {
            info.warnings.push(ENCRYPTED.to_owned());
        }
        let path = root.join("proc/kcore");
        match File::open(&path).and_then(|mut file| kcore::read(&mut file)) {
            Ok(found) => (info.text, info.direct_map) = (found.text, found.direct_map),
            Err(err) => info.warnings.push(format!(
                "the kernel's virtual addresses are not known ({}: {err}): some tools may not be \
                 able to read a dump of a kernel with randomised addresses",
                path.display()
            )),
        }
        info
    }

    /// A range that ends before it starts, which only a recording has.
    #[must_use]
    pub fn backwards(&self) -> Option<Run> {
        let mut all = self.cpu_notes.iter().chain(&self.vmcoreinfo);
        let backwards = |range: &&Run| range.end < range.start;
        all.find(backwards)
            .or_else(|| self.xen_vmcoreinfo.iter().find(backwards))
            .copied()
    }

    /// What a user should know who loads a crash image.
    pub fn warnings(&self) -> impl Iterator<Item = String> + '_ {
        let memory_only = self.cpu_notes.is_empty().then(|| {
            "where the CPUs' registers will be saved is not known: a dump will have memory only"
                .to_owned()
        });
        self.warnings.iter().cloned().chain(memory_only)
    }

    /// What `self`, read in a PV dom0, and Xen below it leave together. Xen
    /// saves the registers, of physical CPUs. dom0 gives out the machine address
    /// of its VMCOREINFO note (Linux, `paddr_vmcoreinfo_note` of arch/x86/xen);
    /// only its first page is known to be there, and that has the whole note: it
    /// is cut to that.
    #[must_use]
    pub fn with_xen(&self, xen: &XenHost) -> Self {
        let first_page = |note: Run| {
            let end = (note.start & !(PAGE_SIZE - 1)).saturating_add(PAGE_SIZE);
            Run {
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

/// `crash_notes` and `crash_notes_size` of each CPU (Linux,
/// Documentation/ABI/testing/sysfs-devices-system-cpu): address in hex without
/// 0x, size in decimal.
fn cpu_notes(root: &Path, warnings: &mut Vec<String>) -> Vec<Run> {
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
            // a kernel that was built without crash dumps
            (Err(err), _) if err.kind() == io::ErrorKind::NotFound => continue,
            (Err(err), _) | (_, Err(err)) => {
                warnings.push(format!(
                    "CPU {cpu}'s registers will not be in a dump: {err}"
                ));
                continue;
            }
        };
        match range(text::hex(at.trim()), size.trim().parse().ok()) {
            Some(range) => notes.push(range),
            None => warnings.push(format!(
                "CPU {cpu}'s registers will not be in a dump: crash_notes is {:?} and \
                 crash_notes_size {:?}, expected an address in hex and a decimal size",
                text::cut(at.trim()),
                text::cut(size.trim())
            )),
        }
    }
    notes
}

/// /sys/kernel/vmcoreinfo: address and size, both in hex, the address with 0x.
fn vmcoreinfo(root: &Path, warnings: &mut Vec<String>) -> Option<Run> {
    let path = root.join("sys/kernel/vmcoreinfo");
    let content = match read(&path) {
        Ok(content) => content,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return None,
        Err(err) => {
            warnings.push(format!(
                "VMCOREINFO is not known: {}: {err}",
                path.display()
            ));
            return None;
        }
    };
    let hex = |word: &str| text::hex(word.strip_prefix("0x").unwrap_or(word));
    let mut words = content.split_whitespace().map(hex);
    let found = range(words.next().flatten(), words.next().flatten());
    if found.is_none() {
        warnings.push(format!(
            "VMCOREINFO is not known: {} is {:?}, expected an address and a size in hex",
            path.display(),
            text::cut(content.trim())
        ));
    }
    found
}

fn read(path: &Path) -> io::Result<String> {
    file::read(path, file::ATTRIBUTE)
}

/// A range that has bytes.
fn range(start: Option<u64>, len: Option<u64>) -> Option<Run> {
    let range = PhysRange::from_len(start?, len?)?;
    (!range.is_empty()).then(|| range.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::put;

    const CPUS: &str = "sys/devices/system/cpu";

    #[test]
    fn every_cpu_in_order_of_number() {
        let root = tempfile::tempdir().unwrap();
        for (cpu, at) in [(0, "7d1e5b00"), (10, "7d2e5b00"), (2, "17d3e5b00")] {
            put(
                root.path(),
                &format!("{CPUS}/cpu{cpu}/crash_notes"),
                format!("{at}\n"),
            );
            put(
                root.path(),
                &format!("{CPUS}/cpu{cpu}/crash_notes_size"),
                "372\n",
            );
        }
        // not CPUs, and one without notes
        put(root.path(), &format!("{CPUS}/cpufreq/x"), "");
        put(root.path(), &format!("{CPUS}/cpu3/online"), "1\n");
        put(
            root.path(),
            "sys/kernel/vmcoreinfo",
            "0x0000000001886000 1024\n",
        );
        let info = CrashInfo::read(root.path(), "");
        let warnings = &info.warnings;
        let starts: Vec<u64> = info.cpu_notes.iter().map(|note| note.start).collect();
        assert_eq!(starts, [0x7d1e_5b00, 0x1_7d3e_5b00, 0x7d2e_5b00]);
        assert_eq!(info.cpu_notes[0].end - info.cpu_notes[0].start, 372);
        let vmcoreinfo = Run {
            start: 0x188_6000,
            end: 0x188_7024,
        };
        assert_eq!(info.vmcoreinfo, Some(vmcoreinfo));
        // no /proc/kcore here
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("proc/kcore"), "{warnings:?}");
        assert_eq!((info.text, info.direct_map), (None, None));
    }

    #[test]
    fn with_xen_the_notes_are_xens_and_dom0s_vmcoreinfo_is_one_page() {
        let dom0 = CrashInfo {
            cpu_notes: vec![Run { start: 1, end: 2 }],
            vmcoreinfo: Some(Run {
                start: 0x188_6000,
                end: 0x188_7024,
            }),
            direct_map: Some(1 << 63),
            ..CrashInfo::default()
        };
        let note = Run {
            start: 0x7fa0_0000,
            end: 0x7fa0_01f4,
        };
        let xen = XenHost {
            cpu_notes: vec![note],
            vmcoreinfo: Some(note),
            ..XenHost::default()
        };
        let both = dom0.with_xen(&xen);
        let first_page = Run {
            start: 0x188_6000,
            end: 0x188_7000,
        };
        let expected = CrashInfo {
            cpu_notes: vec![note],
            vmcoreinfo: Some(first_page),
            xen_vmcoreinfo: Some(note),
            ..CrashInfo::default()
        };
        assert_eq!(both, expected);
    }

    #[test]
    fn encrypted_memory_is_told() {
        let root = tempfile::tempdir().unwrap();
        put(
            root.path(),
            "sys/kernel/vmcoreinfo",
            "0x0000000001886000 1024\n",
        );
        let warnings = |cmdline| CrashInfo::read(root.path(), cmdline).warnings;
        assert_eq!(warnings("quiet mem_encrypt=off").len(), 1);
        let warnings = warnings("quiet mem_encrypt=on");
        assert!(warnings[0].contains("mem_encrypt=on"), "{warnings:?}");
    }

    #[test]
    fn bad_files_are_named_and_left_out() {
        let root = tempfile::tempdir().unwrap();
        for (cpu, at, size) in [(0, "7d1e5b00", "hello"), (1, "-1", "372"), (2, "1000", "0")] {
            put(root.path(), &format!("{CPUS}/cpu{cpu}/crash_notes"), at);
            put(
                root.path(),
                &format!("{CPUS}/cpu{cpu}/crash_notes_size"),
                size,
            );
        }
        put(root.path(), &format!("{CPUS}/cpu3/crash_notes"), "7d1e5b00");
        put(root.path(), "sys/kernel/vmcoreinfo", "ffffffffffffffff 2\n");
        let info = CrashInfo::read(root.path(), "");
        let warnings = &info.warnings;
        assert_eq!((info.cpu_notes.len(), info.vmcoreinfo), (0, None));
        assert_eq!(warnings.len(), 5, "{warnings:?}");
        for (warning, part) in warnings
            .iter()
            .zip(["CPU 0", "CPU 1", "CPU 2", "CPU 3", "ffff"])
        {
            assert!(warning.contains(part), "{warning}");
        }
    }

    #[test]
    fn a_kernel_without_crash_dumps_says_nothing() {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), &format!("{CPUS}/cpu0/online"), "1\n");
        assert_eq!(CrashInfo::read(root.path(), ""), CrashInfo::default());
    }

    #[test]
    fn this_machine_is_read_without_a_panic() {
        let _ = CrashInfo::read(Path::new("/"), "");
    }
}
