// UNSAFETY: makes hypercalls.
#![expect(unsafe_code)]
//! KEXEC_CMD_*: images that replace Xen (public/kexec.h).
//!
//! For a paravirtualized dom0 only: Xen returns ENOSYS to other domains.

use super::explain::{FailedCall, explain};
use super::image::{ImageKind, LoadImage};
use super::problem::{broken_rule, load_problem};
use super::range::KexecRange;
use super::transport::request;
use super::wire::{KexecExec, KexecGetRange, KexecLoad, KexecSegment, kexec_cmd, op};
use super::{Buffer, Errno, HypercallError, Transport};
use handoff::addr::PhysRange;

/// Xen's kexec.
#[derive(Clone, Copy, Debug)]
pub struct Kexec<'a>(&'a dyn Transport);

impl<'a> Kexec<'a> {
    /// Uses Xen's kexec through `transport`.
    #[must_use]
    pub fn new(transport: &'a dyn Transport) -> Self {
        Self(transport)
    }

    /// Returns the address of `range`. The crash area is empty if none is
    /// reserved.
    ///
    /// # Errors
    ///
    /// ERANGE for a CPU above the highest that can be there, EINVAL for one that
    /// has no notes because no crash area is reserved.
    pub fn range(&self, range: KexecRange) -> Result<PhysRange, HypercallError> {
        const CALL: &str = "KEXEC_CMD_kexec_get_range";
        let (range_number, cpu) = range.numbers();
        let wanted = KexecGetRange {
            range: range_number,
            cpu,
            ..KexecGetRange::default()
        };
        let buffer = request(self.0, &wanted)?;
        self.call(kexec_cmd::GET_RANGE, &buffer)
            .map_err(|errno| explain(FailedCall::GetRange(range), errno))?;
        let KexecGetRange { start, size, .. } = buffer.get();
        PhysRange::from_len(start, size).ok_or_else(|| HypercallError::Nonsense {
            call: CALL,
            answer: format!("{size:#x} bytes at {start:#x} is no range of memory"),
        })
    }

    /// Loads `image`, replacing the one of its type.
    ///
    /// If a default image is refused, the previous one is kept; also for a crash
    /// image that Xen's checks would refuse. Otherwise the previous crash image
    /// is unloaded first, because Xen would copy the new one over it, and then
    /// free it by a list of pages that may be overwritten by then, which panics
    /// the host.
    ///
    /// Limitations of Xen's result:
    /// - success does not prove that every page was loaded: Xen drops the
    ///   out-of-memory error of a segment if mapping it succeeds. Call
    ///   [`XenMachine::free_heap`](super::XenMachine::free_heap) before.
    /// - A destination in free memory of Xen's heap may get a copy of page 0
    ///   instead, and then unloading or replacing the image panics the host. Use
    ///   destinations from
    ///   [`XenMachine::owned_runs`](super::XenMachine::owned_runs), or the crash
    ///   area, and check again after the load.
    /// - Destinations are not checked against memory: a default image is
    ///   accepted for any address.
    ///
    /// # Errors
    ///
    /// [`HypercallError::Load`] names the rule that the image violates.
    pub fn load(&self, image: &LoadImage<'_>) -> Result<(), HypercallError> {
        let (kind, arch) = (image.kind.number(), image.arch.number());
        let area = match image.kind {
            ImageKind::Crash => Some(self.range(KexecRange::Crash)?),
            ImageKind::Default => None,
        };
        if let Some((errno, problem)) = broken_rule(image, kind, arch, area) {
            return Err(HypercallError::Load { errno, problem });
        }
        if image.kind == ImageKind::Crash {
            self.unload(ImageKind::Crash)?;
        }
        self.load_numbers(image, kind, arch)
    }

