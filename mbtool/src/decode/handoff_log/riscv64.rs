//! The state at entry that a handoff for riscv64 prints.

use super::{hex, pairs};

/// What a handoff for riscv64 prints about its entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RiscvEntryText {
    /// Number of the hart.
    pub hart: Option<u64>,
    /// Number of the SBI implementation.
    pub sbi: Option<u64>,
    /// `satp`, `sstatus`, `stvec` and `sie`, as far as printed.
    pub registers: [Option<u64>; ENTRY_REGISTERS.len()],
    /// The value of `satp` for the handoff's own tables, if the CPU did not take it.
    pub refused_satp: Option<u64>,
}

/// Names of [`RiscvEntryText::registers`].
pub const ENTRY_REGISTERS: [&str; 4] = ["satp", "sstatus", "stvec", "sie"];

impl RiscvEntryText {
    /// A register by its name.
    #[must_use]
    pub fn register(&self, name: &str) -> Option<u64> {
        let index = ENTRY_REGISTERS.iter().position(|known| *known == name)?;
        self.registers[index]
    }

    /// Parses the rest of the banner; `None` if it is of another architecture.
    pub(super) fn banner(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once(" on hart ")?;
        let number = |text: &str| text.split([',', ' ']).next()?.parse().ok();
        Some(Self {
            hart: number(rest),
            sbi: rest
                .split_once(" implementation ")
                .and_then(|(_, rest)| number(rest)),
            ..Self::default()
        })
    }

    /// Parses the rest of the line `entry`.
    pub(super) fn take(&mut self, text: &str) {
        for (name, value) in pairs(text) {
            let index = ENTRY_REGISTERS.iter().position(|known| *known == name);
            if let Some(index) = index {
                self.registers[index] = value;
            }
        }
    }

    /// Parses the rest of the line `page tables`.
    pub(super) fn refused(&mut self, text: &str) {
        if let Some((_, value)) = text.split_once("not take satp ") {
            self.refused_satp = hex(value.trim_end_matches(": translation stays off"));
        }
    }
}
