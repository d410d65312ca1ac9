//! The ACPI Serial Port Console Redirection table.
//!
//! Microsoft, "Serial Port Console Redirection Table", revisions 1 to 4;
//! generic address structure: ACPI 6.5, 5.2.3.2.

use super::PciAddress;
use crate::abi::spcr::{PreciseBaudRate, SpcrTable};
use serde::{Deserialize, Serialize};
use xen_shim::acpi::{self, TableHeader};
use zerocopy::FromBytes;

/// Minimum size in bytes: a table of revision 1, which has all needed fields.
const MIN_LEN: usize = size_of::<SpcrTable>();

/// Contents of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spcr {
    /// Interface type (DBG2 port subtype): 0, 1 and 0x12 are 8250-compatible.
    pub interface: u8,
    /// Address space: 0 memory, 1 I/O ports.
    pub space: u8,
    /// Bits from one register to the next.
    pub bit_width: u8,
    /// Access size: 1 to 4 for 8 to 64 bits, 0 if unspecified.
    pub access: u8,
    /// Address of register 0.
    pub address: u64,
    /// Bits per second; 0: unchanged from firmware.
    pub baud: u32,
    /// The PCI function of the UART.
    #[serde(default)]
    pub pci: Option<PciAddress>,
}

/// A UART and its access method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortAt {
    /// First I/O port.
    Io(u16),
    /// In memory space.
    Memory {
        /// Physical address.
        addr: u64,
        /// Bytes between registers.
        stride: u8,
        /// Access width in bits.
        width: u8,
    },
    /// A PL011 at this physical address, or the part of one that the SBSA has.
    Pl011(u64),
}

/// Why a table is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpcrError {
    /// Truncated table.
    #[error("{found} bytes, expected at least {MIN_LEN}")]
    Short {
        /// Bytes found.
        found: usize,
    },
    /// Another table.
    #[error("signature {0:x?} instead of \"SPCR\"")]
    Signature([u8; 4]),
    /// Wrong length field.
    #[error("its length field is {length} bytes, the file has {found}")]
    Length {
        /// Length field of the header.
        length: u32,
        /// Bytes found.
        found: usize,
    },
    /// The bytes do not add up to 0.
    #[error("bad checksum: the bytes add up to {0:#04x}, expected 0")]
    Checksum(u8),
}

impl Spcr {
    /// Reads a table; any bytes are safe.
    ///
    /// # Errors
    ///
    /// The reason.
    pub fn parse(bytes: &[u8]) -> Result<Self, SpcrError> {
        let found = bytes.len();
        let Ok((table, _)) = SpcrTable::ref_from_prefix(bytes) else {
            return Err(SpcrError::Short { found });
        };
        let TableHeader {
            signature,
            length,
            revision,
            ..
        } = table.header;
        if &signature != b"SPCR" {
            return Err(SpcrError::Signature(signature));
        }
        let length = length.get();
        let len = usize::try_from(length).ok().filter(|len| *len >= MIN_LEN);
        let Some(whole) = len.and_then(|len| bytes.get(..len)) else {
            return Err(SpcrError::Length { length, found });
        };
        let sum = acpi::sum(whole);
        if sum != 0 {
            return Err(SpcrError::Checksum(sum));
        }
        let precise = whole.get(MIN_LEN..).filter(|_| revision >= 4);
        let precise = precise.and_then(|rest| PreciseBaudRate::read_from_prefix(rest).ok());
        let baud = match (precise.map_or(0, |(rate, _)| rate.get()), table.baud_rate) {
            (0, 3) => 9600,
            (0, 4) => 19_200,
            (0, 6) => 57_600,
            (0, 7) => 115_200,
            (precise, _) => precise,
        };
        let (device, vendor) = (table.pci_device.get(), table.pci_vendor.get());
        let pci = (device != 0xffff && vendor != 0xffff && vendor != 0).then(|| PciAddress {
            domain: table.pci_segment.into(),
            bus: table.pci_bus,
            device: table.pci_device_number & 31,
            function: table.pci_function & 7,
        });
        let base = table.base_address;
        Ok(Self {
            interface: table.interface_type,
            space: base.space,
            bit_width: base.bit_width,
            access: base.access_size,
            address: base.address.get(),
            baud,
            pci,
        })
    }

