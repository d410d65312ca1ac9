//! A writer that never blocks.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, Write};
use std::os::fd::AsFd;

/// Writes as much as the file accepts at once, and drops the rest: a terminal
/// behind a stopped network, or a pipe to an ended log daemon, must not block the
/// jump.
#[derive(Debug)]
pub struct NonBlocking<W>(W);

impl<W: Write + AsFd> NonBlocking<W> {
    /// Writes to `inner`.
    pub const fn new(inner: W) -> Self {
        Self(inner)
    }
}

impl<W: Write + AsFd> Write for NonBlocking<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let mut fds = [PollFd::new(&self.0, PollFlags::OUT)];
        if poll(&mut fds, Some(&now)) == Ok(0) {
            return Ok(bytes.len());
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn a_full_pipe_does_not_block() {
        let (reader, writer) = io::pipe().unwrap();
        let writer = File::from(std::os::fd::OwnedFd::from(writer));
        let mut nonblocking = NonBlocking::new(writer);
        let mut dropped = 0;
        for _ in 0..100 {
            assert_eq!(nonblocking.write(&[7; 4096]).unwrap(), 4096);
            dropped += 4096;
        }
        drop(nonblocking);
        let mut got = vec![];
        io::Read::read_to_end(
            &mut File::from(std::os::fd::OwnedFd::from(reader)),
            &mut got,
        )
        .unwrap();
        assert!(got.len() >= 4096 && got.len() < dropped, "{}", got.len());
    }
}
