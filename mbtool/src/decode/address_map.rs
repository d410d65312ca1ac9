//! Maps addresses to segments of a plan, or to parts of a PC.

use super::DecodeError;
use super::handoff_log::LogContext;
use crate::arch::Architecture;
use handoff::addr::PhysRange;
use handoff::arch::riscv64::paging::PagingMode;
use handoff::blob::dt::{Arm64Exit, DtMachine, PsciConduit};
use serde::Serialize;
use serde_json::Value;

/// Parts of every PC's address space that are never loaded to.
const FIXED: [(&str, u64, u64); 6] = [
    ("page 0", 0, 0x1000),
    ("video memory", 0xa_0000, 0xc_0000),
    ("BIOS area", 0xc_0000, 0x10_0000),
    ("I/O APIC", 0xfec0_0000, 0xfec0_1000),
    ("local APIC", 0xfee0_0000, 0xfee0_1000),
    ("firmware flash", 0xffc0_0000, 0x1_0000_0000),
];

/// Location of an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MappedPlace {
    /// Name of the segment, or of the part of the machine.
    pub name: String,
    /// Offset in it, in bytes.
    pub offset: u64,
    /// True for a segment of the plan.
    pub segment: bool,
}

/// The loaded image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageAt {
    /// File name; empty if only the log is known.
    pub name: String,
    /// Load address.
    pub base: u64,
    /// Link address.
    pub link_base: Option<u64>,
    /// True for Xen.
    pub xen: bool,
}

/// Locations of all parts.
#[derive(Clone, Debug, Default)]
pub struct AddressMap {
    pub(super) segments: Vec<(String, PhysRange)>,
    pub(super) memory: Vec<(String, PhysRange)>,
    /// The image, if known.
    pub image: Option<ImageAt>,
    /// The handoff's address.
    pub handoff: Option<u64>,
    /// The machine's architecture.
    pub architecture: Architecture,
}

/// A plan that is not of the load that wrote the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the plan is of another load and is not used: {what} at {planned:#x} in it, at {found:#x} in the log"
)]
pub struct OtherLoad {
    /// What differs: "handoff" or "image".
    pub what: &'static str,
    /// Its physical address by the plan.
    pub planned: u64,
    /// Its physical address by the log.
    pub found: u64,
}

impl AddressMap {
    /// Reads the output of `mbtool plan --json`.
    ///
    /// # Errors
    ///
    /// Names the missing or invalid field.
    pub fn from_plan(json: &[u8]) -> Result<Self, DecodeError> {
        let plan: Value = serde_json::from_slice(json)
            .map_err(|error| DecodeError::Plan(format!("not JSON: {error}")))?;
        let mut map = Self::default();
        let list = plan["segments"].as_array().ok_or_else(|| {
            DecodeError::Plan("no list `segments`: give what `mbtool plan --json` prints".into())
        })?;
        for segment in list {
            let name = segment["name"].as_str().unwrap_or("?").to_owned();
            let range = PhysRange::from_len(
                number(&segment["dest"], "segments[].dest")?,
                number(&segment["memsz"], "segments[].memsz")?,
            );
            let range = range
                .ok_or_else(|| DecodeError::Plan(format!("segment `{name}` ends above 2^64")))?;
            map.segments.push((name, range));
        }
        for entry in plan["memory_map"].as_array().into_iter().flatten() {
            let kind = entry["type"].as_str().unwrap_or("?").to_owned();
            let start = number(&entry["start"], "memory_map[].start")?;
            let end = number(&entry["end"], "memory_map[].end")?;
            map.memory
                .extend(PhysRange::new(start, end).map(|range| (kind, range)));
        }
        let image = &plan["image"];
        if !image.is_null() {
            map.image = Some(ImageAt {
                name: image["name"].as_str().unwrap_or("").to_owned(),
                base: number(&image["base"], "image.base")?,
                link_base: Some(number(&image["link_base"], "image.link_base")?),
                xen: !image["xen"].is_null(),
            });
        }
        if !plan["handoff"].is_null() {
            map.handoff = Some(number(&plan["handoff"]["base"], "handoff.base")?);
        }
        if let Some(range) = area(&plan["xen_low_memory"]["trampoline"]) {
            map.segments.push(("xen's trampoline".into(), range));
        }
        Ok(map)
    }

