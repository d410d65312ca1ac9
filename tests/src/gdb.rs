//! QEMU's gdbstub: access to physical memory, watchpoints, breakpoints.
//!
//! Protocol: GDB manual, "Remote Serial Protocol"; physical addresses by QEMU's `Qqemu.PhyMemMode`.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::qmp;

/// Timeout of a response of the stub; a running machine may take any time to stop.
const ANSWER: Duration = Duration::from_secs(180);

/// Bytes of memory that fit in a packet of the stub, which takes 4096 characters.
const PART: usize = 1024;

/// Name of the socket in a run's directory, of a machine created with
/// [`Machine::debugger`](crate::Machine::debugger).
pub const SOCKET: &str = "gdb";

/// Offsets of RIP and CS in the answer to "g", for a CPU with 64-bit registers: 16 general registers come first, EFLAGS
/// is between the two.
const RIP: usize = 16 * 8;
const CS: usize = RIP + 8 + 4;

/// Where a CPU has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// Address of the next instruction.
    pub rip: u64,
    /// Code segment; its lowest two bits are the privilege level.
    pub cs: u32,
}

/// A connection. The machine is stopped until [`Gdb::resume`].
#[derive(Debug)]
pub struct Gdb {
    stream: UnixStream,
    pending: Vec<u8>,
    /// The CPU that has last stopped the machine, by the stub's name.
    thread: Option<String>,
}

