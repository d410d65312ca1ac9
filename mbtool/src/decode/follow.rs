//! Reads a log that is still being written: a growing file, a serial device, a
//! terminal, a pipe.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;
use rustix::fs::{FileType, fstat};
use rustix::termios::{OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

/// Polling interval of a file.
const POLL: Duration = Duration::from_millis(100);
/// A source is quiet after this time without data, in [`POLL`]s.
const QUIET: u32 = 15;

/// Event of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowStep {
    /// This number of bytes was read.
    Bytes(usize),
    /// No data for some time (reported once).
    Quiet,
    /// The file was truncated or replaced.
    Restarted,
    /// End of the data.
    End,
}

/// A source to follow.
#[derive(Debug)]
pub struct Follow {
    source: File,
    regular: bool,
    position: u64,
    idle: u32,
    // previous settings of the terminal
    restore: Option<Termios>,
}

impl Follow {
    /// Opens a file, device or pipe; `-` is standard input. A terminal is set to
    /// raw mode (no echo, no translation) until drop; its baud rate is unchanged.
    ///
    /// # Errors
    ///
    /// When it cannot be opened, or is a terminal that cannot be set to raw
    /// mode.
    pub fn open(path: &Path) -> io::Result<Self> {
        let stdin = path.as_os_str() == "-";
        let source = if stdin {
            File::from(io::stdin().as_fd().try_clone_to_owned()?)
        } else {
            // it must not become the controlling terminal, and carrier detect is
            // ignored
            let flags = rustix::fs::OFlags::NOCTTY.bits().cast_signed();
            OpenOptions::new()
                .read(true)
                .custom_flags(flags)
                .open(path)?
        };
        let regular = FileType::from_raw_mode(fstat(&source)?.st_mode) == FileType::RegularFile;
        let restore = if stdin { None } else { raw(&source)? };
        Ok(Self {
            source,
            regular,
            position: 0,
            idle: 0,
            restore,
        })
    }

    /// Waits for more data, at most until the source counts as quiet.
    ///
    /// # Errors
    ///
    /// The error of the read.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<FollowStep> {
        loop {
            if self.regular && self.source.metadata()?.len() < self.position {
                self.position = 0;
                self.source.seek(SeekFrom::Start(0))?;
                return Ok(FollowStep::Restarted);
            }
            if self.regular || self.ready()? {
                match self.source.read(buffer) {
                    Ok(0) if !self.regular => return Ok(FollowStep::End),
                    Ok(0) => sleep(POLL),
                    Ok(count) => {
                        self.position += count as u64;
                        self.idle = 0;
                        return Ok(FollowStep::Bytes(count));
                    }
                    // the other side of a pty was closed
                    Err(error)
                        if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) =>
                    {
                        return Ok(FollowStep::End);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(error),
                }
            }
            self.idle = self.idle.saturating_add(1);
            if self.idle == QUIET {
                return Ok(FollowStep::Quiet);
            }
        }
    }

    /// Waits up to [`POLL`] for data.
    fn ready(&self) -> io::Result<bool> {
        let mut fds = [PollFd::new(&self.source, PollFlags::IN)];
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: 100_000_000,
        };
        match poll(&mut fds, Some(&timeout)) {
            Ok(count) => Ok(count > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        if let Some(before) = &self.restore {
            // the terminal may be gone
            let _ = tcsetattr(&self.source, OptionalActions::Now, before);
        }
    }
}

/// Sets a terminal to raw mode; `None` if it is not a terminal.
fn raw(source: &File) -> io::Result<Option<Termios>> {
    let Ok(before) = tcgetattr(source) else {
        return Ok(None);
    };
    let mut raw = before.clone();
    raw.make_raw();
    raw.special_codes[SpecialCodeIndex::VMIN] = 1;
    raw.special_codes[SpecialCodeIndex::VTIME] = 0;
    tcsetattr(source, OptionalActions::Now, &raw)?;
    Ok(Some(before))
}
