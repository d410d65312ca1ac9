//! Where unpacked bytes go: a vector with a cap.

use std::io::{self, Read};

/// What can go wrong in a decoder, without the file's name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Input ended too early.
    Truncated,
    /// Input is wrong; says how.
    Corrupt(String),
    /// Output passed the cap.
    TooLarge,
    /// Input asks for something that is not supported; says what.
    Unsupported(String),
    /// No memory for the output.
    Memory,
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Truncated,
            io::ErrorKind::OutOfMemory => Self::Memory,
            _ => Self::Corrupt(error.to_string()),
        }
    }
}

/// Output of all members so far.
pub(super) struct Sink {
    out: Vec<u8>,
    limit: u64,
    /// Sizes that a format announces are checked against the cap.
    whole: bool,
}

impl Sink {
    /// Makes an empty one that holds at most `limit` bytes.
    pub(super) const fn new(limit: u64) -> Self {
        Self {
            out: Vec::new(),
            limit,
            whole: true,
        }
    }

    /// Makes an empty one for the first `limit` bytes of an output that may be
    /// longer.
    pub(super) const fn prefix(limit: u64) -> Self {
        Self {
            out: Vec::new(),
            limit,
            whole: false,
        }
    }

    pub(super) const fn limit(&self) -> u64 {
        self.limit
    }

    pub(super) const fn len(&self) -> usize {
        self.out.len()
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// Appends `bytes`, or what of them is within the cap; that is
    /// [`Fault::TooLarge`].
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let space = self.limit - self.len_u64();
        let within = bytes
            .len()
            .min(usize::try_from(space).unwrap_or(usize::MAX));
        self.out.try_reserve(within).map_err(|_| Fault::Memory)?;
        self.out
            .extend_from_slice(bytes.get(..within).unwrap_or_default());
        if within < bytes.len() {
            Err(Fault::TooLarge)
        } else {
            Ok(())
        }
    }

    /// Refuses when `more` bytes cannot be within the cap: for formats that
    /// announce their size. Allocates nothing.
    pub(super) fn room_for(&self, more: u64) -> Result<(), Fault> {
        if self.whole && self.len_u64().saturating_add(more) > self.limit {
            Err(Fault::TooLarge)
        } else {
            Ok(())
        }
    }

    fn len_u64(&self) -> u64 {
        self.out.len().try_into().unwrap_or(u64::MAX)
    }

    /// Appends everything that `reader` has.
    pub(super) fn drain(&mut self, reader: &mut impl Read) -> Result<(), Fault> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let len = match reader.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            self.push(buffer.get(..len).unwrap_or_default())?;
        }
    }
}
