//! A conformance payload and its configuration.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use images::cross::{Cross, CrossTarget};

use crate::machine;

/// Where a payload expects its configuration.
const CONFIGURATION: u64 = 0x4800_0000;

/// Builds the payload below `payload/` of this package; returns its path.
pub fn payload(target: CrossTarget, directory: &str) -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = package.parent().unwrap();
    let into = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cross");
    let sources = package.join("payload").join(directory);
    let name = format!("hyp_{directory}");
    let cross = Cross::new(target, &into).unwrap();
    let elf = cross
        .with_handoff(
            &sources.join("main.rs"),
            &sources.join("layout.ld"),
            &name,
            workspace,
        )
        .unwrap();
    let path = into.join(format!("{name}.elf"));
    assert_eq!(fs::read(&path).unwrap(), elf);
    path
}

/// Runs the payload with a configuration, appended to a QEMU command; returns its output.
pub fn run(mut qemu: Command, payload: &Path, configuration: &[u8]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("configuration");
    fs::write(&file, configuration).unwrap();
    qemu.arg("-device").arg(format!(
        "loader,file={},addr={CONFIGURATION:#x},force-raw=on",
        file.display()
    ));
    machine::boot(qemu, payload)
}
