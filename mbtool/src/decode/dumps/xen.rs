//! Xen: fatal traps, BUGs, assertions, early faults, crashes of guests.
//!
//! `----[ Xen-4.20  x86_64 ... ]----`, registers, code, stack, calls, and in most cases the panic's
//! text between two lines of asterisks.

use super::calls::call;
use super::fields::{FieldName, FieldReader, Register};
use super::open::{self, OpenDump, Taken};
use super::xen_arm64::XenArm64Open;
use super::{
    DumpReader, MAX_CALLS, MAX_CODE, MAX_QUOTE, MAX_STACK, ReadDump, after, code_bytes, hex, quote,
};
use crate::decode::found::DumpSource;
use crate::decode::log_line::{LineLabel, LogLine};
use crate::decode::text_set::TextSet;
use handoff::abi::has_error_code;
use handoff::arch::arm64::dump::read::Arm64Dump;
use handoff::dump::Mode;
use handoff::dump::read::Dump;
use std::sync::LazyLock;

/// Registers besides those of [`super::fields::GENERAL`].
const NAMES: &[FieldName] = &[
    ("rsp", &[16], Register::Gpr(4)),
    ("r8", &[16], Register::Gpr(8)),
    ("r9", &[16], Register::Gpr(9)),
    ("esp", &[8], Register::Gpr(4)),
    ("rflags", &[16], Register::Flags),
    ("eflags", &[8], Register::Flags),
    ("cs", &[4], Register::Selector(0)),
    ("ds", &[4], Register::Selector(1)),
    ("es", &[4], Register::Selector(2)),
    ("fs", &[4], Register::Selector(3)),
    ("gs", &[4], Register::Selector(4)),
    ("ss", &[4], Register::Selector(5)),
];

const HEAD: &str = "----[ Xen-";
/// Texts before the head, with the vector that they tell.
const CAUSES: [(&str, Option<u8>); 12] = [
    ("Xen BUG at", Some(6)),
    ("Assertion '", Some(6)),
    ("Early fatal page fault", Some(14)),
    ("domain_crash called", None),
    ("crashed on cpu", None),
    ("Unhandled", None),
    ("Fatal machine check", Some(18)),
    // arm64
    ("Unexpected Trap: ", None),
    ("Abort Trap. Syndrome=", None),
    ("Hypervisor Trap. HSR=", None),
    ("Walking Hypervisor VA ", None),
    (" handler detected", None),
];
/// Texts before the head of a dump that reports no fault: a warning, a debug key.
const HARMLESS: [&str; 4] = ["Xen WARN at", "Dumping CPU", "Dumping Dom", "WARN: "];
/// A cause is at most this many lines before the head.
const NEAR: usize = 12;

/// What the next lines are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Registers,
    Code,
    Stack,
    Calls,
    /// Between `Panic on CPU` and the last line of asterisks.
    Panic,
}

/// Parts of first lines and of causes.
static KNOWN: LazyLock<TextSet> = LazyLock::new(|| {
    let causes = CAUSES.iter().map(|(cause, _)| *cause);
    TextSet::new(causes.chain(HARMLESS).chain([HEAD]))
});

/// Reads Xen's dumps.
#[derive(Debug, Default)]
pub(super) struct XenDumpReader {
    open: Option<Box<Open>>,
    arm64: Option<Box<XenArm64Open>>,
    /// Latest texts that tell a cause.
    causes: Vec<(usize, String, Option<u8>)>,
    harmless: Option<usize>,
}

#[derive(Debug)]
struct Open {
    found: ReadDump<Dump>,
    fields: FieldReader,
    part: Part,
    noise: usize,
    panic_lines: usize,
    harmless: bool,
}

impl DumpReader for XenDumpReader {
    fn line(&mut self, line: &LogLine<'_>) -> Vec<ReadDump> {
        let mut ended = Vec::new();
        let text = line.body;
        if KNOWN.may_be_in(text) {
            if let Some(at) = text.find(HEAD) {
                ended.extend(self.finish());
                self.begin(line, &text[at..]);
                return ended;
            }
            self.note_cause(line);
        }
        if line.label == Some(LineLabel::Guest) || text.starts_with("[handoff]") {
            return ended;
        }
        ended.extend(open::add(&mut self.open, line));
        ended.extend(open::add(&mut self.arm64, line));
        ended
    }

