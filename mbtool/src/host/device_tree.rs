//! The device tree that the running kernel got (Linux, Documentation/ABI/testing/sysfs-firmware-ofw).

use super::MemoryError;
use crate::abi::fdt::{FdtHeader, FdtReserveEntry, MAGIC, VERSION};
use crate::fdt::{DeviceTree, FdtError, SIZE_MAX};
use crate::sys::{file, hex_bytes};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::io;
use std::path::Path;
use zerocopy::big_endian::U32;
use zerocopy::{FromBytes, IntoBytes};

/// Where Linux has it, without the changes that were made after the boot.
const BLOB: &str = "sys/firmware/fdt";

/// A device tree as a blob; hexadecimal in JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TreeBlob(pub Vec<u8>);

impl TreeBlob {
    /// Reads the running kernel's below `root`, without unused space at its end; `None` on a machine without one.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is no device tree.
    pub fn read(root: &Path) -> Result<Option<Self>, MemoryError> {
        let path = root.join(BLOB);
        let blob = match file::read_bytes(&path, SIZE_MAX as u64) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(MemoryError::Read { path, source }),
            Ok(mut bytes) => {
                cut_unused(&mut bytes);
                Self(bytes)
            }
        };
        match blob.tree() {
            Ok(_) => Ok(Some(blob)),
            Err(error) => Err(MemoryError::DeviceTree { path, error }),
        }
    }

    /// The tree.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn tree(&self) -> Result<DeviceTree, FdtError> {
        DeviceTree::read(&self.0)
    }
}

/// Cuts off the unused space at the end of a blob, which boot loaders leave for changes: QEMU's for ARM has 1 MiB. Any other
/// file remains as it is.
fn cut_unused(blob: &mut Vec<u8>) {
    let Ok((mut header, _)) = FdtHeader::read_from_prefix(blob) else {
        return;
    };
    // older ones do not have the size of the structure block
    if header.magic.get() != MAGIC || header.version.get() < VERSION {
        return;
    }
    let end = |offset: U32, size: u32| offset.get().saturating_add(size);
    let structure = end(header.off_dt_struct, header.size_dt_struct.get());
    let used = structure.max(end(header.off_dt_strings, header.size_dt_strings.get()));
    // the list of reservations, whose size is nowhere, comes first
    let listed = end(header.off_mem_rsvmap, size_of::<FdtReserveEntry>() as u32);
    if listed > header.off_dt_struct.get() || used >= header.totalsize.get() {
        return;
    }
    header.totalsize = used.into();
    blob.truncate(used as usize);
    if let Some(start) = blob.get_mut(..size_of::<FdtHeader>()) {
        start.copy_from_slice(header.as_bytes());
    }
}

impl Serialize for TreeBlob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex_bytes::digits(&self.0))
    }
}

impl<'de> Deserialize<'de> for TreeBlob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let blob = hex_bytes::parse(&text).map(Self).ok_or_else(|| {
            de::Error::custom("expected a device tree as pairs of hexadecimal digits")
        })?;
        match blob.tree() {
            Ok(_) => Ok(blob),
            Err(error) => Err(de::Error::custom(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn blob() -> TreeBlob {
        let mut tree = DeviceTree::default();
        tree.root.set_string("model", "a machine");
        TreeBlob(tree.write().unwrap())
    }

    #[test]
    fn a_blob_is_text_in_json() {
        let json = serde_json::to_string(&blob()).unwrap();
        assert!(json.starts_with("\"d00dfeed"), "{json}");
        assert_eq!(serde_json::from_str::<TreeBlob>(&json).unwrap(), blob());
        for wrong in ["\"d00dfee\"", "\"d00dfeed\"", "\"zz\"", "\"+1\"", "7"] {
            serde_json::from_str::<TreeBlob>(wrong).unwrap_err();
        }
    }

    #[test]
    fn the_running_one_is_read_if_there_is_one() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(TreeBlob::read(root.path()).unwrap(), None);
        let dir = root.path().join("sys/firmware");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("fdt"), blob().0).unwrap();
        assert_eq!(TreeBlob::read(root.path()).unwrap(), Some(blob()));
        // with unused space at its end
        let mut padded = blob().0;
        padded.resize(padded.len() + 0x1000, 0);
        let total = u32::try_from(padded.len()).unwrap().to_be_bytes();
        padded[4..8].copy_from_slice(&total);
        fs::write(dir.join("fdt"), padded).unwrap();
        assert_eq!(TreeBlob::read(root.path()).unwrap(), Some(blob()));
        fs::write(dir.join("fdt"), b"/dts-v1/;").unwrap();
        let error = TreeBlob::read(root.path()).unwrap_err();
        assert!(matches!(error, MemoryError::DeviceTree { .. }), "{error}");
    }
}
