//! Linux: oopses, BUGs, traps, early exceptions, lockups and panics of all eras.
//!
//! One of [`HEADS`], registers, code, calls, and in most cases a panic at the end.

use super::calls::{call, place};
use super::fields::{FieldName, FieldReader, Register};
use super::linux_arch::KernelOops;
use super::open::{self, OpenDump, Taken};
use super::{DumpReader, MAX_CALLS, MAX_CODE, MAX_NOISE, ReadDump, after, code_bytes, hex, quote};
use crate::arch::Architecture;
use crate::decode::found::DumpSource;
use crate::decode::log_line::{LINUX_PANIC, LineLabel, LogLine};
use crate::decode::text_set::TextSet;
use handoff::abi::has_error_code;
use handoff::dump::Mode;
use handoff::dump::read::Dump;
use std::sync::LazyLock;

/// Registers besides those of [`super::fields::GENERAL`].
const NAMES: &[FieldName] = &[
    ("RSP", &[16], Register::Stack),
    ("R08", &[16], Register::Gpr(8)),
    ("R09", &[16], Register::Gpr(9)),
    ("ESP", &[8], Register::Stack),
    ("EFLAGS", &[8, 16], Register::Flags),
    ("CS", &[4], Register::Selector(0)),
    ("DS", &[4], Register::Selector(1)),
    ("ES", &[4], Register::Selector(2)),
    ("FS", &[4], Register::Selector(3)),
    ("GS", &[4], Register::Selector(4)),
    ("SS", &[4], Register::Selector(5)),
];

/// First lines of dumps, with the vector that they tell. Specific ones first.
const HEADS: [(&str, Option<u8>); 17] = [
    ("PANIC: early exception", None),
    ("PANIC: double fault", Some(8)),
    ("BUG: unable to handle", Some(14)),
    ("BUG: kernel NULL pointer dereference", Some(14)),
    ("BUG: Int ", None),
    ("Unable to handle kernel", Some(14)),
    ("kernel BUG at", Some(6)),
    ("Oops:", None),
    ("BUG: soft lockup", None),
    ("Watchdog detected hard LOCKUP", None),
    ("self-detected stall", None),
    ("stack guard page was hit", Some(8)),
    // arm64
    ("Internal error: ", None),
    ("SError Interrupt on CPU", None),
    ("Unhandled 64-bit ", None),
    ("Bad mode in ", None),
    ("Insufficient stack space to handle exception", None),
];

/// Texts of Linux's trap handlers, in front of `: 0000 [#1]`.
const TRAPS: [(&str, u8); 14] = [
    ("general protection fault", 13),
    ("invalid opcode", 6),
    ("divide error", 0),
    ("double fault", 8),
    ("stack segment", 12),
    ("segment not present", 11),
    ("invalid TSS", 10),
    ("int3", 3),
    ("alignment check", 17),
    ("device not available", 7),
    ("bounds", 5),
    ("overflow", 4),
    ("control protection", 21),
    ("coprocessor", 16),
];

/// Ends a dump: what another program or another boot prints.
const OTHERS: [&str; 4] = [
    "Linux version ",
    "Xen version ",
    "[handoff] mbtool",
    "----[ Xen-",
];

/// Reads Linux's oopses and panics.
#[derive(Debug, Default)]
pub(super) struct LinuxOopsReader {
    open: Option<Box<Open>>,
    /// Lines to skip after a warning, which has registers as well.
    warning: usize,
    /// The kernel that prints.
    kernel: Architecture,
}

#[derive(Debug)]
struct Open {
    found: ReadDump<Dump>,
    /// The kernel that prints.
    kernel: Architecture,
    /// Its registers, if it is not of x86.
    other: Option<Box<KernelOops>>,
    fields: FieldReader,
    noise: usize,
    calls: bool,
    /// Registers of user space follow, which did not cause anything.
    skip: bool,
    /// The registers of the first `RIP:` are complete.
    complete: bool,
}

impl DumpReader for LinuxOopsReader {
    fn line(&mut self, line: &LogLine<'_>) -> Vec<ReadDump> {
        let text = line.body;
        let mut ended = Vec::new();
        if line.label == Some(LineLabel::Guest) {
            return ended;
        }
        let may_be_known = KNOWN.may_be_in(text);
        if may_be_known && OTHERS.iter().any(|other| text.contains(other)) {
            self.warning = 0;
            let ended = self.finish();
            self.kernel = KernelOops::of_version(text);
            return ended;
        }
        if let Some(kernel) = KernelOops::of_boot(text) {
            self.kernel = kernel;
        }
        if text.starts_with("WARNING: ") && text.contains(" at ") {
            ended.extend(self.finish());
            self.warning = MAX_NOISE;
            return ended;
        }
        let head = if may_be_known { head(text) } else { None };
        if self.warning > 0 && head.is_none() {
            self.warning = if text.contains("---[ end trace") {
                0
            } else {
                self.warning - 1
            };
            return ended;
        }
        self.warning = 0;
        if let Some(vector) = head {
            // further lines about the same fault
            let goes_on = self.open.as_ref().is_some_and(|open| {
                !open.complete
                    && open.found.dump.rip.is_none()
                    && open.found.details.at.is_none()
                    && open.other.as_ref().is_none_or(|other| !other.is_complete())
                    || text.contains(LINUX_PANIC)
            });
            if !goes_on {
                ended.extend(self.finish());
            }
            let open = self
                .open
                .get_or_insert_with(|| Box::new(Open::new(line.number, self.kernel)));
            open.head(text, vector);
            return ended;
        }
        ended.extend(open::add(&mut self.open, line));
        ended
    }

