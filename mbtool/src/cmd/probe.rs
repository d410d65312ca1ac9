//! `mbtool probe`: prints what the CPUs and the kernel are for a kexec.

use super::plan;
use crate::host;
use crate::probe;
use crate::sys::output::DataOutput;
use std::path::{Path, PathBuf};

/// Options of the verb.
#[derive(Clone, Debug, Default)]
pub struct ProbeOptions {
    /// Print JSON.
    pub json: bool,
    /// A recorded machine in place of this one.
    pub memory_map: Option<PathBuf>,
}

/// Prints the report of a machine.
///
/// # Errors
///
/// The recorded machine cannot be read.
pub fn run(options: &ProbeOptions, root: &Path, out: &mut DataOutput) -> anyhow::Result<()> {
    let host = match &options.memory_map {
        Some(path) => plan::recorded(path)?,
        // without what only root may read
        None => host::platform(root),
    };
    let report = probe::probe(&host);
    match options.json {
        true => out.json(&report),
        false => out.text(&report),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::virt::VirtFacts;
    use crate::host::{Host, MapEntry, MemoryKind};
    use crate::sys::testing::put;

    fn printed(options: &ProbeOptions, root: &Path) -> String {
        let mut bytes = Vec::new();
        let mut out = DataOutput::new(&mut bytes);
        run(options, root, &mut out).unwrap();
        out.finish().unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_machine_and_a_recording_of_it_are_reported_alike() {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), "proc/sys/kernel/osrelease", "6.1.0-test\n");
        put(root.path(), "proc/cpuinfo", "flags\t: fpu vmx\n");
        let json = ProbeOptions {
            json: true,
            memory_map: None,
        };
        let seen = printed(&json, root.path());
        let seen: serde_json::Value = serde_json::from_str(&seen).unwrap();
        assert_eq!(seen["release"], "6.1.0-test");
        assert_eq!(seen["x86"]["flags"], serde_json::json!(["vmx"]));

        let host = Host {
            virt: VirtFacts::read(root.path()),
            memory_map: vec![MapEntry {
                start: 0,
                end: 1 << 30,
                kind: MemoryKind::Ram,
            }],
            ..Host::default()
        };
        let path = root.path().join("recorded.json");
        put(
            root.path(),
            "recorded.json",
            serde_json::to_vec(&host).unwrap(),
        );
        let recorded = ProbeOptions {
            json: true,
            memory_map: Some(path),
        };
        let recorded = printed(&recorded, Path::new("/nonexistent"));
        let recorded: serde_json::Value = serde_json::from_str(&recorded).unwrap();
        assert_eq!(recorded["x86"], seen["x86"]);
        assert_eq!(recorded["release"], seen["release"]);
        let text = printed(&ProbeOptions::default(), root.path());
        assert!(text.contains("6.1.0-test"), "{text}");
    }
}
