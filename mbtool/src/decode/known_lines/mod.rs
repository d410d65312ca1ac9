//! Messages of boots that fail, each with its meaning and what to try.
//!
//! `xen`, `linux` (with those of ARM beside them) and `handoff` are the tables. All first texts are searched at once, so that a line is
//! read once whatever their number.

mod handoff;
mod linux;
mod linux_arm;
mod xen;
mod xen_arm;

use super::log_line::{LINUX_PANIC, LineLabel, LogLine};
use crate::arch::Architecture;
use aho_corasick::AhoCorasick;
use serde::Serialize;
use std::sync::LazyLock;

/// Program that prints a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    /// Xen.
    Xen,
    /// Linux, or a program of its initrd.
    Linux,
    /// mbtool's handoff.
    Handoff,
}

impl Speaker {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Xen => "Xen",
            Self::Linux => "Linux",
            Self::Handoff => "the handoff",
        }
    }
}

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownLine {
    /// Name in JSON.
    pub name: &'static str,
    /// Texts that are on the line, in this order.
    pub texts: &'static [&'static str],
    /// The boot ends here.
    pub fatal: bool,
    /// A program of the initrd, or init, can print it: after other programs have printed.
    pub by_program: bool,
    /// The first text is at the start of the line.
    pub at_start: bool,
    /// Cause.
    pub meaning: &'static str,
    /// Advice.
    pub advice: &'static str,
}

impl KnownLine {
    /// True if a program prints this line.
    #[must_use]
    pub fn is_of_program(&self, line: &str) -> bool {
        self.by_program && !line.starts_with(LINUX_PANIC)
    }

    /// For a message of a program of the initrd, or of init.
    const fn of_program(self) -> Self {
        Self {
            by_program: true,
            ..self
        }
    }

    /// For a message of a program that stands at the start of its line: a prompt.
    const fn prompt(self) -> Self {
        Self {
            at_start: true,
            ..self.of_program()
        }
    }
}

/// Entry of a table whose boot ends.
const fn fatal(
    name: &'static str,
    texts: &'static [&'static str],
    meaning: &'static str,
    advice: &'static str,
) -> KnownLine {
    KnownLine {
        name,
        texts,
        fatal: true,
        by_program: false,
        at_start: false,
        meaning,
        advice,
    }
}

/// Entry of a table whose boot may go on.
const fn hint(
    name: &'static str,
    texts: &'static [&'static str],
    meaning: &'static str,
    advice: &'static str,
) -> KnownLine {
    KnownLine {
        fatal: false,
        ..fatal(name, texts, meaning, advice)
    }
}

/// All entries, Xen's first; specific ones before general ones.
pub(super) fn table() -> impl Iterator<Item = (Speaker, &'static KnownLine)> {
    let xen = xen_arm::LINES.iter().chain(xen::LINES);
    let linux = linux_arm::LINES.iter().chain(linux::LINES);
    let xen = xen.map(|line| (Speaker::Xen, line));
    xen.chain(linux.map(|line| (Speaker::Linux, line)))
}

static SEARCH: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::new(table().map(|(_, line)| line.texts[0])).ok());

/// Returns the message on a line. `xen`: a line without a label can be one of Xen.
#[must_use]
pub fn find(line: &LogLine<'_>, xen: bool) -> Option<(Speaker, &'static KnownLine)> {
    let text = line.body;
    let can_say = |speaker: Speaker| match (line.label, speaker) {
        (_, Speaker::Handoff) => false,
        (Some(LineLabel::Guest), _) | (Some(LineLabel::Xen), Speaker::Linux) => false,
        (Some(LineLabel::Xen), Speaker::Xen) | (None, Speaker::Linux) => true,
        // a missing label
        (None, Speaker::Xen) => xen && !line.stamped && !text.contains("Kernel panic"),
    };
    // what is written about messages: this program's own output
    if ["[handoff]", "mbtool:", "+ "]
        .iter()
        .any(|own| text.starts_with(own))
    {
        return None;
    }
    // a text that a line repeats is looked at once
    let mut looked_at = [false; MAX_ENTRIES];
    let mut best: Option<(usize, (Speaker, &KnownLine))> = None;
    for found in SEARCH.as_ref()?.find_overlapping_iter(text) {
        let index = found.pattern().as_usize();
        if std::mem::replace(&mut looked_at[index], true) || best.is_some_and(|(at, _)| at < index)
        {
            continue;
        }
        if let Some((speaker, known)) = table().nth(index)
            && can_say(speaker)
            && in_order(text, known.texts)
            && (!known.at_start || text.starts_with(known.texts[0]))
        {
            best = Some((index, (speaker, known)));
        }
    }
    let (_, found) = best?;
    // a program that quotes a panic, and the panic's own last line
    let quoted = text.find(LINUX_PANIC).is_some_and(|at| at > 0);
    (!quoted).then_some(found)
}

/// Returns the message in a text of a handoff, without its prefix; on x86 its dumps and its last lines tell the same.
#[must_use]
pub fn find_handoff(text: &str, architecture: Architecture) -> Option<&'static KnownLine> {
    let own: &[KnownLine] = match architecture {
        Architecture::Riscv64 => handoff::RISCV64,
        Architecture::Arm64 => handoff::ARM64,
        Architecture::Arm => &[],
        Architecture::X86_64 => return None,
    };
    let mut lines = own.iter().chain(handoff::LINES);
    lines.find(|known| text.starts_with(known.texts[0]) && in_order(text, known.texts))
}

/// Capacity for entries.
const MAX_ENTRIES: usize = 256;
const _: () = {
    let arm = xen_arm::LINES.len() + linux_arm::LINES.len();
    assert!(xen::LINES.len() + linux::LINES.len() + arm <= MAX_ENTRIES);
};

fn in_order(text: &str, texts: &[&str]) -> bool {
    let mut rest = text;
    texts.iter().all(|wanted| match rest.find(wanted) {
        Some(at) => {
            rest = &rest[at + wanted.len()..];
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests;
