//! The document of `mbtool plan --json`, with numbers parsed.

use std::ops::Range;

use anyhow::{Context, Result};
use serde_json::Value;

/// A plan, by JSON pointers.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanJson(pub Value);

/// A named segment of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedSegment {
    /// Name.
    pub name: String,
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// Bytes of data.
    pub bufsz: u64,
    /// CRC-32 of the data.
    pub crc32: u32,
}

impl PlanJson {
    /// Reads the document.
    pub fn parse(text: &str) -> Result<Self> {
        let value = serde_json::from_str(text).with_context(|| format!("no plan: {text}"))?;
        Ok(Self(value))
    }

    /// Returns the value at `pointer`.
    pub fn at(&self, pointer: &str) -> Result<&Value> {
        let value = self.0.pointer(pointer);
        value.with_context(|| format!("the plan has no {pointer}"))
    }

    /// The number at `pointer`, written in hexadecimal or not.
    pub fn number(&self, pointer: &str) -> Result<u64> {
        number(self.at(pointer)?).with_context(|| pointer.to_owned())
    }

    /// The list at `pointer`.
    pub fn list(&self, pointer: &str) -> Result<&[Value]> {
        let list = self.at(pointer)?.as_array();
        Ok(list.with_context(|| format!("{pointer} is no list"))?)
    }

    /// Returns the only segment whose name starts with `name`.
    pub fn segment(&self, name: &str) -> Result<PlannedSegment> {
        let mut found = self.list("/segments")?.iter().filter(|segment| {
            let full = segment["name"].as_str();
            full.is_some_and(|full| full.starts_with(name))
        });
        let (Some(segment), None) = (found.next(), found.next()) else {
            anyhow::bail!("not one segment {name}: {}", self.0["segments"]);
        };
        let start = number(&segment["dest"])?;
        Ok(PlannedSegment {
            name: segment["name"].as_str().unwrap_or_default().to_owned(),
            start,
            end: start + number(&segment["memsz"])?,
            bufsz: number(&segment["bufsz"])?,
            crc32: u32::try_from(number(&segment["crc32"])?)?,
        })
    }

    /// RAM of the machine: start and end of each run, sorted.
    pub fn ram(&self) -> Result<Vec<(u64, u64)>> {
        self.list("/memory_map")?
            .iter()
            .filter(|entry| entry["type"] == "ram")
            .map(|entry| Ok((number(&entry["start"])?, number(&entry["end"])?)))
            .collect()
    }

    /// The range `{start, end}` at `pointer`.
    pub fn range(&self, pointer: &str) -> Result<Range<u64>> {
        let range = self.at(pointer)?;
        let ends = (number(&range["start"]), number(&range["end"]));
        let name = || pointer.to_owned();
        Ok(ends.0.with_context(name)?..ends.1.with_context(name)?)
    }

    /// The list of ranges at `pointer`.
    pub fn ranges(&self, pointer: &str) -> Result<Vec<Range<u64>>> {
        let count = self.list(pointer)?.len();
        let each = (0..count).map(|n| self.range(&format!("{pointer}/{n}")));
        each.collect()
    }

    /// The boot information tags of a type.
    pub fn tags(&self, kind: u64) -> Result<Vec<&Value>> {
        let tags = self.list("/mbi")?.iter();
        Ok(tags.filter(|tag| tag["type"] == kind).collect())
    }
}

/// A JSON number, or a string in hexadecimal.
pub fn number(value: &Value) -> Result<u64> {
    let hex = || u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok();
    let number = value.as_u64().or_else(hex);
    number.with_context(|| format!("{value} is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_segments_and_ram() {
        let plan = PlanJson::parse(
            r#"{"entry": "0x1f", "segments": [
                {"name": "module 1: a", "dest": "0x1000", "memsz": 8192, "bufsz": 4097, "crc32": "0xff"},
                {"name": "mbi", "dest": "0x3000", "memsz": 4096, "bufsz": 9, "crc32": "0x0"}],
               "memory_map": [{"start": 0, "end": 4096, "type": "ram"}, {"start": 4096, "end": 8192, "type": "reserved"}],
               "mbi": [{"type": 1}, {"type": 3}, {"type": 3}]}"#,
        )
        .unwrap();
        assert_eq!(plan.number("/entry").unwrap(), 0x1f);
        let module = plan.segment("module 1").unwrap();
        assert_eq!(
            (module.start, module.end, module.bufsz, module.crc32),
            (0x1000, 0x3000, 4097, 0xff)
        );
        assert!(plan.segment("m").is_err() && plan.segment("x").is_err());
        assert_eq!(plan.ram().unwrap(), [(0, 4096)]);
        let whole = plan.ranges("/memory_map").unwrap();
        assert_eq!(whole, [0..4096, 4096..8192]);
        assert_eq!(plan.range("/memory_map/1").unwrap(), 4096..8192);
        assert!(plan.range("/mbi").is_err());
        assert_eq!(plan.tags(3).unwrap().len(), 2);
        assert!(plan.number("/absent").is_err() && plan.number("/mbi").is_err());
    }
}
