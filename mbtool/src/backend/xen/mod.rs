//! The Xen below a PV dom0, through its kexec hypercall.
//!
//! What Xen does with an image, and what it does not check, decide the order
//! here: everything that can be known is checked before the load, ownership of
//! the destinations once more after it, and what was loaded is written down,
//! because Xen does not tell. docs/out-of-xen.md is the user's view.

mod check;
mod error;
mod load;
pub mod record;
pub mod room;
pub mod status;

pub use error::{FOREIGN, XenError};

use super::{Backend, BackendError, Done, Unload};
use crate::host::hypervisor::Hypervisor;
use crate::host::kexec_state::KernelState;
use crate::plan::Plan;
use handoff::addr::PhysRange;
use record::{Loaded, Record};
use room::Room;
use std::cell::RefCell;
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use xen_shim::hypercall::{
    HypercallError, ImageKind, Kexec, KexecRange, Privcmd, Transport, XenMachine,
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
        Kexec::new(&*self.way).exec(ImageKind::Default).into()
    }
}

/// The name that Xen has for it.
const fn kind(crash: bool) -> ImageKind {
    if crash {
        ImageKind::Crash
    } else {
        ImageKind::Default
    }
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

    /// The image that `exec` starts, and the way to start it.
    ///
    /// # Errors
    ///
    /// There is none, or one that must not run.
    pub fn to_run(&self) -> Result<Ready, XenError> {
        let way = self.way()?;
        let record = Record::read(&self.root)?;
        let status = Kexec::new(&*way).status(ImageKind::Default)?;
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
                "Xen's status says that another program has loaded or unloaded an image, and this \
                 load replaces it. {FOREIGN}"
            ));
        }
        Ok(warnings)
    }

    fn make_room(&self, data: u64) -> Result<Option<String>, BackendError> {
        let way = self.way()?;
        let machine = XenMachine::new(&*way);
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
