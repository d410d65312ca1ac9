//! Reads blobs. All bytes are untrusted input; time and memory are linear in the size of the blob.

use super::error::FdtError;
use super::names::{NAME_MAX, node_name, path, property_name, shown};
use super::tree::{DeviceTree, DtNode, DtProperty};
use crate::abi::fdt::{
    BEGIN_NODE, COMPATIBLE, END, END_NODE, FdtHeader, FdtProperty, FdtReserveEntry, MAGIC, NOP,
    PROP, TOKEN_ALIGN, VERSION,
};
use handoff::addr::PhysRange;
use zerocopy::FromBytes;
use zerocopy::big_endian::U32;

/// Maximum size of a blob, in bytes: Linux takes at most 2 MiB.
pub const SIZE_MAX: usize = 16 << 20;
/// Maximum number of nodes from the root to a leaf, as in Linux.
pub const DEPTH_MAX: usize = 64;
impl DeviceTree {
    /// Reads a blob; bytes after it are ignored.
    ///
    /// # Errors
    ///
    /// When it is no device tree, or an inconsistent one.
    pub fn read(file: &[u8]) -> Result<Self, FdtError> {
        let blob = Blob::of(file)?;
        Ok(Self {
            reservations: blob.reservations()?,
            root: Structure::of(&blob).root()?,
            boot_cpu: blob.header.boot_cpuid_phys.get(),
        })
    }
}

/// A blob whose header is consistent.
struct Blob<'a> {
    header: FdtHeader,
    /// `totalsize` bytes.
    bytes: &'a [u8],
    /// Offset of the structure block.
    start: usize,
    /// From the start of the blob to the end of the structure block, so that offsets are those of the blob.
    structure: &'a [u8],
    strings: &'a [u8],
}

impl<'a> Blob<'a> {
    fn of(file: &'a [u8]) -> Result<Self, FdtError> {
        let size = size_of::<FdtHeader>();
        let (header, _) = FdtHeader::read_from_prefix(file).map_err(|_| FdtError::Short {
            len: file.len(),
            header: size,
        })?;
        if header.magic.get() != MAGIC {
            return Err(FdtError::Magic {
                found: header.magic.get(),
            });
        }
        let (version, last_compatible) = (header.version.get(), header.last_comp_version.get());
        if version < COMPATIBLE || last_compatible > VERSION {
            return Err(FdtError::Version {
                version,
                last_compatible,
            });
        }
        let total = header.totalsize.get();
        let bytes = usize::try_from(total).ok().filter(|total| *total >= size);
        let bytes = bytes.and_then(|total| file.get(..total));
        let bytes = bytes.ok_or(FdtError::TotalSize {
            found: total,
            len: file.len(),
            header: size,
        })?;
        if bytes.len() > SIZE_MAX {
            return Err(FdtError::TooLarge {
                size: bytes.len(),
                max: SIZE_MAX,
            });
        }
        let block = |block, offset: U32, size: U32| {
            let (offset, size) = (offset.get(), size.get());
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            let end = start.saturating_add(usize::try_from(size).unwrap_or(usize::MAX));
            if start <= end && end <= bytes.len() {
                return Ok((start, end));
            }
            Err(FdtError::Block {
                block,
                offset,
                size,
                total,
            })
        };
        let (start, mut end) = match version {
            // the header ends before size_dt_struct
            COMPATIBLE => block("structure", header.off_dt_struct, U32::ZERO)?,
            _ => block("structure", header.off_dt_struct, header.size_dt_struct)?,
        };
        if version == COMPATIBLE {
            end = bytes.len();
        }
        let strings = block("strings", header.off_dt_strings, header.size_dt_strings)?;
        Ok(Self {
            header,
            bytes,
            start,
            structure: bytes.get(..end).unwrap_or_default(),
            strings: bytes.get(strings.0..strings.1).unwrap_or_default(),
        })
    }

    /// The memory reservations, without empty ones.
    fn reservations(&self) -> Result<Vec<PhysRange>, FdtError> {
        let offset = self.header.off_mem_rsvmap.get();
        let endless = || FdtError::ReservationsEnd {
            offset,
            total: self.header.totalsize.get(),
        };
        let start = usize::try_from(offset).map_err(|_| endless())?;
        let mut rest = self.bytes.get(start..).ok_or_else(endless)?;
        let mut found = Vec::new();
        loop {
            let at = self.bytes.len() - rest.len();
            let (entry, after) = FdtReserveEntry::read_from_prefix(rest).map_err(|_| endless())?;
            let (address, size) = (entry.address.get(), entry.size.get());
            if (address, size) == (0, 0) {
                return Ok(found);
            }
            let range = PhysRange::from_len(address, size).ok_or(FdtError::Reservation {
                offset: at,
                address,
                size,
            })?;
            if !range.is_empty() {
                found.push(range);
            }
            rest = after;
        }
    }
}

/// Reader of the structure block.
struct Structure<'a> {
    bytes: &'a [u8],
    /// Offset of the block, from which tokens are aligned.
    start: usize,
    /// Offset of the next token.
    at: usize,
    strings: &'a [u8],
    /// The nodes that are open, from the root down.
    open: Vec<DtNode>,
}

