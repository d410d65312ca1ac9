//! Output buffer with a size limit.

use std::io::{self, Read};

/// Errors of a decoder, without the file name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Input ended too early.
    Truncated,
    /// Input is invalid, for this reason.
    Corrupt(String),
    /// Output exceeds the limit.
    TooLarge,
    /// Input needs this unsupported feature.
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
    /// Size fields of a format are checked against the limit.
    whole: bool,
}

impl Sink {
    /// Creates an empty buffer for at most `limit` bytes.
    pub(super) const fn new(limit: u64) -> Self {
        Self {
            out: Vec::new(),
            limit,
            whole: true,
        }
    }

    /// Creates an empty buffer for the first `limit` bytes of a possibly longer
    /// output.
    pub(super) fn prefix(limit: u64) -> Self {
        Self {
            whole: false,
            ..Self::new(limit)
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

    /// Appends `bytes`, truncated at the limit; returns [`Fault::TooLarge`] if it
    /// was exceeded.
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

    /// Fails if `more` bytes would exceed the limit, for formats with a size
    /// field. Allocates nothing.
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

    /// Appends everything from `reader`.
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