    /// Reads the handoff's lines in a log.
    #[must_use]
    pub fn from_log(log: &LogContext) -> Self {
        let mut segments = log.segments.clone();
        let handoff = log.handoff.as_ref().map(|(_, base)| *base);
        if let Some(base) = handoff {
            let range = PhysRange::from_len(base, handoff_size(log));
            segments.extend(range.map(|range| ("handoff".to_owned(), range)));
        }
        // the handoff verifies the image first, and names Xen `xen` independent of its file
        // name
        let first = log.segments.first();
        // on arm64 the jump names the kind of the image
        let jump = log.jump.as_ref().is_some_and(|jump| jump.contains("(xen"));
        let image = first.map(|(name, range)| ImageAt {
            name: name.clone(),
            base: range.start,
            link_base: None,
            xen: name == "xen" || jump,
        });
        Self {
            segments,
            memory: Vec::new(),
            image,
            handoff,
            architecture: architecture(log),
        }
    }

    /// Returns the map for one dump: that of the plan, if it belongs to the
    /// same load.
    ///
    /// `Err` has the reason why the plan is not used.
    pub fn choose(plan: Option<&Self>, log: &LogContext) -> (Self, Option<OtherLoad>) {
        let own = Self::from_log(log);
        let Some(plan) = plan else {
            return (own, None);
        };
        let differs = |what, planned, found| {
            let why = OtherLoad {
                what,
                planned,
                found,
            };
            (own.clone(), Some(why))
        };
        if let (Some(planned), Some(found)) = (plan.handoff, own.handoff)
            && planned != found
        {
            return differs("handoff", planned, found);
        }
        if let (Some(planned), Some(found)) = (&plan.image, &own.image)
            && planned.base != found.base
            && planned.xen == found.xen
        {
            return differs("image", planned.base, found.base);
        }
        let map = Self {
            architecture: own.architecture,
            ..plan.clone()
        };
        (map, None)
    }

    /// Returns the location of `addr`.
    #[must_use]
    pub fn at(&self, addr: u64) -> Option<MappedPlace> {
        let place = |(name, range): &(String, PhysRange), segment| MappedPlace {
            name: name.clone(),
            offset: addr - range.start,
            segment,
        };
        let here = |(_, range): &&(String, PhysRange)| range.contains(addr);
        // zero-length segments may overlap: the smallest is the most specific
        let segment = self
            .segments
            .iter()
            .filter(here)
            .min_by_key(|(_, range)| range.len());
        if let Some(segment) = segment {
            return Some(place(segment, true));
        }
        let fixed = match self.architecture {
            Architecture::X86_64 => &FIXED[..],
            _ => &[],
        };
        if let Some((name, start, _)) = fixed
            .iter()
            .find(|(_, start, end)| (*start..*end).contains(&addr))
        {
            return Some(MappedPlace {
                name: (*name).to_owned(),
                offset: addr - start,
                segment: false,
            });
        }
        let mut found = place(self.memory.iter().find(here)?, false);
        found.name = match found.name.as_str() {
            "ram" => "RAM outside all segments".to_owned(),
            other => format!("{other} memory"),
        };
        Some(found)
    }

    /// True when anything is known about this load.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        !self.segments.is_empty()
    }
}

/// That of the handoff that wrote the log; x86 without one.
const fn architecture(log: &LogContext) -> Architecture {
    match &log.entry {
        Some(entry) => entry.architecture(),
        None => Architecture::X86_64,
    }
}

/// Bytes of the handoff that wrote the log; about that if it is of another architecture than this program.
fn handoff_size(log: &LogContext) -> u64 {
    let machine = match architecture(log) {
        Architecture::Riscv64 => DtMachine::Riscv64 {
            mode: PagingMode::Sv39,
        },
        Architecture::Arm64 => DtMachine::Arm64 {
            exit: Arm64Exit::Linux,
            psci: PsciConduit::None,
        },
        Architecture::X86_64 | Architecture::Arm => return handoff::blob::memsz(),
    };
    handoff::blob::dt::memsz(machine)
}

/// Parses a number, or a string in hexadecimal.
fn number(value: &Value, what: &str) -> Result<u64, DecodeError> {
    let text = value.as_str().and_then(|text| text.strip_prefix("0x"));
    let parsed = match text {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => value.as_u64(),
    };
    parsed.ok_or_else(|| {
        DecodeError::Plan(format!(
            "`{what}` is {value}, expected a number or \"0x...\""
        ))
    })
}

