// UNSAFETY: ioctl(2) takes raw pointers.
#![expect(unsafe_code)]
//! /dev/watchdog: a hardware timer, or Linux's softdog.
//!
//! Source: Linux, Documentation/watchdog/watchdog-api.rst,
//! include/uapi/linux/watchdog.h.

use super::Watchdog;
use rustix::io::Errno;
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};
use std::fs::{self, File};
use std::io::Write;
use std::time::Duration;

/// Names of the device, the second since there may be several.
const DEVICES: [&str; 2] = ["/dev/watchdog", "/dev/watchdog0"];
/// Its identity string.
const IDENTITY: &str = "/sys/class/watchdog/watchdog0/identity";
/// WDIOC_SETTIMEOUT: requests a timeout in seconds; the driver stores the
/// actual one.
const SETTIMEOUT: Opcode = opcode::read_write::<i32>(b'W', 6);
/// WDIOC_GETTIMEOUT.
const GETTIMEOUT: Opcode = opcode::read::<i32>(b'W', 7);

/// The open device, which is active.
#[derive(Debug)]
pub struct WatchdogDevice {
    file: File,
    timeout: Duration,
}

impl WatchdogDevice {
    /// Opens and thereby starts it.
    pub fn open(timeout: Duration) -> Result<Self, String> {
        let open = |path: &&str| File::options().write(true).open(path);
        let mut why = format!("there is no {}", DEVICES[0]);
        for path in DEVICES {
            match open(&path) {
                Ok(file) => {
                    let timeout = set(&file, timeout);
                    return Ok(Self { file, timeout });
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                // ENODEV, ENXIO: a device node without a driver
                Err(error)
                    if matches!(
                        Errno::from_io_error(&error),
                        Some(Errno::NODEV | Errno::NXIO)
                    ) => {}
                Err(error) => why = format!("{path}: {error}"),
            }
        }
        Err(why)
    }
}

/// Sets the timeout, and returns the actual one.
fn set(file: &File, timeout: Duration) -> Duration {
    let wanted = i32::try_from(timeout.as_secs()).unwrap_or(i32::MAX);
    let mut seconds = wanted;
    // SAFETY: WDIOC_SETTIMEOUT reads and writes an int, which `seconds` is.
    let set = unsafe { ioctl(file, Updater::<SETTIMEOUT, i32>::new(&mut seconds)) };
    if set.is_err() {
        // a device with a fixed timeout
        seconds = wanted;
        // SAFETY: WDIOC_GETTIMEOUT writes an int, which `seconds` is.
        let _ = unsafe { ioctl(file, Updater::<GETTIMEOUT, i32>::new(&mut seconds)) };
    }
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0).max(1))
}

impl Watchdog for WatchdogDevice {
    fn name(&self) -> String {
        let identity = fs::read_to_string(IDENTITY).unwrap_or_default();
        match identity.trim() {
            "" => DEVICES[0].to_owned(),
            identity => format!("{} ({identity})", DEVICES[0]),
        }
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn kick(&mut self) -> Result<(), String> {
        // any byte but V is a kick
        self.file.write_all(b"k").map_err(|error| error.to_string())
    }

    fn stop(mut self: Box<Self>) -> Result<(), String> {
        // magic close: writing 'V' disarms the watchdog on close(2)
        self.file.write_all(b"V").map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opcodes_are_those_of_the_header() {
        assert_eq!(SETTIMEOUT, 0xc004_5706);
        assert_eq!(GETTIMEOUT, 0x8004_5707);
    }
}
