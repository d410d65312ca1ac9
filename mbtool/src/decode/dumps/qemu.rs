//! QEMU: the log of `-d int,cpu_reset`, `info registers` in its monitor, and the state that it
//! prints when KVM cannot run the guest.
//!
//! A kernel handles many exceptions, so of those in the log only the ones before a triple fault are
//! reported, or the last one.

use super::fields::{FieldName, FieldReader, Register};
use super::{DumpReader, ReadDump, after, code_bytes, hex};
use crate::decode::found::{ChainLink, DumpSource};
use crate::decode::log_line::LogLine;
use handoff::abi::has_error_code;
use handoff::dump::Mode;
use handoff::dump::read::Dump;
use std::collections::VecDeque;

/// Registers besides those of [`super::fields::GENERAL`].
const NAMES: &[FieldName] = &[
    ("RSP", &[16], Register::Gpr(4)),
    ("R8", &[16], Register::Gpr(8)),
    ("R9", &[16], Register::Gpr(9)),
    ("ESP", &[8], Register::Gpr(4)),
    ("RIP", &[16], Register::Ip),
    ("EIP", &[8], Register::Ip),
    ("RFL", &[8], Register::Flags),
    ("EFL", &[8], Register::Flags),
    ("DR6", &[8, 16], Register::Dr6),
    ("EFER", &[8, 16], Register::Efer),
    ("CS", &[4], Register::Selector(0)),
    ("DS", &[4], Register::Selector(1)),
    ("ES", &[4], Register::Selector(2)),
    ("FS", &[4], Register::Selector(3)),
    ("GS", &[4], Register::Selector(4)),
    ("SS", &[4], Register::Selector(5)),
];

/// Exceptions kept: those of a triple fault, and a few before them.
const KEPT: usize = 8;
/// Lines without a register that end a state.
const MAX_GAP: usize = 3;
const TRIPLE: &str = "Triple fault";

/// Reason for printing the CPU's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// `v=06 e=0000 i=0 cpl=0 ...`: an exception of this number.
    Exception(u64),
    /// A hardware or software interrupt.
    Interrupt,
    /// `CPU Reset (CPU 0)`.
    Reset,
    /// `info registers`.
    Monitor,
    /// KVM failed.
    Kvm,
}

#[derive(Clone, Debug)]
struct State {
    found: ReadDump<Dump>,
    reason: Reason,
}

/// Reads the states that QEMU prints.
#[derive(Debug, Default)]
pub(super) struct QemuDumpReader {
    open: Option<State>,
    fields: FieldReader,
    gap: usize,
    exceptions: VecDeque<State>,
    /// A triple fault was reported since the last exception: the reset shows the same state.
    reported: bool,
}

impl DumpReader for QemuDumpReader {
    fn line(&mut self, line: &LogLine<'_>) -> Vec<ReadDump> {
        let text = line.body;
        if text.starts_with(TRIPLE) {
            let mut ended = self.close();
            ended.extend(self.triple(line.number));
            return ended;
        }
        if let Some(state) = begin(line) {
            let ended = self.close();
            self.open = Some(state);
            self.gap = 0;
            return ended;
        }
        if text.starts_with("RAX=") || text.starts_with("EAX=") {
            let again = self
                .open
                .as_ref()
                .is_none_or(|open| open.found.dump.gpr[0].is_some());
            if again {
                let ended = self.close();
                let found = ReadDump::<Dump>::new(DumpSource::Qemu, line.number);
                self.open = Some(State {
                    found,
                    reason: Reason::Monitor,
                });
                self.gap = 0;
                self.registers(line);
                return ended;
            }
        }
        if self.open.is_none() {
            return Vec::new();
        }
        if self.registers(line) {
            self.gap = 0;
            return Vec::new();
        }
        if let Some(open) = &mut self.open
            && let Some(code) = text.strip_prefix("Code=")
        {
            if let Some((before, code)) = code_bytes(code) {
                open.found.details.before = before;
                open.found.dump.code = Some(code);
            }
            return self.close();
        }
        self.gap += 1;
        if self.gap > MAX_GAP {
            self.close()
        } else {
            Vec::new()
        }
    }

    fn finish(&mut self) -> Vec<ReadDump> {
        let mut ended = self.close();
        // without a triple fault the last exception may be what a kernel hangs at
        if let Some(state) = self.exceptions.pop_back() {
            let mut found = state.found;
            found.say("the last exception of QEMU's log; no triple fault follows");
            ended.push(found.read());
        }
        self.exceptions.clear();
        ended
    }

    fn is_open(&self) -> bool {
        self.open.is_some()
    }
}

