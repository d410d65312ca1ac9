//! The UART of the console.

use super::error::{DtValueError, DtValueProblem};
use super::names::shown;
use super::path::DtPath;
use super::tree::DeviceTree;

/// The console of `/chosen`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DtUart {
    /// Path of its node.
    pub name: String,
    /// Kind of its registers.
    pub model: UartModel,
    /// Physical address of its first register.
    pub address: u64,
    /// Distance of its registers is `1 << shift` bytes.
    pub shift: u32,
    /// Width of an access in bytes.
    pub width: u32,
    /// Registers are big endian.
    pub big_endian: bool,
    /// Clock of the divisor in Hz.
    pub clock: Option<u32>,
    /// Speed that firmware has set, or that `stdout-path` has, in bits a second.
    pub baud: Option<u32>,
    /// False when it is disabled, and so perhaps without a clock.
    pub available: bool,
}

/// Kind of a UART's registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UartModel {
    /// Those of an 8250 with its successors.
    Ns16550,
    /// ARM's PL011, or the part of it that the SBSA has.
    Pl011,
    /// SiFive's.
    SiFive,
    /// Others: the first string of `compatible`.
    Other(String),
}

/// `compatible` of UARTs with registers of an 8250.
const NS16550: [&str; 17] = [
    "ns16550a",
    "ns16550",
    "ns16750",
    "ns16850",
    "ns16450",
    "ns8250",
    "snps,dw-apb-uart",
    "intel,xscale-uart",
    "mrvl,mmp-uart",
    "spacemit,k1-uart",
    "opencores,uart16550-rtlsvn105",
    "xlnx,xps-uart16550-2.00.a",
    "nvidia,tegra20-uart",
    "altr,16550-FIFO32",
    "altr,16550-FIFO64",
    "altr,16550-FIFO128",
    "fsl,16550-FIFO64",
];

impl UartModel {
    fn of(node: &DtPath<'_>) -> Self {
        let mut names = node.node().strings("compatible");
        let known = names.find_map(|name| match name {
            name if NS16550.contains(&name) => Some(Self::Ns16550),
            "arm,pl011" | "arm,sbsa-uart" => Some(Self::Pl011),
            "sifive,uart0" => Some(Self::SiFive),
            _ => None,
        });
        known.unwrap_or_else(|| {
            let first = node.node().strings("compatible").next();
            Self::Other(first.unwrap_or_default().to_owned())
        })
    }

    /// Shift and width of the registers where no property has them.
    const fn layout(&self) -> (u32, u32) {
        match self {
            Self::Ns16550 => (0, 1),
            Self::Pl011 | Self::SiFive | Self::Other(_) => (2, 4),
        }
    }
}

impl DeviceTree {
    /// The console of `/chosen` (`stdout-path`); `None` where the tree has none.
    ///
    /// # Errors
    ///
    /// When a property that it depends on is wrong.
    pub fn stdout(&self) -> Result<Option<DtUart>, DtValueError> {
        let Some(chosen) = self.top().child("chosen") else {
            return Ok(None);
        };
        for name in ["stdout-path", "linux,stdout-path"] {
            let Some(text) = chosen.string(name)? else {
                continue;
            };
            let (target, options) = match text.split_once(':') {
                Some((target, options)) => (target, Some(options)),
                None => (text, None),
            };
            let node = self.resolve(target).ok_or_else(|| {
                let target = format!("\"{}\"", shown(target.as_bytes()));
                chosen.error(name, DtValueProblem::NoNode { target })
            })?;
            return self.uart(&node, options).map(Some);
        }
        Ok(None)
    }

    fn uart(&self, node: &DtPath<'_>, options: Option<&str>) -> Result<DtUart, DtValueError> {
        const REG: &str = "reg";
        let model = UartModel::of(node);
        let missing = || node.error(REG, DtValueProblem::Missing);
        let reg = *node.ranges_of(REG)?.first().ok_or_else(missing)?;
        let offset = u64::from(node.u32("reg-offset")?.unwrap_or(0));
        let address = node.translate(REG, reg.address)?;
        let address = address.checked_add(offset).ok_or_else(|| {
            let problem = DtValueProblem::Overflow {
                address,
                size: offset,
            };
            node.error("reg-offset", problem)
        })?;
        let (shift, width) = model.layout();
        let shift = checked(node, "reg-shift", shift, "0 to 5", |shift| shift <= 5)?;
        let width = checked(node, "reg-io-width", width, "1, 2 or 4", |width| {
            matches!(width, 1 | 2 | 4)
        })?;
        let baud = match node.u32("current-speed")? {
            Some(baud) => Some(baud),
            // "115200n8"
            None => options.and_then(|options| {
                let end = options.find(|letter: char| !letter.is_ascii_digit());
                options.get(..end.unwrap_or(options.len()))?.parse().ok()
            }),
        };
        Ok(DtUart {
            name: node.to_string(),
            address,
            shift,
            width,
            big_endian: node.node().has("big-endian"),
            clock: match node.u32("clock-frequency")? {
                Some(clock) => Some(clock),
                None => self.clock(node)?,
            },
            baud,
            available: node.node().is_available(),
            model,
        })
    }

    /// Frequency of the first clock of a device, where that is a fixed one.
    fn clock(&self, node: &DtPath<'_>) -> Result<Option<u32>, DtValueError> {
        let first = node.node().property("clocks").and_then(|value| {
            let (phandle, _) = value.split_first_chunk()?;
            self.by_phandle(u32::from_be_bytes(*phandle))
        });
        match first.filter(|clock| clock.node().is_compatible("fixed-clock")) {
            Some(clock) => clock.u32("clock-frequency"),
            None => Ok(None),
        }
    }
}

/// A number in a property, or its default.
fn checked(
    node: &DtPath<'_>,
    name: &str,
    default: u32,
    expected: &'static str,
    good: impl Fn(u32) -> bool,
) -> Result<u32, DtValueError> {
    match node.u32(name)? {
        None => Ok(default),
        Some(found) if good(found) => Ok(found),
        Some(found) => Err(node.error(
            name,
            DtValueProblem::Number {
                found: found.into(),
                expected,
            },
        )),
    }
}
