//! Writes `boot_params` and the data after it for a given address.

use crate::abi::boot_params::{BOOT_FLAG, HDRS, LinuxBootParams, SetupData, SetupHeader};
use crate::image::linux::Setup;
use zerocopy::{FromBytes, FromZeros, IntoBytes};

/// The page and the data appended to it.
pub(super) struct Page {
    pub(super) params: Box<LinuxBootParams>,
    behind: Vec<u8>,
    /// Physical address of the page.
    at: u64,
    /// Offset in `behind` of the last setup data.
    last: Option<usize>,
}

impl Page {
    /// Creates a zeroed page with a setup header.
    pub(super) fn new(header: &SetupHeader, at: u64) -> Self {
        let mut params = Box::new(LinuxBootParams::new_zeroed());
        params.header = header.clone();
        // clear the file's values of fields that the loader sets
        params.header.ramdisk_image.set(0);
        params.header.ramdisk_size.set(0);
        params.header.cmd_line_ptr.set(0);
        params.header.setup_data.set(0);
        Self {
            params,
            behind: Vec::new(),
            at,
            last: None,
        }
    }

    /// Sets the fields that a kernel without its decompressor reads.
    pub(super) fn synthetic_header(&mut self, setup: &Setup) {
        let header = &mut self.params.header;
        header.boot_flag.set(BOOT_FLAG);
        header.header = HDRS;
        header.version.set(setup.version);
        header.initrd_addr_max.set(setup.initrd_addr_max);
        header.kernel_alignment.set(setup.alignment);
        header.relocatable_kernel = u8::from(setup.relocatable);
        header.xloadflags.set(setup.xloadflags.bits());
        header.cmdline_size.set(setup.cmdline_size);
        header.pref_address.set(setup.pref_address);
        header.init_size.set(setup.init_size);
    }

    /// Appends `bytes` at a multiple of 16, and returns their physical address.
    pub(super) fn append(&mut self, bytes: &[u8]) -> u64 {
        let offset = self.behind.len().next_multiple_of(16);
        self.behind.resize(offset, 0);
        self.behind.extend_from_slice(bytes);
        self.at + (size_of::<LinuxBootParams>() + offset) as u64
    }

    /// Appends an item to the chain of setup data.
    pub(super) fn setup_data(&mut self, kind: u32, data: &[u8]) {
        let head = SetupData {
            next: 0.into(),
            kind: kind.into(),
            len: (data.len() as u32).into(),
        };
        let at = self.append(&[head.as_bytes(), data].concat());
        let last = self.last.and_then(|last| self.behind.get_mut(last..));
        match last.and_then(|bytes| SetupData::mut_from_prefix(bytes).ok()) {
            Some((last, _)) => last.next.set(at),
            None => self.params.header.setup_data.set(at),
        }
        self.last = Some((at - self.at) as usize - size_of::<LinuxBootParams>());
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        [self.params.as_bytes(), &self.behind].concat()
    }
}

/// Copies `bytes` to the start of `field`; what does not fit is cut.
pub(super) fn fill(field: &mut [u8], bytes: &[u8]) {
    let len = bytes.len().min(field.len());
    field[..len].copy_from_slice(&bytes[..len]);
}
