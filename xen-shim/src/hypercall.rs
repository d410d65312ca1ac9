//! Hypercalls of a control domain: kexec, what a loader asks about the machine, and a
//! watchdog.
//!
//! [`Privcmd`] is the way to the running Xen, [`testing::FakeXen`] stands for it
//! in tests; [`Kexec`], [`Machine`] and [`Watchdog`] work on either, as
//! [`Transport`]. The structures are those of Xen's public headers (kexec.h,
//! memory.h, sched.h, sysctl.h, version.h), x86_64, little endian. docs/hypercall.md says what of Xen's answers
//! can be trusted.

mod buffer;
mod errno;
mod error;
mod explain;
pub mod kexec;
mod m2p;
pub mod machine;
mod physinfo;
mod privcmd;
mod problem;
pub mod testing;
mod transport;
mod watchdog;
mod wire;

pub use buffer::{Buffer, Mapping};
pub use errno::Errno;
pub use error::HypercallError;
pub use kexec::{Arch, Kexec, Kind, LoadImage, LoadSegment, MAX_SEGMENTS, Range};
pub use machine::{E820Entry, Machine, Version};
pub use privcmd::Privcmd;
pub use problem::LoadProblem;
pub use transport::{DOMID_IO, DOMID_SELF, DOMID_XEN, Transport};
pub use watchdog::Watchdog;