    fn finish(&mut self) -> Vec<ReadDump> {
        open::end(&mut self.open)
    }

    fn is_open(&self) -> bool {
        self.open.is_some()
    }
}

/// Parts of first lines, and of lines of other programs' dumps.
static KNOWN: LazyLock<TextSet> = LazyLock::new(|| {
    let heads = HEADS.iter().map(|(head, _)| *head);
    TextSet::new(heads.chain(OTHERS).chain(["[#", LINUX_PANIC]))
});

/// The vector that a first line tells; `None` if it is none.
#[expect(clippy::option_option, reason = "a head without a vector")]
fn head(text: &str) -> Option<Option<u8>> {
    if let Some(at) = text.find("[#")
        && text[at + 2..].starts_with(|c: char| c.is_ascii_digit())
    {
        let trap = TRAPS.iter().find(|(name, _)| text.contains(name));
        if let Some((_, vector)) = trap {
            return Some(Some(*vector));
        }
        let other = || text.starts_with("Internal error: ").then_some(None);
        return text.contains("Oops").then_some(Some(14)).or_else(other);
    }
    if text.starts_with(LINUX_PANIC) {
        return Some(None);
    }
    // a program that quotes one, and its own last line
    if text.contains(LINUX_PANIC) {
        return None;
    }
    let (_, vector) = HEADS.iter().find(|(head, _)| text.contains(head))?;
    Some(*vector)
}

impl OpenDump for Open {
    fn take(&mut self, line: &LogLine<'_>) -> Taken {
        let text = line.body;
        if let Some(kernel) = KernelOops::begins(text)
            && kernel != self.kernel
            && !self.has_registers()
        {
            self.other = KernelOops::of(kernel).map(Box::new);
            self.kernel = kernel;
            let heads = self.found.details.message.clone();
            heads.iter().for_each(|text| self.head_of_other(text));
        }
        if let Some(offset) = after(text, "Kernel Offset: ") {
            self.found.details.slide = Some(
                hex(offset)
                    .filter(|_| offset.starts_with("0x"))
                    .unwrap_or(0),
            );
            return Taken::Last;
        }
        if text.contains("---[ end Kernel panic") || text.starts_with("Rebooting in ") {
            return Taken::Last;
        }
        if text.contains("---[ end trace") {
            self.complete = true;
            return Taken::Yes;
        }
        if text.starts_with("Call Trace") || text.starts_with("Call trace") || text == "Backtrace:"
        {
            self.calls = true;
            return Taken::Yes;
        }
        if let Some(rest) = ["RIP:", "EIP:", "EIP is at "]
            .iter()
            .find_map(|ip| text.strip_prefix(ip))
        {
            self.ip(rest);
            return Taken::Yes;
        }
        if self.calls
            && let Some(call) = call(text)
        {
            if self.found.details.calls.len() < MAX_CALLS {
                self.found.details.calls.push(call);
            }
            return Taken::Yes;
        }
        let process = text.contains("omm: ") && (text.contains("PID: ") || text.contains("Pid: "));
        if process && self.found.details.context.len() < 2 {
            self.found.details.context.push(quote(text));
            return Taken::Yes;
        }
        if text.starts_with("#PF: ") {
            if let Some(code) = after(text, "error_code(") {
                self.found.dump.error = hex(code).map(Some);
            }
            self.found.say(text);
            return Taken::Yes;
        }
        if self.skip || self.complete {
            return Taken::No;
        }
        if let Some(other) = &mut self.other {
            if !other.take(text) {
                return Taken::No;
            }
            // calls follow with or without a title
            self.calls |= other.is_complete();
            return Taken::Yes;
        }
        if let Some(code) = text.strip_prefix("Code:") {
            if let Some((before, code)) = code_bytes(code) {
                let start = before.len().saturating_sub(MAX_CODE);
                self.found.details.before = before[start..].to_vec();
                self.found.dump.code = Some(code);
            }
            return Taken::Yes;
        }
        let count = self
            .fields
            .take(&mut self.found.dump, NAMES, text, line.begins());
        if count > 0 { Taken::Yes } else { Taken::No }
    }

    fn noise(&mut self) -> &mut usize {
        &mut self.noise
    }

