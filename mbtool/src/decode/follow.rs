//! Bytes of a log that is still being written: a growing file, a serial device,
//! a terminal, a pipe.

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

/// How often a file is looked at.
const POLL: Duration = Duration::from_millis(100);
/// A source is quiet when nothing came for so long, in [`POLL`]s.
const QUIET: u32 = 15;

/// What came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many bytes.
    Bytes(usize),
    /// Nothing for a while (told once).
    Quiet,
    /// The file got shorter: it is another one now.
    Restarted,
    /// There will be no more.
    End,
}

/// A source that is followed.
#[derive(Debug)]
pub struct Follow {
    source: File,
    regular: bool,
    position: u64,
    idle: u32,
    // the terminal's settings before
    restore: Option<Termios>,
}

impl Follow {
    /// Opens a file, device or pipe; `-` is standard input. A terminal is set to
    /// raw mode (no echo, no translation) until this is dropped; its speed stays.
    ///
    /// # Errors
    ///
    /// It cannot be opened, or is a terminal that cannot be set.
    pub fn open(path: &Path) -> io::Result<Self> {
        let stdin = path.as_os_str() == "-";
        let source = if stdin {
            File::from(io::stdin().as_fd().try_clone_to_owned()?)
        } else {
            // a terminal must not become ours, and a modem line need not be ready
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

    /// Waits for more, at most until the source counts as quiet.
    ///
    /// # Errors
    ///
    /// Reading failed.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Step> {
        loop {
            if self.regular && self.source.metadata()?.len() < self.position {
                self.position = 0;
                self.source.seek(SeekFrom::Start(0))?;
                return Ok(Step::Restarted);
            }
            if self.regular || self.ready()? {
                match self.source.read(buffer) {
                    Ok(0) if !self.regular => return Ok(Step::End),
                    Ok(0) => sleep(POLL),
                    Ok(count) => {
                        self.position += count as u64;
                        self.idle = 0;
                        return Ok(Step::Bytes(count));
                    }
                    // the other side of a pty is gone
                    Err(error)
                        if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) =>
                    {
                        return Ok(Step::End);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(error),
                }
            }
            self.idle = self.idle.saturating_add(1);
            if self.idle == QUIET {
                return Ok(Step::Quiet);
            }
        }
    }

    /// Waits for [`POLL`] for something to read.
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
            // nothing can be done about a terminal that is gone
            let _ = tcsetattr(&self.source, OptionalActions::Now, before);
        }
    }
}

/// Makes a terminal raw; `None` for what is none.
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