fn area(value: &Value) -> Option<PhysRange> {
    PhysRange::new(
        number(&value["start"], "").ok()?,
        number(&value["end"], "").ok()?,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = r#"{
        "segments": [
            {"name": "handoff", "dest": "0x100000", "memsz": 8192},
            {"name": "xen", "dest": "0x200000", "memsz": 4096},
            {"name": "xen (reserved)", "dest": "0x200000", "memsz": 2097152}
        ],
        "memory_map": [{"start": 0, "end": 654336, "type": "ram"}, {"start": 4294967296, "end": 8589934592, "type": "ram"}],
        "image": {"name": "xen.gz", "base": "0x200000", "link_base": "0x200000", "xen": {"version": null}},
        "handoff": {"base": "0x100000"},
        "xen_low_memory": {"trampoline": {"start": "0x8f000", "end": "0x9f000"}, "fix": null}
    }"#;

    #[test]
    fn addresses_have_names() {
        let map = AddressMap::from_plan(PLAN.as_bytes()).unwrap();
        let at = |addr| map.at(addr).map(|p| (p.name, p.offset, p.segment));
        let some = |name: &str, offset, segment| Some((name.to_owned(), offset, segment));
        assert_eq!(at(0x10_1fff), some("handoff", 0x1fff, true));
        assert_eq!(at(0x20_0ffe), some("xen", 0xffe, true));
        assert_eq!(at(0x20_1000), some("xen (reserved)", 0x1000, true));
        assert_eq!(at(0x9_0000), some("xen's trampoline", 0x1000, true));
        assert_eq!(at(0x40e), some("page 0", 0x40e, false));
        assert_eq!(at(0xffff_efb0), some("firmware flash", 0x3f_efb0, false));
        assert_eq!(
            at(0x2_0000),
            some("RAM outside all segments", 0x2_0000, false)
        );
        assert_eq!(at(0x40_0000), None);
        assert_eq!(at(u64::MAX), None);
    }

    #[test]
    fn a_log_of_arm64_tells_what_was_loaded() {
        let map = |kind: &str| {
            let mut log = LogContext::default();
            for line in [
                "mbtool 0.1.0 at 0x48000000, entered at 0x48000000 in el2 with translation off on cpu 0x0, psci by smc",
                "verify xen-arm64 0x40200000-0x40400000 12293 bytes: crc32 0x0002a37a ok",
                kind,
            ] {
                log.take(line);
            }
            AddressMap::from_log(&log)
        };
        let xen = map("jump to 0x40200000 (xen, translation off), el2, dtb 0x49000000");
        assert_eq!(xen.architecture, Architecture::Arm64);
        let image = xen.image.as_ref().unwrap();
        assert_eq!((image.base, image.xen), (0x4020_0000, true));
        assert_eq!(xen.at(0x4020_0010).unwrap().name, "xen-arm64");
        assert_eq!(xen.at(0x4800_0010).unwrap().name, "handoff");
        // no part of a PC
        assert_eq!(xen.at(0xfee0_0000), None);
        let linux = map("jump to 0x40200000 (linux, translation off), el2, dtb 0x49000000");
        assert!(!linux.image.unwrap().xen);
    }

    #[test]
    fn a_plan_of_another_load_is_refused() {
        let plan = AddressMap::from_plan(PLAN.as_bytes()).unwrap();
        let mut log = LogContext {
            handoff: Some(("0.1.0".into(), 0x10_0000)),
            ..LogContext::default()
        };
        assert_eq!(AddressMap::choose(Some(&plan), &log).1, None);
        log.handoff = Some(("0.1.0".into(), 0x20_0000));
        let (map, why) = AddressMap::choose(Some(&plan), &log);
        let other = OtherLoad {
            what: "handoff",
            planned: 0x10_0000,
            found: 0x20_0000,
        };
        assert_eq!(why, Some(other));
        assert_eq!(map.at(0x20_0004).unwrap().name, "handoff");
    }

    #[test]
    fn invalid_plans_are_refused() {
        for (json, word) in [
            ("{", "not JSON"),
            ("{}", "segments"),
            (
                r#"{"segments": [{"name": "a", "dest": "12", "memsz": 1}]}"#,
                "dest",
            ),
            (r#"{"segments": [], "image": {"base": []}}"#, "image.base"),
            (
                r#"{"segments": [{"name": "a", "dest": "0xffffffffffffffff", "memsz": 2}]}"#,
                "2^64",
            ),
        ] {
            let error = AddressMap::from_plan(json.as_bytes())
                .unwrap_err()
                .to_string();
            assert!(error.contains(word), "{json}: {error}");
        }
    }
}
