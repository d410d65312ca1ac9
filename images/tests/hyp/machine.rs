//! The machine of these tests: a payload without firmware or kernel, and its configuration.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use images::cross::{Cross, CrossTarget};

/// Timeout; a run takes well under a second.
const DEADLINE: Duration = Duration::from_secs(20);
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
    let log = directory.path().join("serial");
    qemu.args(["-m", "256", "-display", "none", "-monitor", "none"])
        .args(["-net", "none", "-no-reboot", "-kernel"])
        .arg(payload)
        .arg("-device")
        .arg(format!(
            "loader,file={},addr={CONFIGURATION:#x},force-raw=on",
            file.display()
        ))
        .arg("-serial")
        .arg(format!("file:{}", log.display()))
        .stdin(Stdio::null());
    let mut child = qemu.spawn().unwrap();
    let ended = wait(&mut child);
    let output = fs::read(&log).unwrap_or_default();
    let output = String::from_utf8_lossy(&output).replace('\r', "");
    assert!(ended, "no end within {DEADLINE:?}:\n{output}");
    output
}

/// Waits for the end; false at the deadline.
fn wait(child: &mut Child) -> bool {
    let started = Instant::now();
    while started.elapsed() < DEADLINE {
        if child.try_wait().unwrap().is_some() {
            return true;
        }
        thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    false
}
