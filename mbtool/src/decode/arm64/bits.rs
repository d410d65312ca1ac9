//! Names of the bits of `SCTLR_ELx`, `HCR_EL2` and `SPSR_ELx`.

use handoff::arch::arm64::registers::Regime;

/// `SCTLR_ELx`: bits of all levels.
const SCTLR: [(u32, &str); 21] = [
    (0, "M"),
    (1, "A"),
    (2, "C"),
    (3, "SA"),
    (11, "EOS"),
    (12, "I"),
    (13, "EnDB"),
    (19, "WXN"),
    (21, "IESB"),
    (22, "EIS"),
    (25, "EE"),
    (27, "EnDA"),
    (30, "EnIB"),
    (31, "EnIA"),
    (33, "MSCEn"),
    (36, "BT"),
    (37, "ITFSB"),
    (43, "ATA"),
    (44, "DSSBS"),
    (61, "NMI"),
    (62, "SPINTMASK"),
];

/// `SCTLR_EL1`, and `SCTLR_EL2` with E2H: further bits, most of which are about EL0.
const SCTLR_HOST: [(u32, &str); 17] = [
    (4, "SA0"),
    (5, "CP15BEN"),
    (6, "nAA"),
    (7, "ITD"),
    (8, "SED"),
    (9, "UMA"),
    (10, "EnRCTX"),
    (14, "DZE"),
    (15, "UCT"),
    (16, "nTWI"),
    (18, "nTWE"),
    (20, "TSCXT"),
    (23, "SPAN"),
    (24, "E0E"),
    (26, "UCI"),
    (35, "BT0"),
    (57, "EPAN"),
];

/// `HCR_EL2`.
const HCR: [(u32, &str); 51] = [
    (0, "VM"),
    (1, "SWIO"),
    (2, "PTW"),
    (3, "FMO"),
    (4, "IMO"),
    (5, "AMO"),
    (6, "VF"),
    (7, "VI"),
    (8, "VSE"),
    (9, "FB"),
    (12, "DC"),
    (13, "TWI"),
    (14, "TWE"),
    (15, "TID0"),
    (16, "TID1"),
    (17, "TID2"),
    (18, "TID3"),
    (19, "TSC"),
    (20, "TIDCP"),
    (21, "TACR"),
    (22, "TSW"),
    (23, "TPCP"),
    (24, "TPU"),
    (25, "TTLB"),
    (26, "TVM"),
    (27, "TGE"),
    (28, "TDZ"),
    (29, "HCD"),
    (30, "TRVM"),
    (31, "RW"),
    (32, "CD"),
    (33, "ID"),
    (34, "E2H"),
    (35, "TLOR"),
    (36, "TERR"),
    (37, "TEA"),
    (40, "APK"),
    (41, "API"),
    (42, "NV"),
    (43, "NV1"),
    (44, "AT"),
    (45, "NV2"),
    (46, "FWB"),
    (47, "FIEN"),
    (48, "GPF"),
    (49, "TID4"),
    (50, "TICAB"),
    (52, "TOCU"),
    (53, "EnSCXT"),
    (56, "ATA"),
    (58, "TID5"),
];

/// `SPSR_ELx`: flags of one bit.
const SPSR: [(u32, &str); 16] = [
    (31, "N"),
    (30, "Z"),
    (29, "C"),
    (28, "V"),
    (25, "TCO"),
    (24, "DIT"),
    (23, "UAO"),
    (22, "PAN"),
    (21, "SS"),
    (20, "IL"),
    (13, "ALLINT"),
    (12, "SSBS"),
    (9, "D"),
    (8, "A"),
    (7, "I"),
    (6, "F"),
];

/// Modes of AArch64 by M\[3:0\].
const MODES: [(u64, &str); 7] = [
    (0, "EL0"),
    (4, "EL1t"),
    (5, "EL1h"),
    (8, "EL2t"),
    (9, "EL2h"),
    (12, "EL3t"),
    (13, "EL3h"),
];

fn set<'a>(
    value: u64,
    names: &'a [(u32, &'static str)],
) -> impl Iterator<Item = (u32, &'static str)> + 'a {
    names
        .iter()
        .copied()
        .filter(move |(bit, _)| value >> bit & 1 == 1)
}

/// Names of what is set in `SCTLR` of a level.
#[must_use]
pub fn sctlr(value: u64, regime: Option<u32>) -> Vec<&'static str> {
    let host = regime != Some(Regime::El2 as u32);
    let further = if host { &SCTLR_HOST[..] } else { &[] };
    let mut found: Vec<_> = set(value, &SCTLR).chain(set(value, further)).collect();
    found.sort_unstable();
    found.into_iter().map(|(_, name)| name).collect()
}

/// Names of what is set in `HCR_EL2`.
#[must_use]
pub fn hcr(value: u64) -> Vec<&'static str> {
    set(value, &HCR).map(|(_, name)| name).collect()
}

/// The mode, and names of what is set in `SPSR`. D, A, I and F are masked exceptions.
#[must_use]
pub fn spsr(value: u64) -> Vec<&'static str> {
    let flags = set(value, &SPSR).map(|(_, name)| name);
    mode(value).into_iter().chain(flags).collect()
}

/// The mode that an exception was taken from.
#[must_use]
pub fn mode(spsr: u64) -> Option<&'static str> {
    if spsr >> 4 & 1 == 1 {
        return Some("32 bits");
    }
    let found = MODES.iter().find(|(mode, _)| spsr & 0xf == *mode);
    found.map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use handoff::arch::arm64::registers::{HCR_E2H, HCR_RW, HCR_TGE, SCTLR_EL1_ON, SCTLR_EL2_ON};

    #[test]
    fn the_handoffs_own_values_by_name() {
        let on = |value, regime: Regime| sctlr(value, Some(regime as u32));
        assert_eq!(on(SCTLR_EL2_ON, Regime::El2), ["M", "C", "EOS", "I", "EIS"]);
        assert_eq!(
            on(SCTLR_EL1_ON, Regime::El2Host),
            ["M", "C", "EOS", "I", "TSCXT", "EIS", "SPAN"]
        );
        assert_eq!(hcr(HCR_RW | HCR_E2H | HCR_TGE), ["TGE", "RW", "E2H"]);
        assert_eq!(spsr(0x3c9), ["EL2h", "D", "A", "I", "F"]);
        assert_eq!(spsr(0x6000_0005), ["EL1h", "Z", "C"]);
        assert_eq!(spsr(0x6000_01d3)[0], "32 bits");
        assert_eq!((mode(7), mode(0)), (None, Some("EL0")));
    }
}
