//! The Xen below a PV dom0, through its kexec hypercall.
//!
//! What Xen does with an image, and what it does not check, decide the order
//! here: everything that can be known is checked before the load, ownership of
//! the destinations once more after it, and what was loaded is written down,
//! because Xen does not tell. docs/out-of-xen.md is the user's view.

mod check;
mod error;
pub mod record;
pub mod room;
pub mod status;

pub use error::{FOREIGN, XenError};

use super::state::KernelState;
use super::under::Under;
use super::{Backend, BackendError, Done, Unload};
use crate::plan::{KernelSegment, Plan};
use handoff::addr::PhysRange;
use record::{Loaded, Placed, Record};
use room::Room;
use std::cell::RefCell;
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use xen_shim::hypercall::{
    Arch, HypercallError, Kexec, Kind, LoadImage, LoadSegment, Machine, Privcmd, Range, Transport,
};

/// Opens a way to Xen.
pub type Open = Box<dyn Fn() -> Result<Rc<dyn Transport>, HypercallError>>;

/// The backend. `root` is where its view of /proc, /sys and /run starts.
pub struct Xen {
    root: PathBuf,
    open: Open,
    wait: Box<dyn Fn(Duration)>,
    room: RefCell<Option<Room>>,
}

impl fmt::Debug for Xen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Xen")
            .field("root", &self.root)
            .field("room", &self.room)
            .finish_non_exhaustive()
    }
}

/// The running Xen, for the root of this machine; a recorded machine has none.
fn device(root: &Path) -> Open {
    let here = root == Path::new("/");
    Box::new(move || {
        if here {
            Ok(Rc::new(Privcmd::open()?))
        } else {
            Err(HypercallError::NoDevice)
        }
    })
}

/// An image that may be started; the way to Xen is open.
#[derive(Debug)]
pub struct Ready {
    /// What is going to run.
    pub loaded: Loaded,
    way: Rc<dyn Transport>,
}

impl Ready {
    /// Starts it; returns on failure only.
    #[must_use]
    pub fn exec(&self) -> XenError {
        Kexec::new(&*self.way).exec(Kind::Default).into()
    }
}

/// The name that Xen has for it.
const fn kind(crash: bool) -> Kind {
    if crash { Kind::Crash } else { Kind::Default }
}

impl Xen {
    /// The running Xen.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self::with(root, device(root), Box::new(std::thread::sleep))
    }

    /// As [`Xen::new`], with another way to Xen, and another way to let time pass.
    #[must_use]
    pub fn with(root: &Path, open: Open, wait: Box<dyn Fn(Duration)>) -> Self {
        Self {
            root: root.to_owned(),
            open,
            wait,
            room: RefCell::default(),
        }
    }

    /// Refuses what would be refused whatever the image; gives the way to Xen.
    fn way(&self) -> Result<Rc<dyn Transport>, XenError> {
        let state = KernelState::read(&self.root);
        if state.under != Under::XenPvDom0 {
            return Err(XenError::NotDom0 { under: state.under });
        }
        if state.cap_sys_admin == Some(false) {
            return Err(XenError::NotRoot);
        }
        Ok((self.open)()?)
    }

    /// The image that `exec` starts, and the way to start it.
    ///
    /// # Errors
    ///
    /// There is none, or one that must not run.
    pub fn to_run(&self) -> Result<Ready, XenError> {
        let way = self.way()?;
        let record = Record::read(&self.root)?;
        let status = Kexec::new(&*way).status(Kind::Default)?;
        let others = record.default.changed_by_others(status);
        match record.default.loaded {
            None => Err(XenError::NotLoaded {
                others,
                crash: record.crash.loaded.is_some(),
            }),
            Some(Loaded {
                damaged: Some(why), ..
            }) => Err(XenError::NotToRun { why }),
            Some(Loaded { image, .. }) if others => Err(XenError::Replaced { image }),
            Some(loaded) => Ok(Ready { loaded, way }),
        }
    }

    /// Loads what a plan comes down to; `image` is its name, `safe` what the
    /// planner took for safe.
    fn load_segments(
        &self,
        image: &str,
        entry: u64,
        list: &[KernelSegment],
        crash: bool,
        safe: &[PhysRange],
    ) -> Result<Done, XenError> {
        let way = self.way()?;
        let kexec = Kexec::new(&*way);
        let machine = Machine::new(&*way);
        let mut record = Record::read(&self.root)?;
        if let Some(why) = record.slot(crash).not_to_free() {
            return Err(XenError::NotToFree { why, unload: false });
        }
        check::shape(entry, list)?;
        let area = kexec.range(Range::Crash)?;
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
            let needed = room::needed(bytes);
            if let Some(free) = machine.free_heap()?.filter(|free| *free < needed) {
                return Err(XenError::Heap { needed, free });
            }
        }
        // what cannot be written down is not loaded
        record.write(&self.root)?;
        let replaced = record.slot(crash).loaded.is_some();

        let segments: Vec<LoadSegment<'_>> = list
            .iter()
            .map(|segment| LoadSegment::new(&segment.data, segment.dest))
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
                "{} went from a domain to Xen's allocator meanwhile",
                error::ranges(&list)
            )),
            Err(err) => Some(format!(
                "it is not known whether its destinations still belong to a domain: {err}"
            )),
        };
        let room = self.room.take();
        let slot = record.slot_mut(crash);
        slot.loaded = Some(Loaded {
            image: image.to_owned(),
            time: record::now(),
            entry,
            segments: list.iter().map(placed).collect(),
            damaged: damaged.clone(),
            exposed,
        });
        slot.status = kexec.status(kind(crash)).ok();
        if let Some(room) = room {
            // the balloon of an earlier load is still out
            record.balloon_kib = Some(record.balloon_kib.unwrap_or(room.before_kib));
        }
        record.write(&self.root)?;
        if let Some(why) = damaged {
            return Err(XenError::Damaged { why });
        }
        let what = if crash { "crash image" } else { "image" };
        let replaced = if replaced {
            ", in place of the one before"
        } else {
            ""
        };
        let version = machine
            .version()
            .map_or_else(|_| String::new(), |v| format!(" {v}"));
        let segments = list.len();
        Ok(Done {
            segments,
            bytes,
            summary: format!(
                "{what} loaded through Xen{version}{replaced}: {segments} kernel segments, {bytes} bytes"
            ),
        })
    }

    /// Why a load failed, and whether that cost the crash image before it: Xen's
    /// status has changed then, because that one was unloaded first.
    fn failed(
        &self,
        cause: HypercallError,
        kexec: &Kexec<'_>,
        record: &mut Record,
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

    fn unload_image(&self, Unload { crash, force }: Unload) -> Result<bool, XenError> {
        let way = self.way()?;
        let kexec = Kexec::new(&*way);
        let mut record = Record::read(&self.root)?;
        let slot = record.slot(crash);
        let foreign = slot.changed_by_others(kexec.status(kind(crash))?);
        if !force {
            if slot.loaded.is_none() && !foreign {
                return Ok(false);
            }
            if let Some(why) = slot.not_to_free() {
                return Err(XenError::NotToFree { why, unload: true });
            }
            // pages of a crash image are not the heap's: freeing it harms nobody
            if foreign && !crash {
                return Err(XenError::Foreign);
            }
        }
        kexec.unload(kind(crash))?;
        let slot = record.slot_mut(crash);
        slot.loaded = None;
        slot.status = kexec.status(kind(crash)).ok();
        let balloon = if crash {
            None
        } else {
            record.balloon_kib.take()
        };
        record.write(&self.root)?;
        if let Some(before) = balloon {
            room::restore(&self.root, before)?;
        }
        Ok(true)
    }
}

