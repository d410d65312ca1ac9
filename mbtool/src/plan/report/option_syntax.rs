//! Option values in command-line syntax.

use handoff::spec::{Console, Drill, OnFault, Verify};

/// Formats `consoles` in the syntax of `--console`.
#[must_use]
pub fn consoles_text(consoles: &[Console]) -> String {
    if consoles.is_empty() {
        return "none".to_owned();
    }
    let each: Vec<String> = consoles.iter().map(console_text).collect();
    each.join("+")
}

/// Formats `console` in the syntax of `--console`.
#[must_use]
pub fn console_text(console: &Console) -> String {
    let baud = |divisor: Option<u16>| {
        let divisor = divisor.filter(|divisor| *divisor != 0)?;
        Some(115_200 / u32::from(divisor))
    };
    match *console {
        Console::Pio { port, divisor } => match baud(divisor) {
            None => format!("pio:{port:#x}"),
            Some(baud) => format!("pio:{port:#x},{baud}"),
        },
        Console::Mmio {
            addr,
            stride,
            width,
            divisor,
        } => {
            let baud = baud(divisor).map_or_else(String::new, |baud| format!(",baud={baud}"));
            format!("mmio:{addr:#x},stride={stride},width={width}{baud}")
        }
        Console::Debugcon { port } => format!("debugcon:{port:#x}"),
        Console::Firmware => "sbi".to_owned(),
        Console::Pl011 { addr } => format!("pl011:{addr:#x}"),
        Console::RamLog { addr, size } => format!("ramlog:{addr:#x},size={size:#x}"),
    }
}

/// Formats `on_fault` in the syntax of `--on-fault`.
#[must_use]
pub const fn on_fault_text(on_fault: OnFault) -> &'static str {
    match on_fault {
        OnFault::Halt => "halt",
        OnFault::Reset => "reset",
    }
}

/// Formats `verify` in the syntax of `--verify`.
#[must_use]
pub const fn verify_text(verify: Verify) -> &'static str {
    match verify {
        Verify::None => "none",
        Verify::Crc32 => "crc32",
        Verify::Sha256 => "sha256",
    }
}

/// Returns the name of `drill` in the report.
#[must_use]
pub const fn drill_text(drill: Drill) -> &'static str {
    match drill {
        Drill::Off => "off",
        Drill::FaultLong => "fault-long",
        Drill::FaultProtected => "fault-protected",
        Drill::Call(_) => "call",
    }
}
