//! EDK2: the exception handler of UEFI firmware.
//!
//! `!!!! X64 Exception Type - 0E(#PF - Page-Fault)  CPU Apic ID - 00000000 !!!!`, registers as
//! `NAME - VALUE`, and the image that rip is in.

use super::fields::{FieldName, FieldReader, Register};
use super::{DumpReader, ReadDump, after, hex, quote};
use crate::decode::found::DumpSource;
use crate::decode::log_line::LogLine;
use crate::decode::text_set::find;
use handoff::abi::has_error_code;
use handoff::dump::Mode;
use handoff::dump::read::Dump;

/// Registers besides those of [`super::fields::GENERAL`].
const NAMES: &[FieldName] = &[
    ("RSP", &[16], Register::Gpr(4)),
    ("R8", &[16], Register::Gpr(8)),
    ("R9", &[16], Register::Gpr(9)),
    ("ESP", &[8], Register::Gpr(4)),
    ("RIP", &[16], Register::Ip),
    ("EIP", &[8], Register::Ip),
    ("RFLAGS", &[16], Register::Flags),
    ("EFLAGS", &[8], Register::Flags),
    ("DR6", &[8, 16], Register::Dr6),
    ("CS", &[8, 16], Register::Selector(0)),
    ("DS", &[8, 16], Register::Selector(1)),
    ("ES", &[8, 16], Register::Selector(2)),
    ("FS", &[8, 16], Register::Selector(3)),
    ("GS", &[8, 16], Register::Selector(4)),
    ("SS", &[8, 16], Register::Selector(5)),
    ("ExceptionData", &[8, 16], Register::Error),
];

const HEAD: &str = " Exception Type - ";
/// Lines after the head, the last one included.
const MAX_LINES: usize = 40;

/// Reads dumps of EDK2.
#[derive(Debug, Default)]
pub(super) struct Edk2DumpReader {
    open: Option<Box<(ReadDump<Dump>, FieldReader, usize)>>,
}

impl DumpReader for Edk2DumpReader {
    fn line(&mut self, line: &LogLine<'_>) -> Vec<ReadDump> {
        let mut ended = Vec::new();
        let text = line.body;
        let marked = find(text, "!!!!").is_some();
        if marked && let Some(kind) = after(text, HEAD) {
            ended.extend(self.finish());
            let mut found = ReadDump::<Dump>::new(DumpSource::Edk2, line.number);
            found.dump.vector = hex(kind).and_then(|vector| u8::try_from(vector).ok());
            found.dump.mode = Some(if text.contains("IA32") {
                Mode::Protected
            } else {
                Mode::Long
            });
            found.say(text.trim_matches(['!', ' ']));
            self.open = Some(Box::new((found, FieldReader::default(), 0)));
            return ended;
        }
        let Some(open) = &mut self.open else {
            return ended;
        };
        let (found, fields, lines) = &mut **open;
        *lines += 1;
        if marked {
            found
                .details
                .context
                .push(quote(text.trim_matches(['!', ' '])));
            found.details.at = image(text);
            ended.extend(self.finish());
        } else {
            fields.take(&mut found.dump, NAMES, text, line.begins());
            if *lines >= MAX_LINES {
                ended.extend(self.finish());
            }
        }
        ended
    }

    fn finish(&mut self) -> Vec<ReadDump> {
        let Some(open) = self.open.take() else {
            return Vec::new();
        };
        let (mut found, ..) = *open;
        if let Some(vector) = found.dump.vector
            && !has_error_code(vector.into())
        {
            found.dump.error = Some(None);
        }
        vec![found.rate().read()]
    }

    fn is_open(&self) -> bool {
        self.open.is_some()
    }
}

/// Name and offset of `Find image based on IP(0x7E5F9A5D) /a/CpuDxe.dll (ImageBase=000000007E5F8000,
/// EntryPoint=...)`.
fn image(text: &str) -> Option<String> {
    let ip = after(text, "IP(").and_then(hex)?;
    let base = after(text, "ImageBase=").and_then(hex)?;
    let path = after(text, ") ")?.split(" (ImageBase").next()?;
    let name = path.rsplit(['/', '\\']).next()?;
    Some(quote(&format!("{name}+{:#x}", ip.checked_sub(base)?)))
}
