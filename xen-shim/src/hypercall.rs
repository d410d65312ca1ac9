//! Hypercalls of a control domain: kexec, facts about the machine, and a watchdog.
//!
//! [`Privcmd`] calls the running Xen, [`testing::FakeXen`] replaces it in tests; [`Kexec`],
//! [`XenMachine`] and [`DomainWatchdog`] work on either, as [`Transport`]. The structures are those
//! of Xen's public headers (kexec.h, memory.h, sched.h, sysctl.h, version.h), x86_64, little
//! endian. docs/hypercall.md describes the reliability of Xen's answers.

mod buffer;
mod errno;
mod error;
mod explain;
pub mod host;
pub mod image;
pub mod kexec;
mod m2p;
mod physinfo;
mod privcmd;
mod problem;
mod range;
pub mod testing;
mod transport;
mod watchdog;
mod wire;

pub use buffer::{Buffer, ForeignMapping};
pub use errno::Errno;
pub use error::HypercallError;
pub use explain::Meaning;
pub use host::{E820Entry, XenMachine, XenVersion};
pub use image::{Arch, ImageKind, LoadImage, MAX_SEGMENTS, XenSegment};
pub use kexec::Kexec;
pub use privcmd::Privcmd;
pub use problem::LoadProblem;
pub use range::KexecRange;
pub use transport::{DOMID_IO, DOMID_SELF, DOMID_XEN, Transport};
pub use watchdog::DomainWatchdog;
