// UNSAFETY: the callee of hypercalls, which receives addresses.
#![expect(unsafe_code)]
//! A fake Xen for tests: makes the checks of the real one, records hypercalls, and
//! fails on request.
//!
//! [`load_cases`] is a table of images with Xen's answers, run against this and against
//! real Xens.

mod cases;
mod fake_host;
mod host;
mod kexec;
mod pages;

pub use cases::{LoadCase, load_cases};
pub use fake_host::FakeHost;
pub use kexec::LoadedImage;

use super::wire::{SCHEDOP_WATCHDOG, SchedWatchdog, op};
use super::{Buffer, Errno, ForeignMapping, HypercallError, ImageKind, Transport};
use handoff::addr::PhysRange;
use std::cell::RefCell;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// A recorded hypercall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeCall {
    /// Its number.
    pub op: u64,
    /// Its first argument: the command, except for sysctl.
    pub command: u64,
    /// The answer.
    pub result: Result<i64, Errno>,
}

/// The state of Xen as visible to a loader.
#[derive(Debug)]
pub struct FakeXen {
    state: RefCell<State>,
}

#[derive(Debug)]
struct State {
    setup: FakeHost,
    kexec: kexec::KexecState,
    calls: Vec<MadeCall>,
    /// Timeouts of the domain's watchdogs in seconds; 0: unused.
    watchdogs: [u32; 2],
    /// Hypercalls to fail: number, command, error.
    failures: Vec<(u64, u64, Errno)>,
    /// Addresses of all allocated buffers.
    buffers: Vec<PhysRange>,
}

impl FakeXen {
    /// A Xen on the machine `setup`, without images.
    #[must_use]
    pub fn new(setup: FakeHost) -> Self {
        Self {
            state: RefCell::new(State {
                setup,
                kexec: kexec::KexecState::default(),
                calls: Vec::new(),
                watchdogs: [0; 2],
                failures: Vec::new(),
                buffers: Vec::new(),
            }),
        }
    }

    /// Returns all hypercalls so far.
    #[must_use]
    pub fn calls(&self) -> Vec<MadeCall> {
        self.state.borrow().calls.clone()
    }

    /// The commands of kexec_op so far: 0 exec, 3 get_range, 4 load, 5 unload,
    /// 6 status.
    #[must_use]
    pub fn kexec_commands(&self) -> Vec<u64> {
        let calls = &self.state.borrow().calls;
        let kexec = calls.iter().filter(|call| call.op == op::KEXEC);
        kexec.map(|call| call.command).collect()
    }

    /// Fails the next hypercall `op` with the first argument `command`, before
    /// it has an effect. Several failures apply in order.
    pub fn fail_next(&self, op: u64, command: u64, errno: Errno) {
        self.state.borrow_mut().failures.push((op, command, errno));
    }

    /// Changes the ownership of memory, as ballooning does.
    pub fn set_owned(&self, owned: Vec<PhysRange>) {
        self.state.borrow_mut().setup.owned = owned;
    }

    /// The image of `kind`, if there is one.
    #[must_use]
    pub fn image(&self, kind: ImageKind) -> Option<LoadedImage> {
        self.state.borrow().kexec.image(kind).cloned()
    }

    /// The kind of the image that was started.
    #[must_use]
    pub fn started(&self) -> Option<ImageKind> {
        self.state.borrow().kexec.started
    }

    /// Returns the timeouts of the domain's watchdogs in seconds; 0: unused.
    #[must_use]
    pub fn watchdogs(&self) -> [u32; 2] {
        self.state.borrow().watchdogs
    }

    /// Returns why a real host would have panicked, if so: an image was
    /// freed with a list that Xen, or another image, had overwritten.
    #[must_use]
    pub fn panicked(&self) -> Option<String> {
        self.state.borrow().kexec.panicked.clone()
    }
}

impl Default for FakeXen {
    fn default() -> Self {
        Self::new(FakeHost::default())
    }
}

impl State {
    /// The `len` bytes at `addr` of the caller.
    fn read(&self, addr: u64, len: u64) -> Result<&[u8], Errno> {
        self.reach(addr, len)?;
        // SAFETY: inside a buffer of this transport, which the contract of
        // `Transport::hypercall` keeps alive and unborrowed during the call.
        Ok(unsafe {
            core::slice::from_raw_parts(
                core::ptr::with_exposed_provenance(addr as usize),
                len as usize,
            )
        })
    }

