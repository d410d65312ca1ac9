//! `mbtool probe`: prints what the CPUs and the kernel are for a kexec.

use super::plan;
use crate::arch::Architecture;
use crate::host;
use crate::probe;
use crate::sys::output::DataOutput;
use anyhow::Context;
use handoff::blob;
use std::fs;
use std::path::{Path, PathBuf};

/// Options of the verb.
#[derive(Clone, Debug, Default)]
pub struct ProbeOptions {
    /// Print JSON.
    pub json: bool,
    /// A recorded machine in place of this one.
    pub memory_map: Option<PathBuf>,
    /// Write the probe image to this file instead.
    pub payload: Option<PathBuf>,
}

/// Prints the report of a machine.
///
/// # Errors
///
/// The recorded machine cannot be read; the image cannot be written, or this mbtool has none.
pub fn run(options: &ProbeOptions, root: &Path, out: &mut DataOutput) -> anyhow::Result<()> {
    if let Some(path) = &options.payload {
        return payload(path, blob::PROBE);
    }
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

/// Writes the probe image.
fn payload(path: &Path, image: &[u8]) -> anyhow::Result<()> {
    anyhow::ensure!(
        !image.is_empty(),
        "this mbtool is for {}: only one that is built for arm64 has the probe image",
        Architecture::NATIVE
    );
    fs::write(path, image).with_context(|| path.display().to_string())
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
            ..ProbeOptions::default()
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
            payload: None,
        };
        let recorded = printed(&recorded, Path::new("/nonexistent"));
        let recorded: serde_json::Value = serde_json::from_str(&recorded).unwrap();
        assert_eq!(recorded["x86"], seen["x86"]);
        assert_eq!(recorded["release"], seen["release"]);
        let text = printed(&ProbeOptions::default(), root.path());
        assert!(text.contains("6.1.0-test"), "{text}");
    }

    #[test]
    fn the_image_is_written_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("probe");
        payload(&path, b"image").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"image");
        assert!(payload(&path, b"").is_err());
        assert!(payload(&dir.path().join("no/file"), b"image").is_err());
        let own = payload(&path, blob::PROBE);
        assert_eq!(own.is_ok(), Architecture::NATIVE == Architecture::Arm64);
    }
}
