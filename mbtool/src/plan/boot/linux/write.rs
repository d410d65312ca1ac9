//! Writes `boot_params` and the data after it for a given address.

use super::{HEADER_AT, PAGE, SETUP_DATA};
use crate::image::linux::Setup;

/// The page and the data appended to it.
pub(super) struct Page {
    bytes: Vec<u8>,
    /// Physical address of the page.
    at: u64,
    /// Offset of the `next` pointer to set for the next setup data.
    link: usize,
}

impl Page {
    /// Creates a zeroed page with a setup header.
    pub(super) fn new(header: &[u8], at: u64) -> Self {
        let mut bytes = vec![0; PAGE];
        bytes[HEADER_AT..HEADER_AT + header.len()].copy_from_slice(header);
        let mut page = Self {
            bytes,
            at,
            link: 0x250,
        };
        // clear the file's values of fields that the loader sets
        for field in [0x218, 0x21c, 0x228] {
            page.u32(field, 0);
        }
        page.u64(0x250, 0);
        page
    }

    /// Sets the fields that a kernel without its decompressor reads.
    pub(super) fn synthetic_header(&mut self, setup: &Setup) {
        self.u16(0x1fe, 0xaa55);
        self.bytes(0x202, b"HdrS");
        self.u16(0x206, setup.version);
        self.u32(0x22c, setup.initrd_addr_max);
        self.u32(0x230, setup.alignment);
        self.u8(0x234, u8::from(setup.relocatable));
        self.u16(0x236, setup.xloadflags);
        self.u32(0x238, setup.cmdline_size);
        self.u64(0x258, setup.pref_address);
        self.u32(0x260, setup.init_size);
    }

    pub(super) fn get(&self, at: usize) -> u8 {
        self.bytes[at]
    }

    pub(super) fn bytes(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    pub(super) fn u8(&mut self, at: usize, value: u8) {
        self.bytes[at] = value;
    }

    pub(super) fn u16(&mut self, at: usize, value: u16) {
        self.bytes(at, &value.to_le_bytes());
    }

    pub(super) fn u32(&mut self, at: usize, value: u32) {
        self.bytes(at, &value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, at: usize, value: u64) {
        self.bytes(at, &value.to_le_bytes());
    }

    /// Appends `bytes` at a multiple of 16, and returns their physical address.
    pub(super) fn append(&mut self, bytes: &[u8]) -> u64 {
        let offset = self.bytes.len().next_multiple_of(16);
        self.bytes.resize(offset, 0);
        self.bytes.extend_from_slice(bytes);
        self.at + offset as u64
    }

    /// Appends an item to the chain of setup data.
    pub(super) fn setup_data(&mut self, kind: u32, data: &[u8]) {
        let mut whole = vec![0; SETUP_DATA];
        whole[8..12].copy_from_slice(&kind.to_le_bytes());
        whole[12..16].copy_from_slice(&(data.len() as u32).to_le_bytes());
        whole.extend_from_slice(data);
        let at = self.append(&whole);
        self.u64(self.link, at);
        self.link = (at - self.at) as usize;
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