/// Those of `ranges` that belong to no domain; `None` where all do.
fn lost(machine: &Machine<'_>, ranges: &[PhysRange]) -> Result<Option<Vec<PhysRange>>, XenError> {
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

impl Backend for Xen {
    fn name(&self) -> &str {
        "xen"
    }

    fn ready(&self, crash: bool) -> Result<Vec<String>, BackendError> {
        let way = self.way()?;
        let record = Record::read(&self.root)?;
        let slot = record.slot(crash);
        if let Some(why) = slot.not_to_free() {
            return Err(XenError::NotToFree { why, unload: false }.into());
        }
        let kexec = Kexec::new(&*way);
        if crash
            && kexec
                .range(Range::Crash)
                .map_err(XenError::from)?
                .is_empty()
        {
            return Err(XenError::NoCrashArea.into());
        }
        let status = kexec.status(kind(crash)).map_err(XenError::from)?;
        let mut warnings = Vec::new();
        if !crash && slot.changed_by_others(status) {
            warnings.push(format!(
                "Xen's status says that another program has loaded or unloaded an image, and this \
                 load replaces it. {FOREIGN}"
            ));
        }
        Ok(warnings)
    }

    fn make_room(&self, data: u64) -> Result<Option<String>, BackendError> {
        let way = self.way()?;
        let machine = Machine::new(&*way);
        // a Xen that does not tell is one that has enough
        let heap = || Ok(machine.free_heap()?.unwrap_or(u64::MAX));
        let room = room::make_room(&self.root, data, &heap, &*self.wait)?;
        let said = room.as_ref().map(|room| {
            format!(
                "dom0 gave Xen {} MiB for the image by its balloon (target {} KiB, before {} KiB); \
                 `mbtool unload` takes them back",
                (room.before_kib - room.now_kib).div_ceil(1024),
                room.now_kib,
                room.before_kib
            )
        });
        *self.room.borrow_mut() = room;
        Ok(said)
    }

    fn give_back_room(&self) -> Option<String> {
        let room = self.room.take()?;
        Some(match room.put_back() {
            Ok(()) => format!("dom0's memory target is {} KiB again", room.before_kib),
            Err(err) => err.to_string(),
        })
    }

    fn load(&self, plan: &Plan) -> Result<Done, BackendError> {
        let safe: Vec<PhysRange> = plan
            .report
            .xen
            .iter()
            .flat_map(|host| host.safe())
            .collect();
        let name = &plan.report.image.name;
        Ok(self.load_segments(name, plan.entry, &plan.kernel_segments, plan.crash, &safe)?)
    }

    fn unload(&self, which: Unload) -> Result<bool, BackendError> {
        Ok(self.unload_image(which)?)
    }
}

#[cfg(test)]
pub(crate) mod tests;