    /// Returns the port, if the handoff supports it.
    ///
    /// # Errors
    ///
    /// Why it is not supported.
    pub fn port(&self) -> Result<PortAt, String> {
        let pl011 = matches!(self.interface, 3 | 0xd | 0xe);
        if !pl011 && !matches!(self.interface, 0 | 1 | 0x12) {
            return Err(format!(
                "interface type {:#x} is neither an 8250 (0, 1 or 0x12) nor a PL011 (3, 0xd or 0xe)",
                self.interface
            ));
        }
        if self.address == 0 {
            return Err("it names no console (address 0)".into());
        }
        if pl011 {
            let usable = self.space == 0 && self.address.is_multiple_of(4);
            return match usable {
                true => Ok(PortAt::Pl011(self.address)),
                false => Err(format!(
                    "a PL011 at {:#x} of address space {} is not supported",
                    self.address, self.space
                )),
            };
        }
        match self.space {
            1 => match u16::try_from(self.address) {
                Ok(port) => Ok(PortAt::Io(port)),
                Err(_) => Err(format!("I/O port {:#x} is above 0xffff", self.address)),
            },
            0 => {
                let (stride, width) = match (self.bit_width, self.access) {
                    (bits, 1) => (bits / 8, 8),
                    (bits, 2) => (bits / 8, 16),
                    (bits, 3) => (bits / 8, 32),
                    // revision 1 does not define the access size
                    (bits, 0) => (bits / 8, 8),
                    (_, access) => return Err(format!("access size {access} is not supported")),
                };
                if !matches!(stride, 1 | 2 | 4 | 8 | 16) || stride * 8 < width {
                    return Err(format!(
                        "registers of {} bits with accesses of {width} bits are not supported",
                        self.bit_width
                    ));
                }
                Ok(PortAt::Memory {
                    addr: self.address,
                    stride,
                    width,
                })
            }
            space => Err(format!(
                "address space {space} is neither memory (0) nor I/O ports (1)"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A table with a correct checksum.
    fn table(revision: u8, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut bytes = vec![0; if revision >= 4 { 88 } else { 80 }];
        bytes[..4].copy_from_slice(b"SPCR");
        let len = bytes.len() as u32;
        bytes[4..8].copy_from_slice(&len.to_le_bytes());
        bytes[8] = revision;
        bytes[40..44].copy_from_slice(&[1, 8, 0, 1]);
        bytes[44..52].copy_from_slice(&0x2f8_u64.to_le_bytes());
        bytes[58] = 7;
        bytes[64..68].fill(0xff);
        change(&mut bytes);
        bytes[9] = 0;
        bytes[9] = 0_u8.wrapping_sub(bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte)));
        bytes
    }

    fn memory(bits: u8, access: u8) -> Result<PortAt, String> {
        let bytes = table(2, |bytes| {
            bytes[36] = 0x12;
            bytes[40..44].copy_from_slice(&[0, bits, 0, access]);
            bytes[44..52].copy_from_slice(&0x12_fe03_2000_u64.to_le_bytes());
        });
        Spcr::parse(&bytes).unwrap().port()
    }

    #[test]
    fn a_com_port() {
        let spcr = Spcr::parse(&table(1, |_| ())).unwrap();
        assert_eq!(spcr.port(), Ok(PortAt::Io(0x2f8)));
        assert_eq!((spcr.baud, spcr.pci), (115_200, None));
    }

    #[test]
    fn ports_in_memory_by_stride_and_width() {
        let at = |stride, width| {
            Ok(PortAt::Memory {
                addr: 0x12_fe03_2000,
                stride,
                width,
            })
        };
        assert_eq!(memory(8, 1), at(1, 8));
        assert_eq!(memory(8, 0), at(1, 8));
        assert_eq!(memory(32, 3), at(4, 32));
        assert_eq!(memory(32, 1), at(4, 8));
        assert_eq!(memory(16, 2), at(2, 16));
        assert_eq!(memory(64, 3), at(8, 32));
        for (bits, access) in [(8, 3), (0, 1), (24, 1), (255, 1), (32, 4)] {
            assert!(memory(bits, access).is_err(), "{bits} {access}");
        }
    }

    #[test]
    fn pci_and_the_precise_rate() {
        let bytes = table(4, |bytes| {
            bytes[64..72].copy_from_slice(&[0x3d, 0x9d, 0x86, 0x80, 0, 0x16, 3, 0]);
            bytes[75] = 1;
            bytes[80..84].copy_from_slice(&1_500_000_u32.to_le_bytes());
        });
        let spcr = Spcr::parse(&bytes).unwrap();
        assert_eq!(spcr.baud, 1_500_000);
        assert_eq!(spcr.pci.unwrap().to_string(), "0001:00:16.3");
    }

    #[test]
    fn others_are_refused() {
        let port = |bytes: &[u8]| Spcr::parse(bytes).unwrap().port();
        let sifive = table(2, |bytes| bytes[36] = 4);
        assert!(port(&sifive).unwrap_err().contains("0x4"));
        // a PL011 is in memory
        let pl011 = |space: u8| {
            port(&table(2, |bytes| {
                bytes[36] = 3;
                bytes[40] = space;
                bytes[44..52].copy_from_slice(&0x900_0000_u64.to_le_bytes());
            }))
        };
        assert_eq!(pl011(0), Ok(PortAt::Pl011(0x900_0000)));
        assert!(pl011(1).is_err());
        assert!(port(&table(1, |bytes| bytes[40] = 3)).is_err());
        assert!(port(&table(1, |bytes| bytes[46] = 1)).is_err());
        assert!(port(&table(1, |bytes| bytes[44..52].fill(0))).is_err());
        let mut bad = table(1, |_| ());
        bad[50] ^= 1;
        assert_eq!(Spcr::parse(&bad), Err(SpcrError::Checksum(1)));
        let long = table(1, |bytes| bytes[4] = 81);
        assert_eq!(
            Spcr::parse(&long),
            Err(SpcrError::Length {
                length: 81,
                found: 80
            })
        );
        let short = table(1, |bytes| bytes[4] = 36);
        assert!(Spcr::parse(&short).is_err());
        assert!(Spcr::parse(&table(1, |bytes| bytes[0] = b'X')).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..128), own in any::<bool>()) {
            if own && bytes.len() >= MIN_LEN {
                let len = bytes.len() as u32;
                bytes[..4].copy_from_slice(b"SPCR");
                bytes[4..8].copy_from_slice(&len.to_le_bytes());
                bytes[9] = 0;
                bytes[9] = 0_u8.wrapping_sub(bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte)));
                prop_assert!(Spcr::parse(&bytes).is_ok());
            }
            if let Ok(spcr) = Spcr::parse(&bytes) {
                let _ = spcr.port();
                let json = serde_json::to_string(&spcr).unwrap();
                prop_assert_eq!(serde_json::from_str::<Spcr>(&json).unwrap(), spcr);
            }
        }
    }
}
