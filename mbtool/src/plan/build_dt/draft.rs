//! What a plan for a machine with a device tree is made of, before anything has an address.

use crate::fdt::{DeviceTree, LinuxChosen};
use crate::host::Host;
use crate::image::linux::{DtImage, IMAGE_ALIGN};
use crate::plan::boot::device_tree;
use crate::plan::boot::linux::check_initrd;
use crate::plan::cmdline_change::CmdlineChange;
use crate::plan::crash::size::{Part, SizeEstimate};
use crate::plan::crash::{self, cmdline};
use crate::plan::place::allocatable;
use crate::plan::place::dt_linux::DtLinuxSizes;
use crate::plan::{PlanError, Request, handoff_riscv64};
use handoff::addr::{PAGE_SIZE, PhysRange};
use handoff::spec::Drill;

/// Longest command line that Linux keeps whole on riscv64 (asm/setup.h), with its NUL.
const CMDLINE_SIZE: usize = 1024;

/// What was decided before anything is placed.
pub(super) struct DtParams {
    pub cmdline: String,
    pub changes: Vec<CmdlineChange>,
    pub warnings: Vec<String>,
}

impl DtParams {
    pub fn decide(request: &Request, host: &Host) -> Result<Self, PlanError> {
        let image = &request.image;
        if let Some(index) = request
            .modules
            .iter()
            .position(|module| module.data.is_empty())
        {
            let name = request.segment_name(index);
            return Err(PlanError::EmptyModule { name });
        }
        check_initrd(request)?;
        let useless = [
            ("--guard", request.guard),
            (
                "--drill fault-protected",
                request.drill == Drill::FaultProtected,
            ),
        ];
        if let Some((option, _)) = useless.into_iter().find(|(_, given)| *given) {
            let arch = host.arch;
            return Err(PlanError::NotOnThisMachine { option, arch });
        }
        let mut params = Self {
            cmdline: request.cmdline.clone(),
            changes: request.changes.clone(),
            warnings: request.warnings.clone(),
        };
        params.warnings.extend(image.warnings.iter().cloned());
        if request.crash.is_some() {
            let line = cmdline::without_header(&params.cmdline);
            params.cmdline = line.text;
            let text = line.changes.iter().map(ToString::to_string);
            params.warnings.extend(text);
            params.changes.extend(line.changes);
            params.warnings.extend(host.dump_facts().warnings());
        }
        if params.cmdline.len() >= CMDLINE_SIZE {
            params.warnings.push(format!(
                "the command line has {} bytes: Linux on {} cuts it after {}",
                params.cmdline.len(),
                host.arch,
                CMDLINE_SIZE - 1
            ));
        }
        Ok(params)
    }
}

/// Parts, and their sizes.
pub(super) struct DtDraft {
    /// The tree to change.
    pub source: DeviceTree,
    /// The tree with values of the final length.
    pub filled: DeviceTree,
    /// ELF core header of a crash kernel.
    pub core_header: Option<Vec<u8>>,
    /// Bytes to place.
    pub sizes: DtLinuxSizes,
}

impl DtDraft {
    /// Makes the parts for the Linux `image` of `request`.
    ///
    /// # Errors
    ///
    /// When the device tree or the running system's facts for a dump are unusable.
    pub fn of(
        request: &Request,
        image: &DtImage,
        host: &Host,
        cmdline: &str,
    ) -> Result<Self, PlanError> {
        let source = device_tree::source(request, host)?;
        let core_header = match request.crash {
            Some(_) => Some(crash::device_tree::core_header(host, &source)?),
            None => None,
        };
        let initrd = request.modules.first();
        // the size of the tree does not depend on addresses
        let somewhere = PhysRange::from_len(0, PAGE_SIZE);
        let chosen = chosen(
            request,
            cmdline,
            somewhere.filter(|_| initrd.is_some()),
            somewhere.filter(|_| core_header.is_some()),
        );
        let built = device_tree::build(source.clone(), &chosen)?;
        let sizes = DtLinuxSizes {
            kernel: image.memory(),
            initrd: initrd.map(|initrd| initrd.data.len() as u64),
            tree: built.blob.len() as u64,
            core_header: core_header.as_ref().map(|bytes| bytes.len() as u64),
            handoff: handoff_riscv64::memsz(),
            spare: request
                .crash
                .map_or(0, |_| allocatable::spare(request, host)),
        };
        Ok(Self {
            source,
            filled: built.tree,
            core_header,
            sizes,
        })
    }

    /// Memory that a crash region needs for all of it.
    pub fn estimate(&self, request: &Request) -> SizeEstimate {
        let kernel = Part::new(&request.image.name, self.sizes.kernel);
        let others = self.sizes.others();
        let others = others.iter().map(|part| Part::new(part.name, part.len));
        SizeEstimate {
            parts: [kernel].into_iter().chain(others).collect(),
            align: IMAGE_ALIGN,
        }
    }
}

/// Estimates the region for the crash kernel `image` of `request`.
///
/// # Errors
///
/// As of [`DtDraft::of`], and when the initrd is none.
pub(crate) fn estimate(
    request: &Request,
    image: &DtImage,
    host: &Host,
) -> Result<SizeEstimate, PlanError> {
    let params = DtParams::decide(request, host)?;
    let draft = DtDraft::of(request, image, host, &params.cmdline)?;
    Ok(draft.estimate(request))
}

/// `/chosen` with these places.
pub(super) fn chosen<'a>(
    request: &'a Request,
    bootargs: &'a str,
    initrd: Option<PhysRange>,
    elfcorehdr: Option<PhysRange>,
) -> LinuxChosen<'a> {
    LinuxChosen {
        bootargs,
        initrd,
        elfcorehdr,
        usable: request.crash.as_slice(),
        seeds: device_tree::seeds(request),
        stale: &[],
    }
}
