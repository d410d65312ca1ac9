//! State at the handoff's entry.

use super::super::address_map::AddressMap;
use super::super::handoff_log::{Arm64EntryText, PsciText};
use super::super::symbolizer::Symbolizer;
use super::bits;
use crate::decode::address_map::MappedPlace;
use crate::decode::symbols::Symbol;
use handoff::arch::arm64::registers::{REGIMES, Regime};
use handoff::names::nth;
use serde::Serialize;
use std::collections::BTreeMap;

const EL1: u32 = Regime::El1 as u32;
const EL2: u32 = Regime::El2 as u32;
const EL2_HOST: u32 = Regime::El2Host as u32;

/// The name of an exception level by its index.
#[must_use]
pub fn regime_name(regime: u32) -> Option<&'static str> {
    nth(REGIMES, regime).and_then(|name| str::from_utf8(name).ok())
}

/// Vectors of the old kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DecodedVbar {
    /// `VBAR`.
    pub base: String,
    /// Location of the vectors.
    pub place: Option<MappedPlace>,
    /// Symbol of the vectors.
    pub symbol: Option<Symbol>,
}

/// State at the handoff's entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DecodedArm64Entry {
    /// "el1", "el2" or "el2-e2h".
    pub level: Option<&'static str>,
    /// Address translation was on.
    pub translation: Option<bool>,
    /// Address at which the handoff was entered.
    pub address: Option<String>,
    /// `MPIDR_EL1`.
    pub cpu: Option<String>,
    /// "smc", "hvc" or "none".
    pub psci: Option<&'static str>,
    /// `sctlr`, `hcr`, `vbar`, and the general registers that are not 0.
    pub registers: BTreeMap<&'static str, String>,
    /// Names of the bits that are set in `sctlr` and `hcr`.
    pub bits: BTreeMap<&'static str, Vec<&'static str>>,
    /// Vectors of the old kernel.
    pub vbar: Option<DecodedVbar>,
    /// What the state tells about the old kernel.
    pub meaning: Vec<&'static str>,
}

impl DecodedArm64Entry {
    /// Decodes what the log has.
    #[must_use]
    pub fn new(text: &Arm64EntryText, map: &AddressMap, symbols: &Symbolizer) -> Self {
        let hex = |value: u64| format!("{value:#x}");
        let control = super::super::handoff_log::CONTROL;
        let values = control
            .into_iter()
            .zip(text.control)
            .filter_map(|(name, value)| Some((name, value?)));
        let [sctlr, hcr, vbar] = text.control;
        let bits = [
            ("sctlr", sctlr.map(|value| bits::sctlr(value, text.regime))),
            ("hcr", hcr.map(bits::hcr)),
        ];
        Self {
            level: text.regime.and_then(regime_name),
            translation: text.translated,
            address: text.entered_at.map(hex),
            cpu: text.mpidr.map(hex),
            psci: text.psci.map(|psci| match psci {
                PsciText::None => "none",
                PsciText::Smc => "smc",
                PsciText::Hvc => "hvc",
            }),
            registers: values
                .chain(text.gpr.iter().copied())
                .map(|(name, value)| (name, hex(value)))
                .collect(),
            bits: bits
                .into_iter()
                .filter_map(|(name, bits)| Some((name, bits?)))
                .collect(),
            vbar: vbar.map(|vbar| DecodedVbar {
                base: hex(vbar),
                place: map.at(vbar),
                symbol: symbols.lookup(vbar),
            }),
            meaning: meaning(text),
        }
    }
}

/// Explains level, translation and firmware.
fn meaning(text: &Arm64EntryText) -> Vec<&'static str> {
    let level = text.regime.and_then(|regime| match regime {
        EL1 => Some(
            "at EL1: the old kernel was started at EL1 (a virtual machine, or firmware that keeps EL2), or protected KVM keeps \
             EL2 (kvm-arm.mode=protected). Linux starts, but without KVM; Xen cannot start",
        ),
        EL2 => Some(
            "at EL2 without E2H: the old kernel ran at EL1 and held EL2 with its hyp-stub or with KVM, which passed it on at the \
             jump",
        ),
        EL2_HOST => Some(
            "at EL2 with E2H: the old kernel is a Linux that runs at EL2 itself (VHE). Linux is entered in this state; for Xen \
             the handoff clears E2H",
        ),
        _ => None,
    });
    let translation = text.translated.filter(|on| *on).map(|_| {
        "translation was on at the entry, which Linux's kexec turns off before: something else entered the handoff"
    });
    let psci = match (text.psci, text.regime) {
        (Some(PsciText::Hvc), Some(EL2 | EL2_HOST)) => Some(
            "PSCI by hvc does not work at EL2: the firmware below, if any, is called by smc. The handoff cannot reset the \
             machine",
        ),
        (Some(PsciText::None), _) => Some(
            "without PSCI the handoff cannot reset the machine, and the next kernel cannot start other CPUs with it",
        ),
        _ => None,
    };
    [level, translation, psci].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(regime: Option<u32>, translated: bool, psci: PsciText) -> Vec<&'static str> {
        meaning(&Arm64EntryText {
            regime,
            translated: Some(translated),
            psci: Some(psci),
            ..Arm64EntryText::default()
        })
    }

    #[test]
    fn each_state_has_its_explanation() {
        let of_level: Vec<&str> = [EL1, EL2, EL2_HOST]
            .into_iter()
            .flat_map(|regime| told(Some(regime), false, PsciText::Smc))
            .collect();
        assert_eq!(of_level.len(), 3);
        assert!(of_level[0].contains("kvm-arm.mode=protected"));
        assert!(of_level[2].contains("VHE"));
        assert!(told(None, false, PsciText::Smc).is_empty());
        assert_eq!(told(None, true, PsciText::Smc).len(), 1);
        assert_eq!(told(Some(EL1), false, PsciText::Hvc).len(), 1);
        assert_eq!(told(Some(EL2), false, PsciText::Hvc).len(), 2);
        assert_eq!(told(Some(EL1), false, PsciText::None).len(), 2);
    }
}
