//! The Xen backend: the kexec hypercall of the Xen below a PV dom0.
//!
//! The order follows from Xen's behavior, and from the checks that it omits.
//! Everything possible is checked before the load, the ownership of
//! destinations again after it. The load is recorded in a file, because Xen
//! does not report it. docs/out-of-xen.md is the user documentation.

pub mod balloon;
mod check;
mod error;
mod load;
pub mod record;
mod segment_list;
pub mod status;

pub use error::{FOREIGN, NoBalloon, XenError};
pub use segment_list::SegmentListError;

use super::{Backend, BackendError, LoadSummary, Unload};
use crate::host::hypervisor::Hypervisor;
use crate::host::kexec_state::KernelState;
use crate::plan::Plan;
use balloon::Balloon;
use handoff::addr::PhysRange;
use record::{LoadRecord, RecordedImage};
use std::cell::RefCell;
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use xen_shim::hypercall::{
    HypercallError, ImageKind, Kexec, KexecRange, Privcmd, Transport, XenMachine,
};

/// Opens the hypercall interface.
pub type Open = Box<dyn Fn() -> Result<Rc<dyn Transport>, HypercallError>>;

/// The backend. `root` is the parent of /proc, /sys and /run.
pub struct Xen {
    root: PathBuf,
    open: Open,
    wait: Box<dyn Fn(Duration)>,
    balloon: RefCell<Option<Balloon>>,
}

impl fmt::Debug for Xen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Xen")
            .field("root", &self.root)
            .field("balloon", &self.balloon)
            .finish_non_exhaustive()
    }
}

/// Opens the hypercall interface if `root` is that of this machine; a recorded
/// machine has none.
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

/// An image that may be started, with an open hypercall interface.
#[derive(Debug)]
pub struct ReadyImage {
    /// The image.
    pub loaded: RecordedImage,
    way: Rc<dyn Transport>,
}

impl ReadyImage {
    /// Starts it; returns only on failure.
    #[must_use]
    pub fn exec(&self) -> XenError {
        Kexec::new(&*self.way).exec(ImageKind::Default).into()
    }
}

/// Converts to Xen's image type.
const fn kind(crash: bool) -> ImageKind {
    if crash {
        ImageKind::Crash
    } else {
        ImageKind::Default
    }
}

impl Xen {
    /// Backend for the running Xen.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self::with(root, device(root), Box::new(std::thread::sleep))
    }

    /// Like [`Xen::new`], with another interface and another sleep function.
    #[must_use]
    pub fn with(root: &Path, open: Open, wait: Box<dyn Fn(Duration)>) -> Self {
        Self {
            root: root.to_owned(),
            open,
            wait,
            balloon: RefCell::default(),
        }
    }

    /// Runs the checks that do not depend on the image, and returns the
    /// hypercall interface.
    fn way(&self) -> Result<Rc<dyn Transport>, XenError> {
        let state = KernelState::read(&self.root);
        if state.hypervisor != Hypervisor::XenPvDom0 {
            return Err(XenError::NotDom0 {
                hypervisor: state.hypervisor,
            });
        }
        if state.cap_sys_admin == Some(false) {
            return Err(XenError::NotRoot);
        }
        Ok((self.open)()?)
    }

    /// Returns the image that `exec` starts.
    ///
    /// # Errors
    ///
    /// When there is none, or it must not be executed.
    pub fn to_run(&self) -> Result<ReadyImage, XenError> {
        let way = self.way()?;
        let record = LoadRecord::read(&self.root)?;
        let status = Kexec::new(&*way).status(ImageKind::Default)?;
        let others = record.default.changed_by_others(status);
        match record.default.loaded {
            None => Err(XenError::NotLoaded {
                others,
                crash: record.crash.loaded.is_some(),
            }),
            Some(RecordedImage {
                damaged: Some(why), ..
            }) => Err(XenError::NotToRun { why }),
            Some(RecordedImage { image, .. }) if others => Err(XenError::Replaced { image }),
            Some(loaded) => Ok(ReadyImage { loaded, way }),
        }
    }

    fn unload_image(&self, Unload { crash, force }: Unload) -> Result<bool, XenError> {
        let way = self.way()?;
        let kexec = Kexec::new(&*way);
        let mut record = LoadRecord::read(&self.root)?;
        let slot = record.slot(crash);
        let foreign = slot.changed_by_others(kexec.status(kind(crash))?);
        if !force {
            if slot.loaded.is_none() && !foreign {
                return Ok(false);
            }
            if let Some(why) = slot.not_to_free() {
                return Err(XenError::NotToFree { why, unload: true });
            }
            // pages of a crash image do not belong to the heap: freeing it is
            // harmless
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
            balloon::restore(&self.root, before)?;
        }
        Ok(true)
    }
}

impl Backend for Xen {
    fn name(&self) -> &str {
        "xen"
    }

    fn ready(&self, crash: bool) -> Result<Vec<String>, BackendError> {
        let way = self.way()?;
        let record = LoadRecord::read(&self.root)?;
        let slot = record.slot(crash);
        if let Some(why) = slot.not_to_free() {
            return Err(XenError::NotToFree { why, unload: false }.into());
        }
        let kexec = Kexec::new(&*way);
        if crash
            && kexec
                .range(KexecRange::Crash)
                .map_err(XenError::from)?
                .is_empty()
        {
            return Err(XenError::NoCrashArea.into());
        }
        let status = kexec.status(kind(crash)).map_err(XenError::from)?;
        let mut warnings = Vec::new();
        if !crash && slot.changed_by_others(status) {
            warnings.push(format!(
                "according to Xen's status, another program has loaded or unloaded an image, and \
                 this load replaces it. {FOREIGN}"
            ));
        }
        Ok(warnings)
    }

    fn free_memory(&self, data: u64) -> Result<Option<String>, BackendError> {
        let way = self.way()?;
        let machine = XenMachine::new(&*way);
        // if the free heap is unknown, it is assumed to be sufficient
        let heap = || Ok(machine.free_heap()?.unwrap_or(u64::MAX));
        let balloon = balloon::free_memory(&self.root, data, &heap, &*self.wait)?;
        let said = balloon.as_ref().map(|balloon| {
            format!(
                "dom0's balloon freed {} MiB of Xen's heap for the image (target {} KiB, before {} KiB); \
                 `mbtool unload` takes them back",
                (balloon.before_kib - balloon.now_kib).div_ceil(1024),
                balloon.now_kib,
                balloon.before_kib
            )
        });
        *self.balloon.borrow_mut() = balloon;
        Ok(said)
    }

    fn give_back_memory(&self) -> Option<String> {
        let balloon = self.balloon.take()?;
        Some(match balloon.put_back() {
            Ok(()) => format!("dom0's memory target is {} KiB again", balloon.before_kib),
            Err(err) => err.to_string(),
        })
    }

    fn load(&self, plan: &Plan) -> Result<LoadSummary, BackendError> {
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
