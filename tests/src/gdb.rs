//! QEMU's gdbstub: physical memory, and every store to an address.
//!
//! Protocol: GDB manual, "Remote Serial Protocol"; physical addresses by QEMU's `Qqemu.PhyMemMode`.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// How long the stub may take to answer; a machine that runs may take any time to stop.
const ANSWER: Duration = Duration::from_secs(60);

/// Bytes of memory that fit in a packet of the stub, which takes 4096 characters.
const PART: usize = 1024;

/// A connection. The machine stands still until [`Gdb::resume`].
#[derive(Debug)]
pub struct Gdb {
    stream: UnixStream,
    pending: Vec<u8>,
}

/// QEMU arguments: start stopped, with a stub at `socket` (relative to QEMU's directory, or absolute).
pub fn arguments(socket: &Path) -> [String; 3] {
    let stub = format!("unix:{},server=on,wait=off", socket.display());
    ["-S".to_owned(), "-gdb".to_owned(), stub]
}

impl Gdb {
    /// Connects as soon as QEMU has made the socket, within `deadline`.
    pub fn connect(socket: &Path, deadline: Duration) -> Result<Self> {
        let started = Instant::now();
        let stream = loop {
            match UnixStream::connect(socket) {
                Ok(stream) => break stream,
                Err(error) if started.elapsed() > deadline => {
                    return Err(error)
                        .with_context(|| format!("no gdbstub at {}", socket.display()));
                }
                Err(_) => thread::sleep(Duration::from_millis(10)),
            }
        };
        stream.set_read_timeout(Some(ANSWER))?;
        let pending = Vec::new();
        let mut gdb = Self { stream, pending };
        gdb.expect_ok("Qqemu.PhyMemMode:1")?;
        Ok(gdb)
    }

    /// Reads physical memory.
    pub fn read(&mut self, addr: u64, len: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            let part = PART.min(len - bytes.len());
            let from = addr + bytes.len() as u64;
            let hex = self.ask(&format!("m{from:x},{part:x}"))?;
            let digits: Vec<_> = hex
                .bytes()
                .filter_map(|c| char::from(c).to_digit(16))
                .collect();
            ensure!(
                digits.len() == 2 * part,
                "gdbstub: {part} bytes at {from:#x}: {hex:?}"
            );
            bytes.extend(
                digits
                    .chunks_exact(2)
                    .map(|pair| (pair[0] << 4 | pair[1]) as u8),
            );
        }
        Ok(bytes)
    }

    /// Writes physical memory.
    pub fn write(&mut self, addr: u64, bytes: &[u8]) -> Result<()> {
        for (n, part) in bytes.chunks(PART).enumerate() {
            let hex: String = part.iter().map(|byte| format!("{byte:02x}")).collect();
            let to = addr + (n * PART) as u64;
            self.expect_ok(&format!("M{to:x},{:x}:{hex}", part.len()))?;
        }
        Ok(())
    }

    /// Stops the machine behind every store to `len` bytes from `addr`, as the CPU addresses them.
    pub fn watch(&mut self, addr: u64, len: usize) -> Result<()> {
        self.expect_ok(&format!("Z2,{addr:x},{len:x}"))
    }

    /// Undoes [`Self::watch`].
    pub fn unwatch(&mut self, addr: u64, len: usize) -> Result<()> {
        self.expect_ok(&format!("z2,{addr:x},{len:x}"))
    }

    /// Lets the machine run to the next stop. `false` when it has ended instead.
    pub fn resume(&mut self) -> Result<bool> {
        self.send("c")?;
        let Some(stop) = self.packet()? else {
            return Ok(false);
        };
        match stop.as_bytes().first() {
            Some(b'T' | b'S') => Ok(true),
            Some(b'W' | b'X') => Ok(false),
            _ => bail!("gdbstub: {stop:?} instead of a stop"),
        }
    }

    /// Leaves the machine, which runs on.
    pub fn detach(mut self) -> Result<()> {
        self.expect_ok("D")
    }

    fn expect_ok(&mut self, packet: &str) -> Result<()> {
        let answer = self.ask(packet)?;
        ensure!(
            answer == "OK",
            "gdbstub: {packet:?} was answered with {answer:?}"
        );
        Ok(())
    }

    fn ask(&mut self, packet: &str) -> Result<String> {
        self.send(packet)?;
        self.packet()?.context("QEMU has closed its gdbstub")
    }

    fn send(&mut self, packet: &str) -> Result<()> {
        let sum = packet.bytes().fold(0u8, |sum, byte| sum.wrapping_add(byte));
        write!(self.stream, "${packet}#{sum:02x}").context("gdbstub")
    }

    /// The next packet, acknowledged; `None` at the end of the connection.
    fn packet(&mut self) -> Result<Option<String>> {
        loop {
            let start = self.pending.iter().position(|byte| *byte == b'$');
            let end = self.pending.iter().position(|byte| *byte == b'#');
            if let (Some(start), Some(end)) = (start, end)
                && start < end
                && self.pending.len() >= end + 3
            {
                let text = String::from_utf8_lossy(&self.pending[start + 1..end]).into_owned();
                self.pending.drain(..end + 3);
                self.stream.write_all(b"+").context("gdbstub")?;
                return Ok(Some(text));
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(got) => self.pending.extend(&buffer[..got]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                    return Ok(None);
                }
                Err(error) => return Err(error).context("gdbstub"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_framed_and_acknowledged() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut gdb = Gdb {
            stream: ours,
            pending: Vec::new(),
        };
        theirs.write_all(b"+$0a").unwrap();
        theirs
            .write_all(b"0bff#00+$OK#9a$T05watch:1;#00$E14#00")
            .unwrap();
        assert_eq!(gdb.read(0x10, 3).unwrap(), [10, 11, 255]);
        gdb.watch(0x1000, 4).unwrap();
        assert!(gdb.resume().unwrap());
        assert!(gdb.write(0, &[1]).is_err());
        let mut sent = [0; 15];
        theirs.read_exact(&mut sent).unwrap();
        assert_eq!(&sent, b"$m10,3#2d+$Z2,1");
        drop(theirs);
        assert!(gdb.packet().unwrap().is_none());
    }
}
