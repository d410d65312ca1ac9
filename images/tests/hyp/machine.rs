//! A machine of these tests: QEMU without firmware or kernel of its own.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Timeout; a run takes a second.
const DEADLINE: Duration = Duration::from_secs(30);

/// Starts an image with a QEMU command that has a machine; returns its output after its end.
pub fn boot(mut qemu: Command, image: &Path) -> String {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("serial");
    qemu.args(["-m", "256", "-display", "none", "-monitor", "none"])
        .args(["-net", "none", "-no-reboot", "-kernel"])
        .arg(image)
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