    /// Writes to the caller.
    fn write(&self, addr: u64, bytes: &[u8]) -> Result<(), Errno> {
        self.reach(addr, bytes.len() as u64)?;
        let to = core::ptr::with_exposed_provenance_mut::<u8>(addr as usize);
        // SAFETY: as in `read`; `bytes` is memory of this side.
        unsafe { core::ptr::copy(bytes.as_ptr(), to, bytes.len()) };
        Ok(())
    }

    /// The structure at `addr` of the caller.
    fn get<T: FromBytes>(&self, addr: u64) -> Result<T, Errno> {
        let bytes = self.read(addr, size_of::<T>() as u64)?;
        T::read_from_bytes(bytes).map_err(|_| Errno::EFAULT)
    }

    /// Writes a structure to the caller.
    fn put<T: IntoBytes + Immutable + ?Sized>(&self, addr: u64, value: &T) -> Result<(), Errno> {
        self.write(addr, value.as_bytes())
    }

    /// EFAULT outside of the buffers.
    fn reach(&self, addr: u64, len: u64) -> Result<(), Errno> {
        let wanted = PhysRange::from_len(addr, len).ok_or(Errno::EFAULT)?;
        let known = |buffer: &PhysRange| buffer.covers(&wanted);
        let found = addr != 0 && self.buffers.iter().any(known);
        found.then_some(()).ok_or(Errno::EFAULT)
    }
}

/// sched_op, for watchdogs only.
fn sched_op(state: &mut State, command: u64, argument: u64) -> Result<i64, Errno> {
    if command != SCHEDOP_WATCHDOG {
        return Err(Errno::ENOSYS);
    }
    let SchedWatchdog { id, timeout } = state.get(argument)?;
    let seconds = timeout;
    let Some(index) = (id as usize).checked_sub(1) else {
        let free = state.watchdogs.iter().position(|seconds| *seconds == 0);
        let free = free.ok_or(Errno::ENOSPC)?;
        state.watchdogs[free] = seconds;
        return Ok(free as i64 + 1);
    };
    match state.watchdogs.get_mut(index) {
        Some(watchdog) if *watchdog != 0 => *watchdog = seconds,
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

impl Transport for FakeXen {
    unsafe fn hypercall(&self, op: u64, args: [u64; 5]) -> Result<i64, Errno> {
        let mut state = self.state.borrow_mut();
        let command = args[0];
        // sysctl's first argument is an address
        let wanted = |failure: &(u64, u64, Errno)| {
            failure.0 == op && (failure.1 == command || op == op::SYSCTL)
        };
        let failure = state.failures.iter().position(wanted);
        let result = match failure {
            Some(at) => Err(state.failures.remove(at).2),
            None => match op {
                op::KEXEC => kexec::op(&mut state, command, args[1]),
                op::MEMORY => host::memory_op(&state, command, args[1]),
                op::SCHED => sched_op(&mut state, command, args[1]),
                op::SYSCTL => host::sysctl(&state, command),
                op::VERSION => host::version(&state, command, args[1]),
                op::PLATFORM => host::platform(&state, command),
                _ => Err(Errno::ENOSYS),
            },
        };
        state.calls.push(MadeCall {
            op,
            command,
            result,
        });
        result
    }

    fn buffer(&self, len: usize) -> Result<Buffer, HypercallError> {
        let buffer =
            Buffer::anonymous(len, false).map_err(|errno| HypercallError::Memory { len, errno })?;
        let range = PhysRange {
            start: buffer.addr(),
            end: buffer.addr() + len as u64,
        };
        let buffers = &mut self.state.borrow_mut().buffers;
        // an older buffer at this address was freed
        buffers.retain(|other| !other.overlaps(&range));
        buffers.push(range);
        Ok(buffer)
    }

    fn map_foreign(&self, domain: u16, mfns: &[u64]) -> Result<ForeignMapping, HypercallError> {
        host::map(&self.state.borrow().setup, domain, mfns)
    }
}
