//! A load: checks before and after it, and its record.

use super::record::{self, LoadRecord, Placed, RecordedImage};
use super::{Xen, XenError, balloon, check, error, kind};
use crate::backend::{LoadDestination, LoadSummary};
use crate::plan::KernelSegment;
use handoff::addr::PhysRange;
use xen_shim::hypercall::{
    Arch, HypercallError, Kexec, KexecRange, LoadImage, XenMachine, XenSegment,
};

impl Xen {
    /// Loads the segments of a plan; `image` is its name, `safe` are the
    /// planner's safe ranges.
    pub(super) fn load_segments(
        &self,
        image: &str,
        entry: u64,
        list: &[KernelSegment],
        crash: bool,
        safe: &[PhysRange],
    ) -> Result<LoadSummary, XenError> {
        let way = self.way()?;
        let kexec = Kexec::new(&*way);
        let machine = XenMachine::new(&*way);
        let mut record = LoadRecord::read(&self.root)?;
        if let Some(why) = record.slot(crash).not_to_free() {
            return Err(XenError::NotToFree { why, unload: false });
        }
        check::shape(entry, list)?;
        let area = kexec.range(KexecRange::Crash)?;
        let bytes = list.iter().map(|segment| segment.data.len() as u64).sum();
        let mut exposed = None;
        let mut owned = Vec::new();
        if crash {
            check::crash(list, area)?;
        } else {
            let (chosen, others) = check::to_be_owned(list, area)
                .into_iter()
                .partition::<Vec<_>, _>(|dest| safe.iter().any(|run| run.covers(dest)));
            owned = chosen;
            if !others.is_empty() {
                let list = error::ranges(&others);
                exposed = Some(format!("{list} may have been free memory of Xen's heap"));
            }
            if let Some(list) = lost(&machine, &owned)? {
                return Err(XenError::Unsafe { list });
            }
            let needed = balloon::needed(bytes);
            if let Some(free) = machine.free_heap()?.filter(|free| *free < needed) {
                return Err(XenError::Heap { needed, free });
            }
        }
        // an image that cannot be recorded is not loaded
        record.write(&self.root)?;
        let replaced = record.slot(crash).loaded.is_some();

        let segments: Vec<XenSegment<'_>> = list
            .iter()
            .map(|segment| XenSegment::new(&segment.data, segment.dest))
            .collect();
        let result = kexec.load(&LoadImage {
            kind: kind(crash),
            arch: Arch::X86_64,
            entry,
            segments: &segments,
        });
        if let Err(cause) = result {
            return Err(self.failed(cause, &kexec, &mut record, crash)?);
        }

        let damaged = match lost(&machine, &owned) {
            Ok(None) => None,
            Ok(Some(list)) => Some(format!(
                "{} were returned from a domain to Xen's allocator during the load",
                error::ranges(&list)
            )),
            Err(err) => Some(format!(
                "it is unknown whether its destinations still belong to a domain: {err}"
            )),
        };
        let balloon = self.balloon.take();
        let slot = record.slot_mut(crash);
        slot.loaded = Some(RecordedImage {
            image: image.to_owned(),
            time: record::now(),
            entry,
            segments: list.iter().map(placed).collect(),
            damaged: damaged.clone(),
            exposed,
        });
        slot.status = kexec.status(kind(crash)).ok();
        if let Some(balloon) = balloon {
            // the balloon of an earlier load is still inflated
            record.balloon_kib = Some(record.balloon_kib.unwrap_or(balloon.before_kib));
        }
        record.write(&self.root)?;
        if let Some(why) = damaged {
            return Err(XenError::Damaged { why });
        }
        Ok(LoadSummary {
            destination: LoadDestination::Xen {
                version: machine.version().ok().map(|version| version.to_string()),
                crash,
                replaced,
            },
            segments: list.len(),
            bytes,
        })
    }

    /// Returns the error of a failed load, and whether it removed the previous
    /// crash image. In that case Xen's status has changed, because that image
    /// was unloaded first.
    fn failed(
        &self,
        cause: HypercallError,
        kexec: &Kexec<'_>,
        record: &mut LoadRecord,
        crash: bool,
    ) -> Result<XenError, XenError> {
        let status = kexec.status(kind(crash))?;
        let slot = record.slot_mut(crash);
        let lost = slot.loaded.is_some() && slot.changed_by_others(status);
        if crash && slot.changed_by_others(status) {
            slot.loaded = None;
            slot.status = Some(status);
            record.write(&self.root)?;
        }
        Ok(if crash && lost {
            XenError::CrashImageLost { cause }
        } else {
            cause.into()
        })
    }
}

/// Returns those of `ranges` that belong to no domain; `None` if all do.
fn lost(
    machine: &XenMachine<'_>,
    ranges: &[PhysRange],
) -> Result<Option<Vec<PhysRange>>, XenError> {
    if ranges.is_empty() {
        return Ok(None);
    }
    let owned = machine.owned(ranges)?;
    let lost: Vec<PhysRange> = ranges
        .iter()
        .zip(owned)
        .filter_map(|(range, owned)| (!owned).then_some(*range))
        .collect();
    Ok((!lost.is_empty()).then_some(lost))
}

fn placed(segment: &KernelSegment) -> Placed {
    Placed {
        start: segment.dest.start,
        end: segment.dest.end,
        bytes: segment.data.len() as u64,
    }
}
