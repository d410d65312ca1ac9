//! A recorded machine, for `plan --memory-map FILE`.

use super::acpi::Acpi;
use super::crash_notes::CrashInfo;
use super::xen::XenHost;
use super::{
    FoundRsdp, Host, LowMemory, MapEntry, MemoryError, MemoryKind, RawRange, iomem, map, read,
};
use crate::sys::file;
use crate::sys::number;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Parses a recorded machine. Three formats are accepted:
///
/// - the JSON of [`Host`], hence of `status --json`;
/// - the JSON of `plan --json`: its `memory_map` and `low_memory` fields (and
///   `crash_regions` and `cmdline`, if in the format of [`Host`]);
/// - the text of /proc/iomem; low memory is then unknown.
///
/// Addresses may be numbers or strings ("0x1000"). Fields of other names are
/// ignored; `low_memory` may be missing. The map is normalized.
///
/// # Errors
///
/// Names the line (text, JSON syntax) or field, and the expected value. Fails
/// for a map without RAM.
pub fn from_json(bytes: &[u8]) -> Result<Host, MemoryError> {
    let trimmed = bytes.trim_ascii_start();
    if trimmed.is_empty() {
        return Err(MemoryError::Format {
            found: "an empty file",
        });
    }
    if trimmed[0] != b'{' {
        return from_text(bytes);
    }
    // the whole file, so that line numbers are right
    let Value::Object(top) = serde_json::from_slice(bytes)? else {
        return Err(MemoryError::Format {
            found: "JSON that is no object",
        });
    };
    let list = array(&top, "memory_map")?.ok_or_else(|| wrong("memory_map", "a list", None))?;
    let mut entries = Vec::with_capacity(list.len());
    for (at, value) in list.iter().enumerate() {
        let field = format!("memory_map[{at}]");
        let (start, end) = range(value, &field)?;
        entries.push(MapEntry {
            start,
            end,
            kind: kind(&value["type"], &field)?,
        });
    }
    let mut crash_regions = Vec::new();
    for (at, value) in array(&top, "crash_regions")?
        .into_iter()
        .flatten()
        .enumerate()
    {
        let (start, end) = range(value, &format!("crash_regions[{at}]"))?;
        crash_regions.push(RawRange { start, end });
    }
    let cmdline = top
        .get("cmdline")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    Ok(Host {
        arch: as_written(&top, "arch")?,
        memory_map: read::checked(&entries)?,
        efi_ram: as_written(&top, "efi_ram")?,
        added_ram: as_written(&top, "added_ram")?,
        low_memory: low_memory(top.get("low_memory").unwrap_or(&Value::Null))?,
        crash_regions,
        cmdline,
        dump: dump(top.get("dump"))?,
        serial: as_written(&top, "serial")?,
        boot_facts: as_written(&top, "boot_facts")?,
        xen: xen(top.get("xen"))?,
        device_tree: as_written(&top, "device_tree")?,
        sbi: as_written(&top, "sbi")?,
        arm: as_written(&top, "arm")?,
        virt: as_written(&top, "virt")?,
        acpi: Acpi::default(),
    })
}

/// `dump`; null or missing: unknown.
fn dump(value: Option<&Value>) -> Result<CrashInfo, MemoryError> {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Ok(CrashInfo::default());
    };
    let expected = |why: &str| format!("what status --json writes there ({why})");
    let facts: CrashInfo = serde_json::from_value(value.clone())
        .map_err(|err| wrong("dump", &expected(&err.to_string()), Some(value)))?;
    match facts.backwards() {
        Some(range) => {
            let why = format!("{:#x}-{:#x} ends before it starts", range.start, range.end);
            Err(wrong("dump", &expected(&why), Some(value)))
        }
        None => Ok(facts),
    }
}

/// A field that only `status --json` writes; null or missing: unknown.
fn as_written<T: Default + DeserializeOwned>(
    top: &Map<String, Value>,
    field: &str,
) -> Result<T, MemoryError> {
    match top.get(field) {
        None | Some(Value::Null) => Ok(T::default()),
        Some(value) => serde_json::from_value(value.clone()).map_err(|err| {
            let expected = format!("what status --json writes there ({err})");
            wrong(field, &expected, Some(value))
        }),
    }
}

/// `xen`; null or missing: not a dom0.
fn xen(value: Option<&Value>) -> Result<Option<XenHost>, MemoryError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let host: XenHost = serde_json::from_value(value.clone()).map_err(|err| {
                let expected = format!("what status --json writes there ({err})");
                wrong("xen", &expected, Some(value))
            })?;
            let runs = host.safe.iter().map(|run| (run.start, run.end));
            let others = host.cpu_notes.iter().chain(&host.vmcoreinfo);
            let others = others.chain(&host.image).map(|run| (run.start, run.end));
            if let Some((start, end)) = runs.chain(others).find(|(start, end)| end < start) {
                let found = Value::from(format!("{start:#x}-{end:#x}"));
                let expected = "ranges that end after their start";
                return Err(wrong("xen", expected, Some(&found)));
            }
            Ok(Some(host))
        }
    }
}

