//! Advice on the size to reserve for a crash image: the sum of what planning
//! needs, independent of the address of the region.

use super::boot::params::BootParams;
use super::crash::size::SizeEstimate;
use super::crash::xen::layout;
use super::crash::{Reserve, estimate, initramfs};
use super::dt_target::DtTarget;
use super::{PlanError, Request, build_dt};
use crate::host::{Host, RawRange};
use crate::image::dom0::Dom0Footprint;
use handoff::addr::PhysRange;

/// Upper limit on the size of the boot information, in bytes.
const INFORMATION: u64 = 64 << 10;
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

/// How the size of a region is found, with what is read once.
enum SizeRule<'a> {
    /// The image with what is loaded beside it.
    Loaded(Box<BootParams>),
    /// Xen; its dom0's kernel was unpacked for that.
    Xen(Dom0Footprint),
    /// A kernel that gets a device tree.
    DeviceTree(DtTarget<'a>),
}

impl<'a> SizeRule<'a> {
    fn of(request: &'a Request, host: &Host) -> Result<Self, PlanError> {
        if let Some(target) = DtTarget::of(request) {
            return Ok(Self::DeviceTree(target));
        }
        let params = BootParams::decide(request, host)?;
        Ok(match params.xen {
            Some(_) => Self::Xen(layout::dom0_kernel(request)?),
            None => Self::Loaded(Box::new(params)),
        })
    }

    /// Bytes to reserve for the region of `request`, whose initrds unpack to `files` bytes, and the parts.
    fn size(
        &self,
        request: &Request,
        host: &Host,
        files: u64,
    ) -> Result<(u64, SizeEstimate), PlanError> {
        let estimate = match self {
            Self::Xen(kernel) => return layout::advice(request, *kernel, host, files),
            Self::Loaded(params) => estimate::of_load(request, params, INFORMATION, host),
            Self::DeviceTree(target) => build_dt::estimate(request, *target, host)?,
        };
        let modules = request.modules.iter();
        let packed = modules.map(|module| module.data.len() as u64).sum();
        Ok((estimate.to_reserve(packed, files), estimate))
    }
}

/// Computes the size to reserve for the crash image of `request` at any address.
/// The current reservation has no influence.
///
/// # Errors
///
/// When it could not be loaded in any region.
pub fn advice(request: &Request, host: &Host) -> Result<Advice, PlanError> {
    PlanError::check_machine(request, host)?;
    let files = initramfs::files(request);
    let rule = SizeRule::of(request, host)?;
    let (mut request, mut host) = (request.clone(), host.clone());
    let mut bytes = 0;
    for _ in 0..MAX_STEPS {
        let end = NOWHERE.saturating_add(bytes);
        host.crash_regions = vec![RawRange {
            start: NOWHERE,
            end,
        }];
        request.crash = PhysRange::new(NOWHERE, end);
        let (more, estimate) = rule.size(&request, &host, files)?;
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
