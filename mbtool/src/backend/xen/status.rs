//! State of Xen's kexec, for `mbtool status`.

use super::record::{LoadRecord, RecordedImage, RecordedSlot};
use super::{Open, Xen, XenError, kind};
use crate::host::RawRange;
use serde::Serialize;
use std::path::Path;
use xen_shim::hypercall::{HypercallError, Kexec, KexecRange, XenMachine};

/// One of Xen's two image slots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct XenSlotStatus {
    /// The image that mbtool has loaded and not unloaded since.
    pub loaded: Option<RecordedImage>,
    /// Result of KEXEC_CMD_kexec_status: whether the number of loads and unloads
    /// since Xen's start is odd. It does not tell whether an image is loaded.
    pub xen_status: Option<bool>,
    /// True when that result contradicts the record: another program has loaded
    /// or unloaded, and the content of the slot is unknown. `None`: no result.
    pub changed_by_others: Option<bool>,
}

/// Xen's kexec as seen by dom0. `None` means unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct XenKexec {
    /// "4.20.4-pre".
    pub version: Option<String>,
    /// Xen's command line.
    pub command_line: Option<String>,
    /// Free memory of Xen's heap in bytes; an image for `exec` is kept there.
    pub heap_free: Option<u64>,
    /// KEXEC_RANGE_MA_CRASH; empty if none is reserved.
    pub crash_area: Option<RawRange>,
    /// KEXEC_RANGE_MA_XEN: Xen's code and data.
    pub image: Option<RawRange>,
    /// The image for `exec`.
    pub default: XenSlotStatus,
    /// The crash image.
    pub crash: XenSlotStatus,
    /// dom0's memory target in KiB that `unload` restores.
    pub balloon_kib: Option<u64>,
}

impl XenKexec {
    /// Queries Xen and reads the record below `root`; adds failures to
    /// `problems`.
    #[must_use]
    pub fn read(root: &Path, problems: &mut Vec<String>) -> Self {
        Self::read_by(root, super::device(root), problems)
    }

    /// Like [`XenKexec::read`], with another hypercall interface.
    #[must_use]
    pub fn read_by(root: &Path, open: Open, problems: &mut Vec<String>) -> Self {
        let mut tell = |err: XenError| {
            let text = err.to_string();
            if !problems.contains(&text) {
                problems.push(text);
            }
        };
        let record = LoadRecord::read(root).unwrap_or_else(|err| {
            tell(err);
            LoadRecord::default()
        });
        let mut state = Self {
            default: place(&record.default),
            crash: place(&record.crash),
            balloon_kib: record.balloon_kib,
            ..Self::default()
        };
        let way = match Xen::with(root, open, Box::new(|_| ())).way() {
            Ok(way) => way,
            Err(err) => {
                tell(err);
                return state;
            }
        };
        let (kexec, machine) = (Kexec::new(&*way), XenMachine::new(&*way));
        let mut ok = |err: HypercallError| tell(err.into());
        state.version = machine
            .version()
            .map_err(&mut ok)
            .ok()
            .map(|version| version.to_string());
        // a security policy may hide it, which is not a problem
        let line = machine.command_line().ok();
        state.command_line = line.filter(|line| line != "<denied>");
        state.heap_free = machine.free_heap().map_err(&mut ok).ok().flatten();
        let mut range = |what| kexec.range(what).map_err(&mut ok).ok().map(RawRange::from);
        state.crash_area = range(KexecRange::Crash);
        state.image = range(KexecRange::Xen);
        for crash in [false, true] {
            let slot = record.slot(crash);
            let status = kexec.status(kind(crash)).map_err(&mut ok).ok();
            let place = if crash {
                &mut state.crash
            } else {
                &mut state.default
            };
            place.xen_status = status;
            place.changed_by_others = status.map(|status| slot.changed_by_others(status));
        }
        state
    }

    /// Returns the slot of crash images, or the other one.
    #[must_use]
    pub const fn place(&self, crash: bool) -> &XenSlotStatus {
        if crash { &self.crash } else { &self.default }
    }
}

fn place(slot: &RecordedSlot) -> XenSlotStatus {
    XenSlotStatus {
        loaded: slot.loaded.clone(),
        ..XenSlotStatus::default()
    }
}

impl XenSlotStatus {
    /// Returns whether an image is loaded; `None` if only another program can
    /// know.
    #[must_use]
    pub const fn is_loaded(&self) -> Option<bool> {
        match (&self.loaded, self.changed_by_others) {
            (_, Some(true)) => None,
            (Some(_), _) => Some(true),
            (None, Some(false)) => Some(false),
            (None, None) => None,
        }
    }

    /// Formats one line for the user; `now` in seconds since 1970.
    #[must_use]
    pub fn describe(&self, now: u64) -> String {
        let Some(loaded) = &self.loaded else {
            return match self.changed_by_others {
                Some(false) => "not loaded by mbtool".to_owned(),
                Some(true) => "unknown: another program has loaded or unloaded one".to_owned(),
                None => "not loaded by mbtool; Xen does not answer".to_owned(),
            };
        };
        let seconds = now.saturating_sub(loaded.time);
        let age = match seconds {
            0..120 => format!("{seconds} s"),
            120..7200 => format!("{} min", seconds / 60),
            _ => format!("{} h", seconds / 3600),
        };
        let mut text = format!("loaded: {}, {age} ago", loaded.image);
        if self.changed_by_others == Some(true) {
            text.push_str("; ANOTHER PROGRAM has loaded or unloaded one since");
        }
        if let Some(why) = &loaded.damaged {
            text.push_str("; NOT TO BE EXECUTED OR UNLOADED: ");
            text.push_str(why);
        } else if let Some(why) = &loaded.exposed {
            text.push_str("; NOT TO BE UNLOADED: ");
            text.push_str(why);
        }
        text
    }
}
