//! The state at entry that a handoff for arm64 prints.

use super::{hex, pairs};
use handoff::arch::arm64::dump::read::Arm64Dump;
use handoff::arch::arm64::registers::REGIMES;

/// What a handoff for arm64 prints about its entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arm64EntryText {
    /// Exception level, as an index into [`REGIMES`].
    pub regime: Option<u32>,
    /// Address translation was on.
    pub translated: Option<bool>,
    /// Address at which the handoff was entered.
    pub entered_at: Option<u64>,
    /// `MPIDR_EL1`.
    pub mpidr: Option<u64>,
    /// How firmware is called.
    pub psci: Option<PsciText>,
    /// `SCTLR`, `HCR_EL2` (0 at EL1) and `VBAR`.
    pub control: [Option<u64>; CONTROL.len()],
    /// x0 to x30, then sp; 0 is not printed.
    pub gpr: Vec<(&'static str, u64)>,
    /// The handoff runs without page tables of its own.
    pub no_tables: bool,
}

/// Names of [`Arm64EntryText::control`].
pub const CONTROL: [&str; 3] = ["sctlr", "hcr", "vbar"];

/// How firmware is called (PSCI).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PsciText {
    /// Not at all.
    None,
    /// By `smc`.
    Smc,
    /// By `hvc`.
    Hvc,
}

impl Arm64EntryText {
    /// A register by its name.
    #[must_use]
    pub fn register(&self, name: &str) -> Option<u64> {
        let control = CONTROL.iter().position(|known| *known == name);
        if let Some(index) = control {
            return self.control[index];
        }
        let found = self.gpr.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| *value)
    }

    /// Parses the rest of the banner; `None` if it is of another architecture.
    pub(super) fn banner(text: &str) -> Option<Self> {
        let (entered, rest) = text.split_once(" on cpu ")?;
        let (cpu, psci) = rest.split_once(',').unwrap_or((rest, ""));
        let (_, entered) = entered.split_once("entered at ")?;
        let mut words = entered.split(' ');
        let entered_at = words.next().and_then(hex);
        // 32-bit ARM has a mode there
        let level = words.nth(1).filter(|level| *level != "mode")?;
        let mut regimes = REGIMES.split('|');
        Some(Self {
            regime: regimes
                .position(|name| name == level)
                .map(|index| index as u32), // three
            translated: match entered.rsplit(' ').next() {
                Some("on") => Some(true),
                Some("off") => Some(false),
                _ => None,
            },
            entered_at,
            mpidr: hex(cpu),
            psci: match psci.trim() {
                "psci by smc" => Some(PsciText::Smc),
                "psci by hvc" => Some(PsciText::Hvc),
                "no psci" => Some(PsciText::None),
                _ => None,
            },
            ..Self::default()
        })
    }

    /// Parses the rest of the line `entry`.
    pub(super) fn take(&mut self, text: &str) {
        for (name, value) in pairs(text) {
            let control = CONTROL.iter().position(|known| *known == name);
            let general = Arm64Dump::names().find(|known| *known == name);
            match (control, general, value) {
                (Some(index), ..) => self.control[index] = value,
                (None, Some(name), Some(value)) if self.register(name).is_none() => {
                    self.gpr.push((name, value));
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::Architecture;
    use crate::decode::handoff_log::{EntryText, LogContext, handoff_architecture};

    #[test]
    fn the_entry_is_read() {
        let mut log = LogContext::default();
        log.take(
            "mbtool 0.1.0 at 0x48000000, entered at 0x48000000 in el2-e2h with translation off on cpu 0x80000001, psci by smc",
        );
        log.take("entry sctlr 0x30d00800 hcr 0x488000000 vbar 0x12345800 x0 0x5a x30 0x48000028 sp 0x7770 x0 0x1");
        log.take("page tables: this CPU has no 4 KiB granule: caches stay off");
        let Some(EntryText::Arm64(entry)) = log.entry else {
            panic!("{log:?}")
        };
        assert_eq!(
            *entry,
            Arm64EntryText {
                regime: Some(2),
                translated: Some(false),
                entered_at: Some(0x4800_0000),
                mpidr: Some(0x8000_0001),
                psci: Some(PsciText::Smc),
                control: [Some(0x30d0_0800), Some(0x4_8800_0000), Some(0x1234_5800)],
                gpr: vec![("x0", 0x5a), ("x30", 0x4800_0028), ("sp", 0x7770)],
                no_tables: true,
            }
        );
    }

    #[test]
    fn a_damaged_banner_keeps_what_is_intact() {
        let entry = Arm64EntryText::banner(
            "0x1000, entered at 0x1zz in el7 with translation o on cpu 0x, psci",
        )
        .unwrap();
        assert_eq!(entry, Arm64EntryText::default());
        assert_eq!(
            Arm64EntryText::banner("0x1000, entered at 0x1000 on hart 1"),
            None
        );
        assert_eq!(Arm64EntryText::banner("0x1000 on cpu 0x1"), None);
        let arm = "0x1000, entered at 0x1000 in mode hyp with translation off on cpu 0x80000000, psci by smc";
        assert_eq!(Arm64EntryText::banner(arm), None);
        assert_eq!(handoff_architecture(arm), Architecture::Arm);
    }
}
