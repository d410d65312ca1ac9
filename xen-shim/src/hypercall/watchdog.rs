// UNSAFETY: makes hypercalls.
#![expect(unsafe_code)]
//! Xen's watchdog of a domain: if it is not kicked in time, Xen shuts down the
//! domain as hung; if that is dom0, it resets the machine.
//!
//! Source: Xen, public/sched.h (SCHEDOP_watchdog), common/sched/core.c.

use super::explain::{FailedCall, explain};
use super::transport::request;
use super::wire::{SCHEDOP_WATCHDOG, SchedWatchdog, op};
use super::{HypercallError, Transport};
use std::time::Duration;

/// One of the two watchdogs that Xen has for this domain. It stays armed when
/// this value is dropped.
#[derive(Debug)]
pub struct DomainWatchdog<T> {
    transport: T,
    id: u32,
    seconds: u32,
}

impl<T: Transport> DomainWatchdog<T> {
    /// Starts a watchdog that ends the domain after `timeout`, in whole
    /// seconds, at least 1.
    ///
    /// # Errors
    ///
    /// [`HypercallError::Call`]: ENOSPC if both are in use.
    pub fn start(transport: T, timeout: Duration) -> Result<Self, HypercallError> {
        let seconds = u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX).max(1);
        let answer = call(&transport, 0, seconds)?;
        let id = u32::try_from(answer).ok().filter(|id| *id != 0);
        let id = id.ok_or_else(|| HypercallError::Nonsense {
            call: "SCHEDOP_watchdog",
            answer: format!("a new watchdog has the number {answer}"),
        })?;
        Ok(Self {
            transport,
            id,
            seconds,
        })
    }

    /// Restarts its timer.
    ///
    /// # Errors
    ///
    /// [`HypercallError::Call`].
    pub fn kick(&self) -> Result<(), HypercallError> {
        call(&self.transport, self.id, self.seconds).map(drop)
    }

    /// Stops it.
    ///
    /// # Errors
    ///
    /// [`HypercallError::Call`].
    pub fn stop(self) -> Result<(), HypercallError> {
        call(&self.transport, self.id, 0).map(drop)
    }
}

fn call(transport: &impl Transport, id: u32, seconds: u32) -> Result<i64, HypercallError> {
    let timeout = seconds;
    let buffer = request(transport, &SchedWatchdog { id, timeout })?;
    // SAFETY: SCHEDOP_watchdog reads a sched_watchdog, which `buffer` is and
    // which outlives the call; nothing is borrowed of it.
    unsafe { transport.hypercall(op::SCHED, [SCHEDOP_WATCHDOG, buffer.addr(), 0, 0, 0]) }
        .map_err(|errno| explain(FailedCall::Watchdog, errno))
}

#[cfg(test)]
mod tests {
    use super::super::testing::FakeXen;
    use super::super::{Buffer, Errno, ForeignMapping};
    use super::*;
    use crate::hypercall::Meaning;

    impl Transport for &FakeXen {
        unsafe fn hypercall(&self, op: u64, args: [u64; 5]) -> Result<i64, Errno> {
            // SAFETY: the caller's promise, passed on.
            unsafe { (**self).hypercall(op, args) }
        }

        fn buffer(&self, len: usize) -> Result<Buffer, HypercallError> {
            (**self).buffer(len)
        }

        fn map_foreign(&self, domain: u16, mfns: &[u64]) -> Result<ForeignMapping, HypercallError> {
            (**self).map_foreign(domain, mfns)
        }
    }

    #[test]
    fn a_watchdog_is_started_kicked_and_stopped() {
        let xen = FakeXen::default();
        let watchdog = DomainWatchdog::start(&xen, Duration::from_secs(60)).unwrap();
        assert_eq!(xen.watchdogs(), [60, 0]);
        DomainWatchdog::start(&xen, Duration::from_millis(1)).unwrap();
        assert_eq!(xen.watchdogs(), [60, 1]);
        watchdog.kick().unwrap();
        watchdog.stop().unwrap();
        assert_eq!(xen.watchdogs(), [0, 1]);
    }

    #[test]
    fn a_refusal_is_explained() {
        let xen = FakeXen::default();
        let _two = [(); 2].map(|()| DomainWatchdog::start(&xen, Duration::from_secs(9)).unwrap());
        let error = DomainWatchdog::start(&xen, Duration::from_secs(9)).unwrap_err();
        let expected = HypercallError::Call {
            call: "SCHEDOP_watchdog",
            errno: Errno::ENOSPC,
            meaning: Meaning::WatchdogsInUse,
        };
        assert_eq!(error, expected);
    }
}
