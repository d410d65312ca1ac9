//! Serial ports on PCI: class 0x0700, by /sys/bus/pci/devices.
//!
//! Files: Linux, Documentation/PCI/sysfs-pci.rst; `resource` has one line per
//! resource: first byte, last byte, flags; the first six are the BARs.

use crate::abi::pci::PciHeader;
use crate::sys::file;
use crate::sys::number;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::str::FromStr;
use zerocopy::{FromZeros, IntoBytes};

/// Maximum number of functions.
const MAX_FUNCTIONS: usize = 65536;
/// `IORESOURCE_IO`.
const FLAG_IO: u64 = 0x100;
/// `IORESOURCE_MEM`.
const FLAG_MEMORY: u64 = 0x200;

/// Address of a PCI function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PciAddress {
    /// Domain (segment group).
    pub domain: u32,
    /// Bus.
    pub bus: u8,
    /// Device, 0 to 31.
    pub device: u8,
    /// Function, 0 to 7.
    pub function: u8,
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            domain,
            bus,
            device,
            function,
        } = self;
        write!(f, "{domain:04x}:{bus:02x}:{device:02x}.{function}")
    }
}

impl FromStr for PciAddress {
    type Err = String;

    /// `[DDDD:]BB:DD.F`, hexadecimal.
    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (rest, function) = text.rsplit_once('.')?;
            let (rest, device) = rest.rsplit_once(':')?;
            let (domain, bus) = rest.rsplit_once(':').unwrap_or(("0", rest));
            let number = |digits: &str, max: u64| {
                number::hex(digits).filter(|number| !digits.is_empty() && *number <= max)
            };
            Some(Self {
                domain: u32::try_from(number(domain, u32::MAX.into())?).ok()?,
                bus: u8::try_from(number(bus, 255)?).ok()?,
                device: u8::try_from(number(device, 31)?).ok()?,
                function: u8::try_from(number(function, 7)?).ok()?,
            })
        };
        parse().ok_or_else(|| format!("`{text}` is not a PCI address such as 00:16.3"))
    }
}

impl TryFrom<String> for PciAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<PciAddress> for String {
    fn from(address: PciAddress) -> Self {
        address.to_string()
    }
}

/// An assigned base address register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bar {
    /// Number, 0 to 5.
    pub index: u8,
    /// True for I/O ports, false for memory.
    pub io: bool,
    /// First port or byte.
    pub start: u64,
    /// Ports or bytes.
    pub len: u64,
}

/// A function with the class of a serial controller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PciSerial {
    /// Address.
    pub address: PciAddress,
    /// Base class, subclass, programming interface: 0x0700xx.
    pub class: u32,
    /// Command register (bit 0: decodes I/O ports, bit 1: memory); `None` if it
    /// could not be read.
    #[serde(default)]
    pub command: Option<u16>,
    /// Its BARs.
    pub bars: Vec<Bar>,
}

/// Reads all serial controllers, sorted by address.
pub(super) fn read(root: &Path, warnings: &mut Vec<String>) -> Vec<PciSerial> {
    let Ok(listing) = fs::read_dir(root.join("sys/bus/pci/devices")) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for item in listing.flatten().take(MAX_FUNCTIONS) {
        let dir = item.path();
        let name = item.file_name();
        let Some(address) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let class = file::read(&dir.join("class"), file::ATTRIBUTE).ok();
        let class = class.and_then(|class| number::parse(class.trim_end()));
        let Some(class) = class.filter(|class| class >> 8 == 0x0700) else {
            continue;
        };
        match file::read(&dir.join("resource"), file::ATTRIBUTE) {
            Ok(resource) => found.push(PciSerial {
                address,
                class: class as u32, // 24 bits, as just checked
                command: command(&dir),
                bars: bars(&resource),
            }),
            Err(err) => warnings.push(format!("PCI serial port {address} left out: {err}")),
        }
    }
    found.sort_unstable_by_key(|function| function.address);
    found
}

/// Reads the command register.
fn command(dir: &Path) -> Option<u16> {
    let mut header = PciHeader::new_zeroed();
    fs::File::open(dir.join("config"))
        .and_then(|mut file| file.read_exact(header.as_mut_bytes()))
        .ok()?;
    Some(header.command.get())
}

