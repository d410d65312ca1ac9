//! Instruction and data aborts: the fields of their syndrome (Arm Architecture Reference Manual, D24.2.40, "ISS encoding
//! for an exception from a Data Abort" and "from an Instruction Abort").

use handoff::arch::arm64::syndrome::class;

/// Why memory could not be accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbortReason {
    /// An address larger than the CPU's, or than the tables allow.
    AddressSize,
    /// Not mapped.
    Translation,
    /// The page has no access flag.
    AccessFlag,
    /// Not allowed.
    Permission,
    /// The bus answered with an error.
    External,
    /// The bus answered with an error when a table was read.
    ExternalOnWalk,
    /// Parity or ECC.
    Parity,
    /// Parity or ECC when a table was read.
    ParityOnWalk,
    /// Tags differ (MTE).
    TagCheck,
    /// Not aligned.
    Alignment,
    /// The granule belongs to another world (RME).
    Granule,
    /// Two entries of the TLB fit.
    TlbConflict,
    /// The CPU cannot update the flags of this table.
    AtomicUpdate,
    /// Specific to the CPU.
    Lockdown,
    /// An exclusive or atomic access to memory that has none.
    UnsupportedAtomic,
    /// Reserved.
    Reserved,
}

impl AbortReason {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AddressSize => "address size fault",
            Self::Translation => "translation fault",
            Self::AccessFlag => "access flag fault",
            Self::Permission => "permission fault",
            Self::External => "external abort",
            Self::ExternalOnWalk => "external abort on a table walk",
            Self::Parity => "parity or ECC error",
            Self::ParityOnWalk => "parity or ECC error on a table walk",
            Self::TagCheck => "tag check fault",
            Self::Alignment => "alignment fault",
            Self::Granule => "granule protection fault",
            Self::TlbConflict => "TLB conflict",
            Self::AtomicUpdate => "unsupported atomic update of a table",
            Self::Lockdown => "implementation defined fault",
            Self::UnsupportedAtomic => "unsupported exclusive or atomic access",
            Self::Reserved => "reserved status",
        }
    }

    /// True if the bus or the memory failed, not a table.
    #[must_use]
    pub const fn is_of_bus(self) -> bool {
        matches!(
            self,
            Self::External | Self::ExternalOnWalk | Self::Parity | Self::ParityOnWalk
        )
    }
}

/// What the CPU did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbortedAccess {
    /// It fetched an instruction.
    Fetch,
    /// It read.
    Read,
    /// It wrote, or cleaned a cache.
    Write,
}

/// An abort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abort {
    /// Why.
    pub reason: AbortReason,
    /// Level of the table.
    pub level: Option<i8>,
    /// The access.
    pub access: AbortedAccess,
    /// From a lower exception level.
    pub lower: bool,
    /// `FAR` is the address (bit FnV is clear).
    pub has_address: bool,
    /// Translation of a table's address by stage 2 failed (S1PTW).
    pub stage2_walk: bool,
    /// Cache maintenance (CM).
    pub maintenance: bool,
    /// External abort: bit EA, which the CPU's designer defines.
    pub external: bool,
}

impl Abort {
    /// Decodes `ESR`; `None` if it is of another class.
    #[must_use]
    pub const fn of(esr: u64) -> Option<Self> {
        let class = class(esr);
        let fetch = match class {
            0x20 | 0x21 => true,
            0x24 | 0x25 => false,
            _ => return None,
        };
        let (reason, level) = status(esr & 0x3f);
        Some(Self {
            reason,
            level,
            access: if fetch {
                AbortedAccess::Fetch
            } else if esr >> 6 & 1 == 1 {
                AbortedAccess::Write
            } else {
                AbortedAccess::Read
            },
            lower: class & 1 == 0,
            has_address: !(matches!(reason, AbortReason::External) && esr >> 10 & 1 == 1),
            stage2_walk: esr >> 7 & 1 == 1,
            maintenance: !fetch && esr >> 8 & 1 == 1,
            external: esr >> 9 & 1 == 1,
        })
    }