    fn end(mut self) -> Option<ReadDump> {
        // without registers too nothing in it is of x86
        if let Some(other) = self.other.take().filter(|_| !self.has_registers()) {
            return other.end((self.found.line, self.found.details));
        }
        let mut found = self.found;
        let dump = &mut found.dump;
        if dump.mode.is_none() {
            let short = dump.gpr[0].is_some() && dump.gpr[8..].iter().all(Option::is_none);
            dump.mode = Some(if short { Mode::Protected } else { Mode::Long });
        }
        match dump.vector {
            Some(vector) if !has_error_code(vector.into()) => dump.error = Some(None),
            None => dump.error = None,
            Some(_) => {}
        }
        let any = dump.rip.is_some() || found.details.at.is_some();
        (any || !found.details.calls.is_empty() || dump.gpr.iter().any(Option::is_some))
            .then(|| found.rate().read())
    }
}

impl Open {
    fn new(line: usize, kernel: Architecture) -> Self {
        Self {
            found: ReadDump::new(DumpSource::LinuxOops, line),
            kernel,
            other: KernelOops::of(kernel).map(Box::new),
            fields: FieldReader::default(),
            noise: 0,
            calls: false,
            skip: false,
            complete: false,
        }
    }

    /// True if registers of x86 were read.
    fn has_registers(&self) -> bool {
        let dump = &self.found.dump;
        dump.rip.is_some() || dump.gpr.iter().any(Option::is_some)
    }

    fn head_of_other(&mut self, text: &str) {
        if let Some(other) = &mut self.other {
            other.head(text);
        }
    }

    fn head(&mut self, text: &str, vector: Option<u8>) {
        self.noise = 0;
        self.head_of_other(text);
        let dump = &mut self.found.dump;
        dump.vector = dump.vector.or(vector);
        // Oops: 0002 [#1]; invalid opcode: 0000 [#1]
        if let Some((code, _)) = text.split_once(" [#")
            && let Some((_, code)) = code.rsplit_once(": ")
            && code.len() == 4
        {
            dump.error = u64::from_str_radix(code, 16).ok().map(Some);
        }
        if let Some(rest) = after(text, "PANIC: early exception ") {
            self.early(rest);
        }
        // BUG: Int 14: CR2 c0000000
        if let Some(rest) = after(text, "BUG: Int ") {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            self.found.dump.vector = rest[..digits].parse().ok();
            self.found.dump.cr[1] = after(rest, "CR2 ").and_then(hex);
        }
        if let Some(code) = after(text, "error_code: ") {
            self.found.dump.error = hex(code).map(Some);
        }
        self.found.say(text);
    }

    /// `0x0e IP 10:ffffffff81000000 error 0 cr2 0x10`; older: `0e rip 10:ffffffff80ba7531 error 0
    /// cr2 f06f53`, `rip ffffffff8023429f error 0 cr2 0`.
    fn early(&mut self, text: &str) {
        let dump = &mut self.found.dump;
        let first = text.split(' ').next().unwrap_or("");
        dump.vector = hex(first)
            .filter(|_| !first.eq_ignore_ascii_case("rip"))
            .and_then(|vector| u8::try_from(vector).ok());
        let upper = text.to_ascii_lowercase();
        if let Some(rest) = after(&upper, "ip ") {
            let word = rest.split(' ').next().unwrap_or("");
            let (segment, address) = word.split_once(':').unwrap_or(("", word));
            dump.sel[0] = hex(segment).and_then(|value| u16::try_from(value).ok());
            dump.rip = hex(address).filter(|_| address.len() > 4);
        }
        dump.error = after(&upper, "error ").and_then(hex).map(Some);
        dump.cr[1] = after(&upper, "cr2 ").and_then(hex);
        dump.mode = Some(if dump.rip.is_some_and(|rip| rip >> 32 == 0) {
            Mode::Protected
        } else {
            Mode::Long
        });
    }

    /// `0010:FUNCTION+0x16/0x20`, `0010:[<ADDR>] [<ADDR>] FUNCTION+0x16/0x20`, `0010:0xADDR`; on 32
    /// bits `FUNCTION+0x16/0x20 EFLAGS: 00010246 CPU: 0`.
    fn ip(&mut self, text: &str) {
        let text = text.trim();
        let dump = &mut self.found.dump;
        if self.skip || self.found.details.at.is_some() || dump.gpr[0].is_some() {
            // the registers of the fault are complete: others follow
            self.complete = dump.gpr[0].is_some();
            if self.complete {
                return;
            }
        }
        let digits = text.bytes().take_while(u8::is_ascii_hexdigit).count();
        let (segment, rest) = match text.get(digits..) {
            Some(rest) if digits == 4 && rest.starts_with(':') => (hex(&text[..4]), &rest[1..]),
            _ => (None, text),
        };
        // a process's; a kernel under Xen has selectors above 0xe000
        self.skip = segment.is_some_and(|segment| segment & 3 == 3 && segment < 0xe000);
        if self.skip {
            return;
        }
        if let Some(segment) = segment {
            dump.sel[0] = u16::try_from(segment).ok();
        }
        if let Some(address) = after(rest, "[<").or_else(|| rest.strip_prefix("0x")) {
            dump.rip = hex(address).or(dump.rip);
        }
        let name = rest
            .split_ascii_whitespace()
            .find(|word| place(word).is_some());
        if let Some(name) = name {
            self.found.details.at = Some(quote(name));
        }
        if let Some(flags) = after(rest, "EFLAGS: ") {
            dump.rflags = hex(flags);
        }
    }
}