impl QemuDumpReader {
    /// Reads the registers of a line; false if it is no part of a state.
    fn registers(&mut self, line: &LogLine<'_>) -> bool {
        let text = line.body;
        let Some(open) = &mut self.open else {
            return false;
        };
        let count = self
            .fields
            .take(&mut open.found.dump, NAMES, text, line.begins());
        let details = &mut open.found.details;
        if text.starts_with("CS =") {
            open.found.dump.mode = Some(if text.contains("CS64") {
                Mode::Long
            } else {
                Mode::Protected
            });
            details.real_mode = text.contains("CS16");
        }
        if let Some(table) = text.strip_prefix("IDT=") {
            let mut words = table.split_ascii_whitespace().map_while(hex);
            details.idt = words.next().zip(words.next());
        }
        details.halted |= text.contains(" HLT=1");
        let other = [
            "GDT=",
            "IDT=",
            "LDT=",
            "TR =",
            "DR",
            "CCS=",
            "extra data",
            "emulation failure",
        ];
        count > 0 || text.is_empty() || other.iter().any(|name| text.starts_with(name))
    }

    /// Ends a state; returns it if it is to be reported whatever follows.
    fn close(&mut self) -> Vec<ReadDump> {
        self.gap = 0;
        let Some(mut state) = self.open.take() else {
            return Vec::new();
        };
        let dump = &state.found.dump;
        let complete = dump.rip.is_some() && dump.gpr[0].is_some();
        state.found = state.found.rate();
        match state.reason {
            _ if !complete => Vec::new(),
            Reason::Interrupt => Vec::new(),
            Reason::Exception(_) => {
                self.reported = false;
                if self.exceptions.len() == KEPT {
                    self.exceptions.pop_front();
                }
                self.exceptions.push_back(state);
                Vec::new()
            }
            // at power on, or what a triple fault has shown
            Reason::Reset if self.reported || state.found.is_power_on() => Vec::new(),
            Reason::Reset | Reason::Monitor | Reason::Kvm => vec![state.found.read()],
        }
    }

    /// Reports the first exception of those that led to a triple fault.
    fn triple(&mut self, line: usize) -> Option<ReadDump> {
        self.reported = true;
        let mut states: Vec<State> = self.exceptions.drain(..).collect();
        let last = states.pop()?;
        let mut chain = vec![last];
        while let (Some(before), Some(first)) = (states.pop(), chain.first()) {
            let numbers = (before.reason, first.reason);
            let next = matches!(numbers, (Reason::Exception(a), Reason::Exception(b)) if a.wrapping_add(1) == b);
            if !next || before.found.dump.rip != first.found.dump.rip {
                break;
            }
            chain.insert(0, before);
        }
        let links = chain.iter().filter_map(|state| {
            Some(ChainLink {
                vector: state.found.dump.vector?,
                error: state.found.dump.error.flatten().unwrap_or(0),
            })
        });
        let links = links.collect();
        let mut found = chain.into_iter().next()?.found;
        found.details.chain = links;
        found.say(&format!("{TRIPLE} (line {line})"));
        Some(found.read())
    }
}

impl ReadDump<Dump> {
    /// State of a CPU that has not run yet.
    fn is_power_on(&self) -> bool {
        matches!(self.dump.rip, Some(0 | 0xfff0)) && self.dump.gpr[4] == Some(0)
    }
}

/// The first line of a state.
fn begin(line: &LogLine<'_>) -> Option<State> {
    let text = line.body;
    let mut found = ReadDump::<Dump>::new(DumpSource::Qemu, line.number);
    let reason = if let Some((number, rest)) = text.split_once(": v=") {
        exception(&mut found, number, rest)?
    } else if text.starts_with("CPU Reset (CPU ") {
        found.say(text);
        Reason::Reset
    } else if text.strip_prefix("CPU#").is_some_and(is_number) {
        found.details.context.push(format!("CPU {}", &text[4..]));
        Reason::Monitor
    } else if [
        "KVM internal error. Suberror",
        "KVM: entry failed",
        "error: kvm run failed",
    ]
    .iter()
    .any(|head| text.starts_with(head))
    {
        found.source = DumpSource::Kvm;
        found.say(text);
        Reason::Kvm
    } else {
        return None;
    };
    Some(State { found, reason })
}

/// `2280: v=06 e=0000 i=0 cpl=0 IP=0008:0000000000101017 pc=...`
fn exception(found: &mut ReadDump<Dump>, number: &str, rest: &str) -> Option<Reason> {
    let number = number.trim().parse().ok()?;
    let vector = u8::try_from(hex(rest)?).ok()?;
    let error = after(rest, " e=").and_then(hex)?;
    let software = after(rest, " i=")?.starts_with('1');
    found.dump.vector = Some(vector);
    found.dump.error = Some(has_error_code(vector.into()).then_some(error));
    let hardware = vector >= 32 || software;
    Some(if hardware {
        Reason::Interrupt
    } else {
        Reason::Exception(number)
    })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() < 6 && text.bytes().all(|byte| byte.is_ascii_digit())
}