    /// The fields as text.
    #[must_use]
    pub fn text(&self) -> Vec<String> {
        let level = self
            .level
            .map_or_else(String::new, |level| format!(", level {level}"));
        let access = match self.access {
            AbortedAccess::Fetch => "fetch",
            AbortedAccess::Read => "read",
            AbortedAccess::Write => "write",
        };
        let flags = [
            (self.maintenance, "cache maintenance"),
            (self.stage2_walk, "stage 2, on a table walk of stage 1"),
            (!self.has_address, "far is not valid"),
            (self.external, "EA"),
        ];
        let flags = flags.into_iter().filter(|(set, _)| *set);
        [format!("{}{level}", self.reason.name()), access.to_owned()]
            .into_iter()
            .chain(flags.map(|(_, text)| text.to_owned()))
            .collect()
    }
}

/// The status code: reason and level of the table.
const fn status(code: u64) -> (AbortReason, Option<i8>) {
    let level = (code & 3) as i8;
    match code {
        0x00..=0x03 => (AbortReason::AddressSize, Some(level)),
        0x04..=0x07 => (AbortReason::Translation, Some(level)),
        0x08..=0x0b => (AbortReason::AccessFlag, Some(level)),
        0x0c..=0x0f => (AbortReason::Permission, Some(level)),
        0x10 => (AbortReason::External, None),
        0x11 => (AbortReason::TagCheck, None),
        0x12 => (AbortReason::ExternalOnWalk, Some(-2)),
        0x13 => (AbortReason::ExternalOnWalk, Some(-1)),
        0x14..=0x17 => (AbortReason::ExternalOnWalk, Some(level)),
        0x18 => (AbortReason::Parity, None),
        0x1b => (AbortReason::ParityOnWalk, Some(-1)),
        0x1c..=0x1f => (AbortReason::ParityOnWalk, Some(level)),
        0x21 => (AbortReason::Alignment, None),
        0x22 => (AbortReason::Granule, Some(-2)),
        0x23 => (AbortReason::Granule, Some(-1)),
        0x24..=0x27 => (AbortReason::Granule, Some(level)),
        0x28 => (AbortReason::Granule, None),
        0x29 => (AbortReason::AddressSize, Some(-1)),
        0x2a => (AbortReason::Translation, Some(-2)),
        0x2b => (AbortReason::Translation, Some(-1)),
        0x2c => (AbortReason::AddressSize, Some(-2)),
        0x30 => (AbortReason::TlbConflict, None),
        0x31 => (AbortReason::AtomicUpdate, None),
        0x34 => (AbortReason::Lockdown, None),
        0x35 => (AbortReason::UnsupportedAtomic, None),
        _ => (AbortReason::Reserved, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_aborts() {
        let text = |esr| Abort::of(esr).map(|abort| abort.text().join(", "));
        for (esr, expected) in [
            (0x9600_0005, "translation fault, level 1, read"),
            (0x9600_004f, "permission fault, level 3, write"),
            (0x8600_000f, "permission fault, level 3, fetch"),
            (0x8600_0006, "translation fault, level 2, fetch"),
            (0x9600_0010, "external abort, read"),
            (0x9600_0410, "external abort, read, far is not valid"),
            (0x9600_0210, "external abort, read, EA"),
            (0x9600_0061, "alignment fault, write"),
            (
                0x9600_0147,
                "translation fault, level 3, write, cache maintenance",
            ),
            (
                0x9200_0087,
                "translation fault, level 3, read, stage 2, on a table walk of stage 1",
            ),
            (0x9600_0016, "external abort on a table walk, level 2, read"),
            (0x9600_002b, "translation fault, level -1, read"),
            (0x9600_0035, "unsupported exclusive or atomic access, read"),
            (0x9600_0028, "granule protection fault, read"),
            (0x9600_003f, "reserved status, read"),
        ] {
            assert_eq!(text(esr).as_deref(), Some(expected), "{esr:#x}");
        }
        assert_eq!(text(0x0200_0000), None);
        // FnV counts in an external abort alone
        assert!(Abort::of(0x9600_0405).unwrap().has_address);
        assert!(Abort::of(0x9200_0005).unwrap().lower);
        assert!(!Abort::of(0x9600_0005).unwrap().lower);
    }
}
