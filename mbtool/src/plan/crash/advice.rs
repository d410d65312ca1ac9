//! Advice on the size to reserve for a crash image: the sum of what planning
//! needs, independent of the address of the region.

use super::estimate;
use super::size::SizeEstimate;
use super::xen::layout;
use super::{Reserve, initramfs};
use crate::host::{Host, RawRange};
use crate::image::Protocol;
use crate::plan::boot::params::BootParams;
use crate::plan::{PlanError, Request};
use handoff::addr::PhysRange;

/// Upper limit on the size of the boot information, in bytes.
const INFORMATION: u64 = 64 << 10;
/// Assumed compression ratio of a file that cannot be decompressed.
const UNKNOWN: u64 = 3;
/// An address without memory, so that a region there conflicts with nothing.
const NOWHERE: u64 = 1 << 51;
/// Maximum number of iterations to find the size, which depends on the size of
/// the data that describes the region.
const MAX_STEPS: usize = 16;

/// Size to reserve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// Kernel command-line parameter that reserves it.
    pub reserve: Reserve,
    /// Size of the segments and, for Xen, of the memory that must be free.
    pub estimate: SizeEstimate,
    /// Size of the unpacked files of the initrd, in bytes.
    pub files: u64,
}

/// Computes the size to reserve for the crash image of `request` at any address.
/// The current reservation has no influence.
///
/// # Errors
///
/// When it could not be loaded in any region.
pub fn advice(request: &Request, host: &Host) -> Result<Advice, PlanError> {
    let params = BootParams::decide(request, host)?;
    let files = files(request);
    // read once: it is unpacked for that
    let kernel = match params.xen {
        Some(_) => Some(layout::dom0_kernel(request)?),
        None => None,
    };
    let (mut request, mut host) = (request.clone(), host.clone());
    let mut bytes = 0;
    for _ in 0..MAX_STEPS {
        let end = NOWHERE.saturating_add(bytes);
        host.crash_regions = vec![RawRange {
            start: NOWHERE,
            end,
        }];
        request.crash = PhysRange::new(NOWHERE, end);
        let (more, estimate) = if let Some(kernel) = kernel {
            layout::advice(&request, kernel, &host, files)?
        } else {
            let estimate = estimate::of_load(&request, &params, INFORMATION, &host);
            let modules = request.modules.iter();
            let packed = modules.map(|module| module.data.len() as u64).sum();
            (estimate.to_reserve(packed, files), estimate)
        };
        if more <= bytes {
            return Ok(Advice {
                reserve: Reserve {
                    bytes,
                    xen: host.xen.is_some(),
                },
                estimate,
                files,
            });
        }
        bytes = more;
    }
    Err(PlanError::NoRam)
}

/// Adds the advised size to `error` if the region is the cause.
pub(crate) fn completed(mut error: PlanError, request: &Request, host: &Host) -> PlanError {
    if let PlanError::CrashRegionTooSmall { reserve, .. } = &mut error {
        *reserve = advice(request, host).ok().map(|advice| advice.reserve);
    }
    error
}

/// Size of the unpacked files of all initrds of `request`, in bytes.
pub(crate) fn files(request: &Request) -> u64 {
    // the first module of other images is a kernel
    let skip = usize::from(!matches!(request.image.protocol, Protocol::Linux(_)));
    let initrds = request.modules.iter().skip(skip);
    let files = initrds.map(|module| unpacked(&module.data));
    files.fold(0, u64::saturating_add)
}

/// Size of the unpacked files of an initrd, in bytes.
fn unpacked(initrd: &[u8]) -> u64 {
    let packed = initrd.len() as u64;
    let unknown = packed.saturating_mul(UNKNOWN);
    initramfs::unpacked(initrd).unwrap_or(unknown).max(packed)
}
