//! Text output of `plan`.

use super::{FixupReport, PlanReport};
use crate::plan::boot::DecodedInfo;
use crate::plan::hex::Hex;
use std::fmt;

/// Formats the table: addresses of all segments, and the steps before the jump.
impl fmt::Display for PlanReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let image = &self.image;
        let kind = match &image.xen {
            Some(xen) => format!(
                "Xen {}",
                xen.version.as_deref().unwrap_or("(version unknown)")
            ),
            None => image.kind.to_owned(),
        };
        writeln!(f, "image    {} ({kind})", image.name)?;
        writeln!(
            f,
            "         base {}, linked for {}, entry {}",
            image.base, image.link_base, image.entry
        )?;
        writeln!(
            f,
            "enter    handoff at {} -> {} at {}",
            self.entry,
            self.exit.mode,
            Hex(self.exit.registers.entry())
        )?;
        writeln!(f)?;
        let width = self
            .segments
            .iter()
            .map(|s| s.name.len())
            .max()
            .unwrap_or(0)
            .max(7);
        writeln!(
            f,
            "{:<width$}  {:>10} {:>10} {:>10} {:>10}  crc32",
            "segment", "start", "end", "memory", "data"
        )?;
        for s in &self.segments {
            let (start, end) = (s.dest.0, s.dest.0 + s.memsz);
            write!(
                f,
                "{:<width$}  {start:>#10x} {end:>#10x} {:>10} {:>10}",
                s.name, s.memsz, s.bufsz
            )?;
            match s.bufsz {
                0 if self.xen.is_some() => writeln!(f, "  only mapped")?,
                0 => writeln!(f, "  kept free")?,
                _ => writeln!(f, "  {:08x}", s.crc32.0)?,
            }
        }
        writeln!(
            f,
            "\nthe kernel gets {} segments",
            self.kernel_segments.len()
        )?;
        if let Some(xen) = &self.xen {
            let safe: u64 = xen.safe().map(|run| run.len()).sum();
            write!(
                f,
                "loaded by Xen {}: {} MiB in {} ranges are safe destinations outside of its free heap",
                xen.version,
                safe >> 20,
                xen.safe.len()
            )?;
            match xen.heap_free {
                Some(free) => writeln!(f, ", {} MiB are", free >> 20)?,
                None => writeln!(f)?,
            }
        }
        if let Some(low) = &self.xen_low_memory {
            match (&low.trampoline, &low.fix) {
                (Some(at), None) => {
                    writeln!(
                        f,
                        "low memory is unchanged: xen's trampoline goes to {}-{}",
                        at.start, at.end
                    )?;
                }
                (Some(at), Some(fix)) => writeln!(
                    f,
                    "low memory gets an EBDA at {} ({} KiB below it): xen's trampoline goes to {}-{}",
                    fix.ebda, fix.base_kib, at.start, at.end
                )?,
                (None, _) => writeln!(f, "low memory is unchanged: the BIOS data area is unknown")?,
            }
        }
        if let DecodedInfo::DeviceTree(chosen) = &self.boot {
            write!(f, "{chosen}")?;
        }
        for moved in &self.moves {
            writeln!(
                f,
                "  move {} from {} to {} ({} bytes)",
                moved.name, moved.from, moved.to, moved.len
            )?;
        }
        for range in &self.clear {
            writeln!(f, "  clear {}-{}", range.start, range.end)?;
        }
        for fixup in &self.fixups {
            match fixup {
                FixupReport::Store16 { addr, value } => {
                    writeln!(f, "  store {value} at {addr} (16 bits)")?
                }
                FixupReport::CopyRsdp { from, to, len, on } => {
                    let when = match on {
                        Some("boot-cpu") => ", if the handoff runs on the boot CPU",
                        Some(_) => ", if the handoff runs on another CPU",
                        None => "",
                    };
                    writeln!(
                        f,
                        "  copy the ACPI RSDP from {from} to {to} ({len} bytes){when}"
                    )?
                }
                FixupReport::Zero { addr, len } => writeln!(f, "  zero {len} bytes at {addr}")?,
            }
        }
        Ok(())
    }
}