/// Returns the assigned BARs in the first six lines.
fn bars(resource: &str) -> Vec<Bar> {
    let bar = |(index, line): (usize, &str)| {
        let mut words = line.split_whitespace().map(number::parse);
        let (start, last, flags) = (words.next()??, words.next()??, words.next()??);
        let io = flags & FLAG_IO != 0;
        let assigned = start != 0 && last >= start && (io || flags & FLAG_MEMORY != 0);
        assigned.then(|| Bar {
            index: index as u8, // below 6
            io,
            start,
            len: (last - start).saturating_add(1),
        })
    };
    resource
        .lines()
        .take(6)
        .enumerate()
        .filter_map(bar)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes the sysfs files of a function.
    fn write(root: &Path, address: &str, class: &str, resource: &str, command: Option<u16>) {
        let dir = root.join("sys/bus/pci/devices").join(address);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("class"), class).unwrap();
        fs::write(dir.join("resource"), resource).unwrap();
        if let Some(command) = command {
            let mut config = vec![0; 64];
            config[4..6].copy_from_slice(&command.to_le_bytes());
            fs::write(dir.join("config"), config).unwrap();
        }
    }

    const NONE: &str = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n";

    #[test]
    fn serial_controllers_and_their_bars() {
        let root = tempfile::tempdir().unwrap();
        let io = "0x000000000000c050 0x000000000000c057 0x0000000000040101\n";
        let memory = "0x00000012fe032000 0x00000012fe032fff 0x0000000000140204\n";
        write(
            root.path(),
            "0000:00:05.0",
            "0x070002\n",
            &[io, NONE, memory].concat(),
            Some(3),
        );
        write(root.path(), "0000:00:01.1", "0x010180\n", io, Some(1));
        write(root.path(), "0001:02:1f.7", "0x070000\n", NONE, None);
        write(root.path(), "not an address", "0x070002\n", io, None);
        let mut warnings = vec![];
        let found = read(root.path(), &mut warnings);
        assert_eq!(warnings, [""; 0]);
        let addresses: Vec<_> = found.iter().map(|f| f.address.to_string()).collect();
        assert_eq!(addresses, ["0000:00:05.0", "0001:02:1f.7"]);
        assert_eq!((found[0].class, found[0].command), (0x07_0002, Some(3)));
        let bar = |index, io, start, len| Bar {
            index,
            io,
            start,
            len,
        };
        assert_eq!(
            found[0].bars,
            [
                bar(0, true, 0xc050, 8),
                bar(2, false, 0x12_fe03_2000, 0x1000)
            ]
        );
        assert!(found[1].bars.is_empty() && found[1].command.is_none());
        let json = serde_json::to_string(&found).unwrap();
        assert!(json.contains("\"0000:00:05.0\""), "{json}");
        assert_eq!(
            serde_json::from_str::<Vec<PciSerial>>(&json).unwrap(),
            found
        );
    }

    #[test]
    fn hostile_resource_lines_make_no_bar() {
        for text in [
            "",
            "\n\n",
            "1",
            "x y z",
            "0x2 0x1 0x100",
            "0xffffffffffffffff",
            "0x10 0x20 0x400",
        ] {
            assert_eq!(bars(text), [], "{text:?}");
        }
        let all = "0x1 0xffffffffffffffff 0x200";
        assert_eq!(bars(all)[0].len, u64::MAX);
        assert_eq!(bars(&format!("{all}\n").repeat(9)).len(), 6);
    }

    #[test]
    fn addresses() {
        let parsed: PciAddress = "00:1f.7".parse().unwrap();
        assert_eq!(parsed.to_string(), "0000:00:1f.7");
        assert_eq!("10001:ff:00.0".parse::<PciAddress>().unwrap().domain, 65537);
        for bad in [
            "",
            "00:05",
            "05.0",
            "00:20.0",
            "00:05.8",
            "100:00.0.0",
            ":05.0",
            "00:+5.0",
        ] {
            assert!(bad.parse::<PciAddress>().is_err(), "{bad}");
        }
    }
}
