//! Xen's watchdog for dom0, if Linux has access to no other.

use super::Watchdog;
use std::time::Duration;
use xen_shim::hypercall::{self, Privcmd};

/// An active watchdog: Xen resets the machine when it is not kicked.
#[derive(Debug)]
pub struct OfXen {
    watchdog: hypercall::DomainWatchdog<Privcmd>,
    timeout: Duration,
}

impl OfXen {
    /// Starts the watchdog.
    pub fn start(timeout: Duration) -> Result<Self, String> {
        let transport = Privcmd::open().map_err(|error| error.to_string())?;
        let watchdog = hypercall::DomainWatchdog::start(transport, timeout);
        let watchdog = watchdog.map_err(|error| error.to_string())?;
        Ok(Self { watchdog, timeout })
    }
}

impl Watchdog for OfXen {
    fn name(&self) -> String {
        "Xen's watchdog of dom0".to_owned()
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn kick(&mut self) -> Result<(), String> {
        self.watchdog.kick().map_err(|error| error.to_string())
    }

    fn stop(self: Box<Self>) -> Result<(), String> {
        self.watchdog.stop().map_err(|error| error.to_string())
    }
}