/// /proc/iomem as a file.
fn from_text(bytes: &[u8]) -> Result<Host, MemoryError> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(MemoryError::Format {
            found: "bytes that are no UTF-8 text",
        });
    };
    let found = iomem::parse(text)?;
    Ok(Host {
        memory_map: read::checked(&found.entries)?,
        crash_regions: found.crash_regions,
        ..Host::default()
    })
}

/// `{"start": .., "end": ..}`, with `start <= end`.
fn range(value: &Value, field: &str) -> Result<(u64, u64), MemoryError> {
    if !value.is_object() {
        return Err(wrong(field, "an object with start and end", Some(value)));
    }
    let start = number(&value["start"], &format!("{field}.start"), u64::MAX)?;
    let end_field = format!("{field}.end");
    let end = number(&value["end"], &end_field, u64::MAX)?;
    if end < start {
        let expected = format!("an address not below start, {start:#x}");
        return Err(wrong(&end_field, &expected, Some(&value["end"])));
    }
    Ok((start, end))
}

/// A memory type by its name in JSON.
fn kind(value: &Value, field: &str) -> Result<MemoryKind, MemoryError> {
    serde_json::from_value(value.clone()).map_err(|_| {
        let names: Vec<String> = map::ORDER
            .iter()
            .filter_map(|kind| serde_json::to_string(kind).ok())
            .collect();
        wrong(
            &format!("{field}.type"),
            &format!("one of {}", names.join(", ")),
            Some(value),
        )
    })
}

/// `low_memory`; null or missing: unknown.
fn low_memory(value: &Value) -> Result<LowMemory, MemoryError> {
    let fields = match value {
        Value::Null => return Ok(LowMemory::default()),
        Value::Object(fields) => fields,
        other => return Err(wrong("low_memory", "an object", Some(other))),
    };
    let get = |name: &str| fields.get(name).unwrap_or(&Value::Null);
    let word = |name: &str| -> Result<Option<u16>, MemoryError> {
        if get(name).is_null() {
            return Ok(None);
        }
        let value = number(
            get(name),
            &format!("low_memory.{name}"),
            u64::from(u16::MAX),
        )?;
        Ok(u16::try_from(value).ok())
    };
    let flag = |name: &str| match get(name) {
        Value::Null => Ok(false),
        Value::Bool(value) => Ok(*value),
        other => Err(wrong(
            &format!("low_memory.{name}"),
            "true or false",
            Some(other),
        )),
    };
    Ok(LowMemory {
        bda_ebda_segment: word("bda_ebda_segment")?,
        bda_base_kib: word("bda_base_kib")?,
        rsdp: rsdp(get("rsdp"))?,
        rsdp_in_low_memory: flag("rsdp_in_low_memory")?,
        efi: flag("efi")?,
    })
}

/// `low_memory.rsdp`.
fn rsdp(value: &Value) -> Result<Option<FoundRsdp>, MemoryError> {
    match value {
        Value::Null => Ok(None),
        Value::Object(_) => {
            let addr = number(&value["addr"], "low_memory.rsdp.addr", u64::MAX)?;
            let revision = number(&value["revision"], "low_memory.rsdp.revision", 255)?;
            Ok(Some(FoundRsdp {
                addr,
                revision: u8::try_from(revision).unwrap_or(u8::MAX),
            }))
        }
        other => Err(wrong(
            "low_memory.rsdp",
            "an object with addr and revision",
            Some(other),
        )),
    }
}

/// A list; `None` where the field is missing or null.
fn array<'v>(
    top: &'v Map<String, Value>,
    field: &str,
) -> Result<Option<&'v Vec<Value>>, MemoryError> {
    match top.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(list)) => Ok(Some(list)),
        other => Err(wrong(field, "a list", other)),
    }
}

/// A whole number up to `max`, as a number or a string.
fn number(value: &Value, field: &str, max: u64) -> Result<u64, MemoryError> {
    let number = match value {
        Value::String(digits) => number::parse(digits),
        other => other.as_u64(),
    };
    number.filter(|number| *number <= max).ok_or_else(|| {
        let expected = format!("a whole number up to {max:#x}, or such a string (\"0x1000\")");
        wrong(field, &expected, Some(value))
    })
}

fn wrong(field: &str, expected: &str, found: Option<&Value>) -> MemoryError {
    let found = match found {
        None | Some(Value::Null) => "nothing".to_owned(),
        Some(value) => file::excerpt(&value.to_string()),
    };
    MemoryError::Field {
        field: field.to_owned(),
        expected: expected.to_owned(),
        found,
    }
}

#[cfg(test)]
#[path = "replay_tests.rs"]
mod tests;