    fn finish(&mut self) -> Vec<ReadDump> {
        let mut ended = open::end(&mut self.open);
        ended.extend(open::end(&mut self.arm64));
        ended
    }

    fn is_open(&self) -> bool {
        self.open.is_some() || self.arm64.is_some()
    }
}

impl XenDumpReader {
    fn note_cause(&mut self, line: &LogLine<'_>) {
        let text = line.body;
        if let Some((_, vector)) = CAUSES.iter().find(|(cause, _)| text.contains(cause)) {
            self.causes
                .retain(|(number, ..)| line.number.abs_diff(*number) < NEAR);
            if self.causes.len() < 4 {
                self.causes.push((line.number, quote(text), *vector));
            }
        }
        if HARMLESS.iter().any(|harmless| text.contains(harmless)) {
            self.harmless = Some(line.number);
        }
    }

    fn begin(&mut self, line: &LogLine<'_>, head: &str) {
        let head = head.trim_matches(['-', '[', ']', ' ']);
        let near = |number: &usize| line.number.abs_diff(*number) < NEAR;
        let harmless = self.harmless.take().as_ref().is_some_and(near);
        let causes: Vec<_> = self
            .causes
            .drain(..)
            .filter(|(number, ..)| near(number))
            .collect();
        match head.split_ascii_whitespace().nth(1) {
            Some("arm64") => {
                let mut found = ReadDump::<Arm64Dump>::new(DumpSource::Xen, line.number);
                found.details.context.push(quote(head));
                causes.iter().for_each(|(_, text, _)| found.say(text));
                self.arm64 = Some(Box::new(XenArm64Open::new(found, harmless)));
                return;
            }
            // no registers that are known
            Some("arm32") => return,
            _ => {}
        }
        let mut found = ReadDump::<Dump>::new(DumpSource::Xen, line.number);
        found.details.context.push(quote(head));
        found.dump.mode = Some(if head.contains("x86_32") {
            Mode::Protected
        } else {
            Mode::Long
        });
        for (_, text, vector) in causes {
            found.dump.vector = found.dump.vector.or(vector);
            take_words(&mut found, &text);
            found.say(&text);
        }
        self.open = Some(Box::new(Open {
            harmless,
            found,
            fields: FieldReader::default(),
            part: Part::default(),
            noise: 0,
            panic_lines: 0,
        }));
    }
}

impl OpenDump for Open {
    fn take(&mut self, line: &LogLine<'_>) -> Taken {
        let text = line.body;
        let stars = text.len() >= 8 && text.bytes().all(|byte| byte == b'*');
        if self.part == Part::Panic {
            self.panic_lines += 1;
            if stars || self.panic_lines > MAX_QUOTE {
                return Taken::Last;
            }
            take_words(&mut self.found, text);
            self.found.say(text);
            return Taken::Yes;
        }
        if text.starts_with("Panic on CPU") {
            self.part = Part::Panic;
            self.harmless = false;
            return Taken::Yes;
        }
        if stars {
            return Taken::Yes;
        }
        if let Some(rest) = text
            .strip_prefix("RIP:")
            .or_else(|| text.strip_prefix("EIP:"))
        {
            self.ip(rest);
            return Taken::Yes;
        }
        if let Some(cpu) = text.strip_prefix("CPU:") {
            self.found.note(&format!("CPU {}", quote(cpu)));
            return Taken::Yes;
        }
        if text.contains(" code around <") {
            self.part = Part::Code;
            return Taken::Yes;
        }
        if text.contains("stack trace from") {
            self.part = Part::Stack;
            return Taken::Yes;
        }
        if text.starts_with("Xen call trace") || text.starts_with("Guest call trace") {
            self.part = Part::Calls;
            return Taken::Yes;
        }
        if let Some(context) = after(text, "CONTEXT: ") {
            self.found.note(context);
        }
        match self.part {
            Part::Code if let Some((before, code)) = code_bytes(text) => {
                self.found.details.before = before.into_iter().take(MAX_CODE).collect();
                self.found.dump.code = Some(code);
                self.part = Part::Registers;
                Taken::Yes
            }
            Part::Stack if let Some(words) = self.stack_words(text) => {
                let stack = self.found.dump.stack.get_or_insert_default();
                let room = MAX_STACK - stack.len().min(MAX_STACK);
                stack.extend(words.into_iter().take(room));
                Taken::Yes
            }
            Part::Calls if let Some(call) = call(text) => {
                if self.found.details.calls.len() < MAX_CALLS {
                    self.found.details.calls.push(call);
                }
                Taken::Yes
            }
            _ => {
                let begins = line.begins();
                let count = self.fields.take(&mut self.found.dump, NAMES, text, begins);
                if count > 0 {
                    return Taken::Yes;
                }
                // the rest of what is known of a guest that crashed
                if text.starts_with("Pagetable walk") || text.starts_with("Faulting linear") {
                    if self.found.dump.more.len() < MAX_QUOTE {
                        self.found.dump.more.push(quote(text));
                    }
                    return Taken::Yes;
                }
                Taken::No
            }
        }
    }