/// QEMU arguments: start stopped, with a stub at `socket` (relative to QEMU's directory, or
/// absolute).
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
        Self::over(stream)
    }

    /// Connects to the stub of the machine that runs in `dir`, and stops it.
    pub fn connect_in(dir: &Path, deadline: Duration) -> Result<Self> {
        Self::over(qmp::connect(dir, SOCKET, deadline)?)
    }

    fn over(stream: UnixStream) -> Result<Self> {
        stream.set_read_timeout(Some(ANSWER))?;
        let mut gdb = Self::new(stream);
        gdb.expect_ok("Qqemu.PhyMemMode:1")?;
        Ok(gdb)
    }

    fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            pending: Vec::new(),
            thread: None,
        }
    }

    /// Reads physical memory.
    pub fn read(&mut self, addr: u64, len: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            let part = PART.min(len - bytes.len());
            let from = addr + bytes.len() as u64;
            let hex = self.ask(&format!("m{from:x},{part:x}"))?;
            let got = self::bytes(&hex);
            ensure!(
                got.len() == part,
                "gdbstub: {part} bytes at {from:#x}: {hex:?}"
            );
            bytes.extend(got);
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

    /// Stops the machine after every store to `len` bytes from `addr`, as the CPU addresses them.
    pub fn watch(&mut self, addr: u64, len: usize) -> Result<()> {
        self.expect_ok(&format!("Z2,{addr:x},{len:x}"))
    }

    /// Reverts [`Self::watch`].
    pub fn unwatch(&mut self, addr: u64, len: usize) -> Result<()> {
        self.expect_ok(&format!("z2,{addr:x},{len:x}"))
    }

    /// Stops the machine before a CPU runs the instruction at `addr`, as that CPU addresses it.
    pub fn break_at(&mut self, addr: u64) -> Result<()> {
        self.expect_ok(&format!("Z1,{addr:x},1"))
    }

    /// Reverts [`Self::break_at`].
    pub fn forget(&mut self, addr: u64) -> Result<()> {
        self.expect_ok(&format!("z1,{addr:x},1"))
    }

    /// Lets the machine run to the next stop. `false` when it has ended instead.
    pub fn resume(&mut self) -> Result<bool> {
        self.go()?;
        self.stopped()
    }

    /// Lets the machine run.
    pub fn go(&mut self) -> Result<()> {
        self.send("c")
    }

    /// Waits for the next stop. `false` when the machine has ended instead.
    pub fn stopped(&mut self) -> Result<bool> {
        let Some(stop) = self.packet()? else {
            return Ok(false);
        };
        self.thread = stop
            .split_once("thread:")
            .and_then(|(_, rest)| rest.split_once(';'))
            .map(|(thread, _)| thread.to_owned());
        match stop.as_bytes().first() {
            Some(b'T' | b'S') => Ok(true),
            Some(b'W' | b'X') => Ok(false),
            _ => bail!("gdbstub: {stop:?} instead of a stop"),
        }
    }

    /// Lets all CPUs except the stopped one run for `time`, so that they finish their current work.
    pub fn let_others_run(&mut self, time: Duration) -> Result<()> {
        let stopped = self.thread.clone();
        let stopped = stopped.context("no CPU has stopped the machine")?;
        let mut others = String::new();
        let mut answer = self.ask("qfThreadInfo")?;
        while let Some(threads) = answer.strip_prefix('m') {
            for thread in threads.split(',').filter(|thread| *thread != stopped) {
                others += &format!(";c:{thread}");
            }
            answer = self.ask("qsThreadInfo")?;
        }
        if others.is_empty() {
            return Ok(());
        }
        self.send(&format!("vCont{others}"))?;
        thread::sleep(time);
        // an interrupt, which stops all
        self.stream.write_all(&[3]).context("gdbstub")?;
        ensure!(self.stopped()?, "the machine ended");
        Ok(())
    }

    /// Returns the location of the stopped CPU, in 64-bit mode.
    pub fn place(&mut self) -> Result<Stop> {
        let hex = self.ask("g")?;
        let registers = bytes(&hex);
        let field = registers.get(RIP..CS + 4);
        let field = field.with_context(|| format!("gdbstub: registers {hex:?}"))?;
        Ok(Stop {
            rip: u64::from_le_bytes(field[..8].try_into()?),
            cs: u32::from_le_bytes(field[CS - RIP..].try_into()?),
        })
    }

    /// Disconnects; the machine continues.
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
        loop {
            let answer = self.packet()?.context("QEMU has closed its gdbstub")?;
            // a connection stops a running machine, and the stub reports that unasked
            if !answer.starts_with('T') {
                return Ok(answer);
            }
        }
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

/// Decodes pairs of hexadecimal digits; other text is skipped.
fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.bytes().filter_map(|c| char::from(c).to_digit(16));
    let digits: Vec<u32> = digits.collect();
    let pairs = digits.chunks_exact(2);
    pairs.map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_framed_and_acknowledged() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut gdb = Gdb::new(ours);
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

    #[test]
    fn all_cpus_except_the_stopped_one_can_run() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut gdb = Gdb::new(ours);
        assert!(gdb.let_others_run(Duration::ZERO).is_err());
        theirs
            .write_all(b"$T05thread:02;#00$m01#00$m02#00$m03#00$l#00$T02thread:01;#00")
            .unwrap();
        assert!(gdb.stopped().unwrap());
        gdb.let_others_run(Duration::ZERO).unwrap();
        drop(gdb);
        let mut sent = Vec::new();
        theirs.read_to_end(&mut sent).unwrap();
        let sent = String::from_utf8(sent).unwrap();
        assert!(sent.contains("+$vCont;c:01;c:03#"), "{sent}");
        assert!(sent.ends_with("\x03+"), "{sent}");
    }

    #[test]
    fn a_stop_has_a_place() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut gdb = Gdb::new(ours);
        let mut registers = vec![0x11; RIP];
        registers.extend(0x746e_1000_u64.to_le_bytes());
        registers.extend(0x46_u32.to_le_bytes());
        registers.extend(0x10_u32.to_le_bytes());
        let hex: String = registers.iter().map(|byte| format!("{byte:02x}")).collect();
        write!(
            theirs,
            "$T02thread:01;#00$OK#00$T05thread:01;#00${hex}0000#00$0102#00"
        )
        .unwrap();
        gdb.break_at(0x746e_1000).unwrap();
        gdb.go().unwrap();
        assert!(gdb.stopped().unwrap());
        let place = gdb.place().unwrap();
        assert_eq!((place.rip, place.cs), (0x746e_1000, 0x10));
        assert!(gdb.place().is_err());
    }
}