    /// Calls KEXEC_CMD_kexec_load only, with arbitrary numbers for type and
    /// architecture, without checks or a previous unload.
    ///
    /// # Errors
    ///
    /// As there.
    #[doc(hidden)]
    pub fn load_numbers(
        &self,
        image: &LoadImage<'_>,
        kind: u8,
        arch: u16,
    ) -> Result<(), HypercallError> {
        let mut data = Vec::new();
        let mut segments = Vec::with_capacity(image.segments.len());
        for segment in image.segments {
            let from = match segment.data {
                None => 0,
                Some(content) => {
                    let copy = request(self.0, content)?;
                    let addr = copy.addr();
                    data.push(copy);
                    addr
                }
            };
            segments.push(KexecSegment {
                data: from,
                data_len: segment.data.map_or(0, <[u8]>::len) as u64,
                dest: segment.dest.start,
                dest_len: segment.dest.len(),
            });
        }
        let list = request(self.0, &segments[..])?;
        let load = KexecLoad {
            kind,
            pad: 0,
            arch,
            segment_count: segments.len() as u32,
            segments: list.addr(),
            entry: image.entry,
        };
        let buffer = request(self.0, &load)?;
        let done = self.call(kexec_cmd::LOAD, &buffer);
        drop((data, list));
        done.map(|_| ()).map_err(|errno| {
            let area = self.range(KexecRange::Crash).ok();
            let problem = load_problem(errno, image, kind, arch, area);
            HypercallError::Load { errno, problem }
        })
    }

    /// Unloads the image of `kind`; it is not an error if there is none.
    ///
    /// Panics the host when that image is a default one with a destination that
    /// was free memory of Xen's heap when it was loaded (see [`Kexec::load`]).
    ///
    /// # Errors
    ///
    /// EBUSY while an image is being started.
    pub fn unload(&self, kind: ImageKind) -> Result<(), HypercallError> {
        let buffer = self.kind(kind)?;
        self.call(kexec_cmd::UNLOAD, &buffer)
            .map(|_| ())
            .map_err(|errno| explain(FailedCall::Unload, errno))
    }

    /// Starts the image of `kind` immediately: no driver of dom0 and no guest is
    /// shut down. Returns on failure only.
    pub fn exec(&self, kind: ImageKind) -> HypercallError {
        let exec = KexecExec {
            kind: kind.number().into(),
        };
        let buffer = match request(self.0, &exec) {
            Ok(buffer) => buffer,
            Err(error) => return error,
        };
        match self.call(kexec_cmd::EXEC, &buffer) {
            Ok(_) => HypercallError::Nonsense {
                call: "KEXEC_CMD_kexec",
                answer: "success, but Xen is still running".to_owned(),
            },
            Err(errno) => explain(FailedCall::Exec(kind), errno),
        }
    }

    /// Returns the result of KEXEC_CMD_kexec_status for `kind`, which is *not* whether
    /// an image is loaded: Xen has two slots for each kind, and returns the number of
    /// the current one. Two loads give `false`; an unload without an image may give
    /// `true`. Only a changed answer is useful: an image was loaded or unloaded in
    /// between.
    ///
    /// # Errors
    ///
    /// ENOSYS outside of a paravirtualized dom0.
    pub fn status(&self, kind: ImageKind) -> Result<bool, HypercallError> {
        let buffer = self.kind(kind)?;
        self.call(kexec_cmd::STATUS, &buffer)
            .map(|slot| slot != 0)
            .map_err(|errno| explain(FailedCall::Status, errno))
    }

    /// A buffer with the one byte that unload and status read.
    fn kind(&self, kind: ImageKind) -> Result<Buffer, HypercallError> {
        request(self.0, &kind.number())
    }

    fn call(&self, command: u64, argument: &Buffer) -> Result<i64, Errno> {
        // SAFETY: each caller passes the structure that `command` reads, and its
        // data in buffers that outlive this call.
        unsafe {
            self.0
                .hypercall(op::KEXEC, [command, argument.addr(), 0, 0, 0])
        }
    }
}

#[cfg(test)]
#[path = "kexec_tests.rs"]
mod tests;