    fn noise(&mut self) -> &mut usize {
        &mut self.noise
    }

    fn end(self) -> Option<ReadDump> {
        let mut found = self.found;
        let dump = &mut found.dump;
        if let Some(vector) = dump.vector
            && !has_error_code(vector.into())
        {
            dump.error = Some(None);
        }
        (!self.harmless && (dump.rip.is_some() || dump.gpr.iter().any(Option::is_some)))
            .then(|| found.rate().read())
    }
}

impl Open {
    /// `e008:[<ffff82d040216247>] clear_page_sse2+0x7/0x30`
    fn ip(&mut self, text: &str) {
        let text = text.trim();
        self.found.dump.sel[0] = hex(text).and_then(|value| u16::try_from(value).ok());
        if let Some(rest) = after(text, "[<") {
            self.found.dump.rip = hex(rest);
            let name = rest.split_once(">]").map_or("", |(_, name)| name.trim());
            let known = name.contains('+') && !name.is_empty();
            self.found.details.at = known.then(|| quote(name));
        }
    }

    /// A line that has words of the stack and nothing else.
    fn stack_words(&self, text: &str) -> Option<Vec<u64>> {
        let digits = if self.found.dump.mode == Some(Mode::Protected) {
            8
        } else {
            16
        };
        let word =
            |word: &str| (word.len() == digits).then(|| u64::from_str_radix(word, 16).ok())?;
        let words: Option<Vec<u64>> = text.split_ascii_whitespace().take(16).map(word).collect();
        words.filter(|words| !words.is_empty())
    }
}

/// Reads vector, error code and faulting address from a text.
fn take_words(found: &mut ReadDump<Dump>, text: &str) {
    let dump = &mut found.dump;
    // FATAL TRAP: vec 2, NMI[0000]; vector = 6 (invalid opcode); Unhandled: vec 14, #PF[0003];
    // fault/trap [#14, ec=0003]
    let number = ["vec ", "vector = ", "fault/trap [#", "trap [#", "fault [#"]
        .iter()
        .find_map(|mark| after(text, mark));
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    if let Some(vector) = number.and_then(|text| text[..digits(text)].parse().ok()) {
        dump.vector = Some(vector);
    }
    let named = [
        ("FATAL PAGE FAULT", 14),
        ("GENERAL PROTECTION FAULT", 13),
        ("DOUBLE FAULT", 8),
        ("CONTROL-FLOW PROTECTION FAULT", 21),
        ("Unhandled page fault", 14),
        ("FATAL MACHINE CHECK", 18),
    ];
    if let Some((_, vector)) = named.iter().find(|(name, _)| text.contains(name)) {
        dump.vector = Some(*vector);
    }
    let error = ["error_code=", "ec="]
        .iter()
        .find_map(|mark| after(text, mark));
    let bracket = |text: &str| {
        let end = text.find(']')?;
        text[..end]
            .rsplit_once('[')
            .and_then(|(_, code)| (code.len() == 4).then(|| u64::from_str_radix(code, 16).ok())?)
    };
    let error = error.and_then(hex).or_else(|| number.and_then(bracket));
    if let Some(error) = error.or_else(|| after(text, "#CP").and_then(bracket)) {
        dump.error = Some(Some(error));
    }
    let address = ["Faulting linear address: ", "cr2="]
        .iter()
        .find_map(|mark| after(text, mark));
    if let Some(address) = address.and_then(hex) {
        dump.cr[1] = Some(address);
    }
}
