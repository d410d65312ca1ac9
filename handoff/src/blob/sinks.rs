//! Checks consoles, and converts them to the blob's format.

extern crate alloc;
use super::limits::{Reach, shown};
use crate::abi::{self, MAX_SINKS, SinkRaw};
use crate::addr::PAGE_SIZE;
use crate::ramlog;
use crate::spec::Console;
use alloc::format;
use alloc::string::String;

/// Converts the sinks of a blob.
pub(super) fn raw(consoles: &[Console], reach: &Reach) -> Result<[SinkRaw; MAX_SINKS], String> {
    if consoles.len() > MAX_SINKS {
        return Err(format!(
            "{} consoles, the handoff prints to at most {MAX_SINKS}",
            consoles.len()
        ));
    }
    let mut sinks = [SinkRaw::NONE; MAX_SINKS];
    for (slot, console) in sinks.iter_mut().zip(consoles) {
        *slot = sink(console)?;
        if slot.addr != 0 {
            check_range(console, reach)?;
        }
    }
    Ok(sinks)
}

fn check_range(console: &Console, reach: &Reach) -> Result<(), String> {
    let range = console.memory().filter(|range| range.end <= reach.limit);
    let Some(range) = range else {
        return Err(format!(
            "{console:x?} ends above {}, which the handoff cannot map",
            shown(reach.limit)
        ));
    };
    if range
        .align_outward(PAGE_SIZE)
        .is_none_or(|pages| pages.overlaps(&reach.own))
    {
        return Err(format!(
            "{console:x?} is inside the handoff itself at {}",
            reach.own
        ));
    }
    Ok(())
}

fn sink(console: &Console) -> Result<SinkRaw, String> {
    let none = SinkRaw::NONE;
    Ok(match *console {
        Console::Pio { port, divisor } => SinkRaw {
            kind: abi::CONSOLE_PIO,
            port,
            divisor: divisor.unwrap_or(0),
            ..none
        },
        Console::Debugcon { port } => SinkRaw {
            kind: abi::CONSOLE_DEBUGCON,
            port,
            ..none
        },
        Console::Mmio {
            addr,
            stride,
            width,
            divisor,
        } => {
            if !matches!(stride, 1 | 2 | 4 | 8 | 16) || !matches!(width, 8 | 16 | 32) {
                return Err(format!(
                    "mmio console: stride {stride} and width {width}, must be 1, 2, 4, 8 or 16 \
                     bytes and 8, 16 or 32 bits"
                ));
            }
            let aligned = addr.is_multiple_of(u64::from(width / 8));
            if addr == 0 || stride * 8 < width || !aligned {
                return Err(format!(
                    "mmio console at {addr:#x}: registers {stride} bytes apart cannot be accessed \
                     {width} bits wide at that address"
                ));
            }
            SinkRaw {
                kind: abi::CONSOLE_MMIO,
                addr,
                divisor: divisor.unwrap_or(0),
                stride,
                width,
                ..none
            }
        }
        Console::Pl011 { addr } => {
            if addr == 0 || !addr.is_multiple_of(4) {
                return Err(format!(
                    "pl011 console at {addr:#x}: must be a multiple of 4, not 0"
                ));
            }
            SinkRaw {
                kind: abi::CONSOLE_PL011,
                addr,
                ..none
            }
        }
        Console::Firmware => SinkRaw {
            kind: abi::CONSOLE_SBI,
            ..none
        },
        Console::RamLog { addr, size } => {
            let (min, max) = (ramlog::MIN_SIZE, ramlog::MAX_SIZE);
            let pages = u64::from(size).is_multiple_of(PAGE_SIZE);
            if !(min..=max).contains(&size) || !pages {
                return Err(format!(
                    "ram log of {size:#x} bytes: must be whole pages, {min:#x} to {max:#x} bytes"
                ));
            }
            if addr == 0 || !addr.is_multiple_of(PAGE_SIZE) {
                return Err(format!("ram log at {addr:#x}: must be page aligned, not 0"));
            }
            SinkRaw {
                kind: abi::CONSOLE_RAM_LOG,
                size,
                addr,
                ..none
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::PhysRange;
    use zerocopy::IntoBytes;

    const BLOB: Reach = Reach {
        own: PhysRange {
            start: 0x60_0000,
            end: 0x64_0000,
        },
        bounce: PhysRange { start: 0, end: 0 },
        limit: 1 << 47,
        list_limit: 1 << 32,
    };

    fn mmio(addr: u64, stride: u8, width: u8) -> Console {
        Console::Mmio {
            addr,
            stride,
            width,
            divisor: None,
        }
    }

    #[test]
    fn every_stride_accepts_widths_up_to_it() {
        for stride in [1, 2, 4, 8, 16] {
            for width in [8, 16, 32] {
                let fits = stride * 8 >= width;
                let raw = raw(&[mmio(0xfe00_0000, stride, width)], &BLOB);
                assert_eq!(raw.is_ok(), fits, "stride {stride} width {width}");
            }
        }
    }

    #[test]
    fn invalid_consoles_are_refused() {
        let log = |addr, size| Console::RamLog { addr, size };
        for (console, why) in [
            (mmio(0xfe00_0000, 3, 8), "stride 3 and width 8"),
            (mmio(0xfe00_0000, 4, 64), "width 64"),
            (mmio(0xfe00_0002, 4, 32), "cannot be accessed"),
            (mmio(0, 1, 8), "cannot be accessed"),
            (mmio(u64::MAX - 7, 1, 8), "128 TiB"),
            (mmio((1 << 47) - 0x40, 16, 8), "128 TiB"),
            (mmio(0x63_fff8, 1, 8), "inside the handoff"),
            (Console::Pl011 { addr: 0x900_0002 }, "multiple of 4"),
            (Console::Pl011 { addr: 0 }, "multiple of 4"),
            (Console::Pl011 { addr: 0x63_0000 }, "inside the handoff"),
            (log(0x63_0000, 0x1000), "inside the handoff"),
            (log(0x70_0800, 0x1000), "page aligned"),
            (log(0, 0x1000), "page aligned"),
            (log(0x70_0000, 0), "whole pages"),
            (log(0x70_0000, 0x1800), "whole pages"),
            (log(0x70_0000, 0x20_0000), "whole pages"),
            (log(u64::MAX - 0xfff, 0x1000), "128 TiB"),
        ] {
            let error = raw(&[console], &BLOB).unwrap_err();
            assert!(error.contains(why), "{console:x?}: {error}");
        }
        let error = raw(&[Console::Debugcon { port: 0xe9 }; 5], &BLOB).unwrap_err();
        assert!(error.contains("5 consoles"), "{error}");
    }

    #[test]
    fn entries_have_the_documented_layout() {
        let consoles = [Console::Mmio {
            addr: 0x12_3456_7890,
            stride: 16,
            width: 32,
            divisor: Some(12),
        }];
        let [first, unused @ ..] = raw(&consoles, &BLOB).unwrap();
        let expected = SinkRaw {
            kind: abi::CONSOLE_MMIO,
            addr: 0x12_3456_7890,
            divisor: 12,
            stride: 16,
            width: 32,
            ..SinkRaw::NONE
        };
        assert_eq!(first.as_bytes(), expected.as_bytes());
        assert_eq!(first.as_bytes()[16..], [0, 0, 12, 0, 16, 32, 0, 0]);
        assert!(unused.as_bytes().iter().all(|byte| *byte == 0));
    }
}
