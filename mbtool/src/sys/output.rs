//! Standard output and standard error, for all verbs: the only file that writes to them.
//!
//! [`DataOutput`] is what a verb is asked for, [`Messages`] what it reports meanwhile. Neither stops a verb: a load must
//! not depend on the reader of its messages. What happened to the data is known at the end, from
//! [`DataOutput::finish`].

use super::nonblocking::NonBlocking;
use serde::Serialize;
use std::fmt::{self, Display};
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Stderr, Write};
use xen_shim::fix::{Fix, Remedy, tail};

/// Why the data of a verb is incomplete.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// A write failed.
    #[error("standard output: {source}; the output is incomplete, the rest of the command is done{}", tail(self.fix()))]
    Write {
        /// The error of the system call.
        source: io::Error,
    },
}

impl Fix for OutputError {
    fn fix(&self) -> Remedy {
        let Self::Write { source } = self;
        let fix = match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                "free space there, or write to another file system"
            }
            ErrorKind::FileTooLarge => "raise the limit of file sizes (ulimit -f)",
            _ => return None,
        };
        Some(fix.into())
    }
}

/// The data of a verb. Writes succeed for their callers; the first error is kept, and what follows it is discarded.
pub struct DataOutput<'a> {
    to: Box<dyn Write + 'a>,
    failed: Option<io::Error>,
}

impl fmt::Debug for DataOutput<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataOutput")
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

impl<'a> DataOutput<'a> {
    /// Standard output.
    #[must_use]
    pub fn stdout() -> Self {
        Self::new(BufWriter::new(io::stdout()))
    }

    /// Writes to `to`.
    pub fn new(to: impl Write + 'a) -> Self {
        Self {
            to: Box::new(to),
            failed: None,
        }
    }

    /// Writes text as it is.
    pub fn text(&mut self, text: impl Display) {
        self.attempt(|to| write!(to, "{text}"));
    }

    /// Writes a JSON document.
    pub fn json(&mut self, document: &impl Serialize) {
        self.attempt(|to| {
            serde_json::to_writer_pretty(&mut *to, document)?;
            to.write_all(b"\n")
        });
    }

    /// Keeps the result of another library that wrote to the same stream.
    pub fn record(&mut self, result: io::Result<()>) {
        self.attempt(|_| result);
    }

    /// Passes everything on. False when it cannot be written: nothing that follows will be either.
    pub fn push(&mut self) -> bool {
        self.attempt(|to| to.flush());
        self.failed.is_none()
    }

    /// Passes everything on, and returns what happened to all of it. A reader that has gone (EPIPE) wanted no more: no
    /// error.
    ///
    /// # Errors
    ///
    /// When data is lost.
    pub fn finish(mut self) -> Result<(), OutputError> {
        self.push();
        match self.failed {
            Some(source) if source.kind() != ErrorKind::BrokenPipe => {
                Err(OutputError::Write { source })
            }
            _ => Ok(()),
        }
    }

    fn attempt(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
        if self.failed.is_none() {
            self.failed = write(&mut *self.to).err();
        }
    }
}

/// Never fails: see [`DataOutput::finish`].
impl Write for DataOutput<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.attempt(|to| to.write_all(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.push();
        Ok(())
    }
}

/// Messages of a verb, a line each. Errors are ignored: there is no other place to report them, and a later message may
/// succeed again (a journal that was restarted).
pub struct Messages<'a> {
    to: Box<dyn Write + 'a>,
}

impl fmt::Debug for Messages<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").finish_non_exhaustive()
    }
}

impl<'a> Messages<'a> {
    /// Standard error.
    #[must_use]
    pub fn stderr() -> Self {
        Self::new(io::stderr())
    }

    /// Standard error; drops what it does not accept at once.
    #[must_use]
    pub fn nonblocking_stderr() -> Self {
        Self::new(NonBlocking::new(io::stderr()))
    }

    /// Writes to `to`.
    pub fn new(to: impl Write + 'a) -> Self {
        Self { to: Box::new(to) }
    }

    /// Prints a message of mbtool.
    pub fn say(&mut self, text: impl Display) {
        self.line(format_args!("mbtool: {text}"));
    }

    /// Prints a warning.
    pub fn warn(&mut self, text: impl Display) {
        self.say(format_args!("warning: {text}"));
    }

    /// Prints a line as it is, such as one of another program.
    pub fn line(&mut self, text: impl Display) {
        self.text(format_args!("{text}\n"));
    }

    /// Prints text as it is.
    pub fn text(&mut self, text: impl Display) {
        // one system call, so that lines of several processes do not mix
        let _ = self.to.write_all(text.to_string().as_bytes());
        let _ = self.to.flush();
    }
}

/// Never fails.
impl Write for Messages<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.to.write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = self.to.flush();
        Ok(())
    }
}

/// Standard error as a terminal, for its settings, or for output with a status line; and whether it is a terminal.
#[must_use]
pub fn terminal() -> (Stderr, bool) {
    let stderr = io::stderr();
    let is_terminal = stderr.is_terminal();
    (stderr, is_terminal)
}

#[cfg(test)]
#[path = "output_tests.rs"]
mod tests;
