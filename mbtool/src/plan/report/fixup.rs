//! Changes to memory that the handoff makes.

use crate::plan::hex::Hex;
use handoff::spec::{Fixup, OnCpu};
use serde::Serialize;

/// A change to memory that the handoff makes.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FixupReport {
    /// A 16-bit store.
    Store16 {
        /// Address.
        addr: Hex,
        /// Value.
        value: Hex,
    },
    /// A copy of the RSDP with checksum verification.
    CopyRsdp {
        /// Source.
        from: Hex,
        /// Destination.
        to: Hex,
        /// Size in bytes.
        len: u32,
        /// "boot-cpu" or "other-cpu": only if the handoff runs there.
        #[serde(skip_serializing_if = "Option::is_none")]
        on: Option<&'static str>,
    },
    /// Fill with zeros.
    Zero {
        /// Address.
        addr: Hex,
        /// Size in bytes.
        len: u64,
    },
}

impl From<Fixup> for FixupReport {
    fn from(fixup: Fixup) -> Self {
        match fixup {
            Fixup::Store16 { addr, value } => Self::Store16 {
                addr: Hex(addr),
                value: Hex(value.into()),
            },
            Fixup::CopyRsdp { from, to, len, on } => Self::CopyRsdp {
                from: Hex(from),
                to: Hex(to),
                len,
                on: match on {
                    OnCpu::Any => None,
                    OnCpu::Boot => Some("boot-cpu"),
                    OnCpu::Other => Some("other-cpu"),
                },
            },
            Fixup::Zero { addr, len } => Self::Zero {
                addr: Hex(addr),
                len,
            },
        }
    }
}