impl<'a> Structure<'a> {
    fn of(blob: &Blob<'a>) -> Self {
        Self {
            bytes: blob.structure,
            start: blob.start,
            at: blob.start,
            strings: blob.strings,
            open: Vec::new(),
        }
    }

    fn root(mut self) -> Result<DtNode, FdtError> {
        let root = loop {
            let (offset, token) = self.token()?;
            let inside = !self.open.is_empty();
            match token {
                NOP => {}
                BEGIN_NODE => {
                    let node = self.node(offset)?;
                    self.open.push(node);
                }
                PROP if inside => self.property(offset)?,
                END_NODE if inside => {
                    let Some(done) = self.open.pop() else {
                        continue;
                    };
                    match self.open.last_mut() {
                        Some(parent) => parent.children.push(done),
                        None => break done,
                    }
                }
                found => {
                    return Err(FdtError::Token {
                        node: self.path(),
                        offset,
                        found,
                        expected: if inside {
                            "1 (node), 2 (end of node), 3 (property) or 4 (nothing)"
                        } else {
                            "1 (the root node)"
                        },
                    });
                }
            }
        };
        loop {
            match self.token()? {
                (_, NOP) => {}
                (_, END) => return Ok(root),
                (offset, found) => {
                    return Err(FdtError::Token {
                        node: self.path(),
                        offset,
                        found,
                        expected: "9 (end of the tree), as the root node has ended",
                    });
                }
            }
        }
    }

    /// Reads a token, and returns its offset.
    fn token(&mut self) -> Result<(usize, u32), FdtError> {
        let offset = self.at;
        let token: U32 = self.take(offset, "a token")?;
        Ok((offset, token.get()))
    }

    /// Reads the name of a node whose token is at `offset`.
    fn node(&mut self, offset: usize) -> Result<DtNode, FdtError> {
        if self.open.len() >= DEPTH_MAX {
            return Err(FdtError::Depth {
                node: self.path(),
                offset,
                max: DEPTH_MAX,
            });
        }
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let len = rest.iter().position(|&byte| byte == 0);
        let len = len.ok_or_else(|| self.cut("the name of a node", offset))?;
        let name = rest.get(..len).unwrap_or_default();
        let root = self.open.is_empty();
        let name = node_name(name, root).ok_or_else(|| self.bad_name("node", offset, name))?;
        self.at += len + 1;
        self.align();
        Ok(DtNode::new(name))
    }

    /// Reads a property whose token is at `offset` into the innermost node.
    fn property(&mut self, offset: usize) -> Result<(), FdtError> {
        const PART: &str = "a property";
        let header: FdtProperty = self.take(offset, PART)?;
        let len = usize::try_from(header.len.get()).unwrap_or(usize::MAX);
        let end = self.at.saturating_add(len);
        let value = self.bytes.get(self.at..end);
        let value = value.ok_or_else(|| self.cut(PART, offset))?;
        let found = header.nameoff.get();
        let at = usize::try_from(found).unwrap_or(usize::MAX);
        let rest = self.strings.get(at..).filter(|rest| !rest.is_empty());
        let rest = rest.ok_or_else(|| FdtError::NameOffset {
            node: self.path(),
            offset,
            found,
            strings: u32::try_from(self.strings.len()).unwrap_or(u32::MAX),
        })?;
        // names can overlap, so each is searched only as far as it can be long
        let head = rest.get(..=NAME_MAX).unwrap_or(rest);
        let name = head.split(|&byte| byte == 0).next().unwrap_or_default();
        let ended = name.len() < head.len();
        let name = property_name(name)
            .filter(|_| ended)
            .ok_or_else(|| self.bad_name("property", offset, name))?
            .to_owned();
        self.at = end;
        self.align();
        let path = self.open.last().filter(|node| !node.children.is_empty());
        if path.is_some() {
            return Err(FdtError::PropertyAfterChild {
                node: self.path(),
                property: name,
                offset,
            });
        }
        if let Some(node) = self.open.last_mut() {
            node.properties.push(DtProperty {
                name,
                value: value.to_vec(),
            });
        }
        Ok(())
    }

    /// Reads a structure of what begins at `offset`.
    fn take<T: FromBytes>(&mut self, offset: usize, part: &'static str) -> Result<T, FdtError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let (value, _) = T::read_from_prefix(rest).map_err(|_| self.cut(part, offset))?;
        self.at += size_of::<T>();
        Ok(value)
    }

    /// Skips the padding after a name or a value.
    fn align(&mut self) {
        let len = self.at - self.start;
        self.at = self.start + len.next_multiple_of(TOKEN_ALIGN);
    }

    /// Path of the innermost open node.
    fn path(&self) -> String {
        path(self.open.iter().map(|node| node.name.as_str()))
    }

    fn cut(&self, part: &'static str, offset: usize) -> FdtError {
        FdtError::Cut {
            node: self.path(),
            part,
            offset,
            end: self.bytes.len(),
        }
    }

    fn bad_name(&self, what: &'static str, offset: usize, name: &[u8]) -> FdtError {
        FdtError::Name {
            node: self.path(),
            what,
            offset,
            name: shown(name),
            max: NAME_MAX,
        }
    }
}
