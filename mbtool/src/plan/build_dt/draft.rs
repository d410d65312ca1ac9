//! What a plan for a machine with a device tree is made of, before anything has an address.

use super::xen;
use crate::arch::Architecture;
use crate::fdt::{DeviceTree, LinuxChosen, XenChosen};
use crate::host::{Host, map};
use crate::image::linux::IMAGE_ALIGN;
use crate::plan::boot::device_tree::{self, DtChosen};
use crate::plan::boot::linux::check_initrd;
use crate::plan::cmdline_change::CmdlineChange;
use crate::plan::crash::size::{Part, SizeEstimate};
use crate::plan::crash::{self, cmdline};
use crate::plan::dt_target::DtTarget;
use crate::plan::place::allocatable;
use crate::plan::place::dt::{DtPlaces, DtSizes};
use crate::plan::{PlanError, Request, handoff_dt};
use handoff::addr::{FOUR_GIB, MIB, PAGE_SIZE, PhysRange, align_down};
use handoff::spec::Drill;
use xen_shim::arm::ArmModule;

/// Longest command line that Linux keeps whole (`COMMAND_LINE_SIZE`), with its NUL.
const fn cmdline_size(arch: Architecture) -> usize {
    match arch {
        Architecture::Riscv64 | Architecture::Arm => 1024,
        Architecture::X86_64 | Architecture::Arm64 => 2048,
    }
}

/// A place for parts that have none yet: its address has the most digits that a tree can have.
fn somewhere(tree: &DeviceTree) -> PhysRange {
    let last = tree.highest_address();
    PhysRange {
        start: last - 2 * PAGE_SIZE + 1,
        end: last - PAGE_SIZE + 1,
    }
}

/// The end of a crash region in which the core header of a crash kernel of 32-bit ARM is: that kernel maps it only where it has
/// no memory (arch/arm/mm/ioremap.c), so the region is cut there for it, at a section of its page tables.
fn header_block(
    arch: Architecture,
    region: Option<PhysRange>,
    len: Option<u64>,
) -> Option<PhysRange> {
    let (region, len) = (region?, len?);
    let start = align_down(region.end.checked_sub(len)?, SECTION);
    (arch == Architecture::Arm && start > region.start).then_some(PhysRange {
        start,
        end: region.end,
    })
}

/// Memory of one entry of the first level of page tables of 32-bit ARM.
const SECTION: u64 = MIB;

/// What was decided before anything is placed.
pub(super) struct DtParams {
    /// Command line of the image.
    pub cmdline: String,
    /// Roles of Xen's modules; empty for Linux.
    pub roles: Vec<ArmModule>,
    /// The memory that Xen finds in the tree, where it is not there already.
    pub memory: Option<Vec<PhysRange>>,
    pub changes: Vec<CmdlineChange>,
    pub warnings: Vec<String>,
}

impl DtParams {
    pub fn decide(request: &Request, target: DtTarget<'_>, host: &Host) -> Result<Self, PlanError> {
        let image = &request.image;
        if let Some(index) = request
            .modules
            .iter()
            .position(|module| module.data.is_empty())
        {
            let name = request.segment_name(index);
            return Err(PlanError::EmptyModule { name });
        }
        let useless = [
            ("--real-mode", request.real_mode),
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
            roles: Vec::new(),
            memory: None,
            changes: request.changes.clone(),
            warnings: request.warnings.clone(),
        };
        params.warnings.extend(image.warnings.iter().cloned());
        let line = match target {
            DtTarget::Linux(_) => {
                check_initrd(request)?;
                &params.cmdline
            }
            DtTarget::Xen(..) => {
                let (roles, warnings) = xen::check(request, host)?;
                params.roles = roles;
                params.warnings.extend(warnings);
                params.memory = xen::memory_for(&device_tree::source(request, host)?, host)?;
                // Xen keeps lines of any length
                dom0_line(request)
            }
        };
        let (len, size) = (line.len(), cmdline_size(host.arch));
        if len >= size {
            params.warnings.push(format!(
                "the command line has {len} bytes: Linux on {} cuts it after {}",
                host.arch,
                size - 1
            ));
        }
        if request.crash.is_some() {
            let line = cmdline::without_header(&params.cmdline);
            params.cmdline = line.text;
            let text = line.changes.iter().map(ToString::to_string);
            params.warnings.extend(text);
            params.changes.extend(line.changes);
            params.warnings.extend(host.dump_facts().warnings());
            let mut ram = map::ram_ranges(&host.memory_map);
            if host.arch == Architecture::Arm && ram.any(|run| run.end > FOUR_GIB) {
                params.warnings.push(
                    "memory from 4 GiB on will not be in a dump: a 32-bit kernel accepts only a core header in ELF32"
                        .to_owned(),
                );
            }
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
    pub sizes: DtSizes,
    /// Memory of a crash region that only the core header is in.
    pub header_block: Option<PhysRange>,
}

impl DtDraft {
    /// Makes the parts for `target`, the image of `request`.
    ///
    /// # Errors
    ///
    /// When the device tree or the running system's facts for a dump are unusable.
    pub fn of(
        request: &Request,
        target: DtTarget<'_>,
        host: &Host,
        params: &DtParams,
    ) -> Result<Self, PlanError> {
        let source = device_tree::source(request, host)?;
        let core_header = match request.crash {
            Some(_) => Some(crash::device_tree::core_header(host, &source)?),
            None => None,
        };
        let bytes = |role| {
            let index = match target {
                DtTarget::Linux(_) => (role == ArmModule::Ramdisk).then_some(0),
                DtTarget::Xen(..) => params.roles.iter().position(|found| *found == role),
            };
            let module = request.modules.get(index?)?;
            Some(module.data.len() as u64)
        };
        let mut sizes = DtSizes {
            kernel: target.memory(),
            dom0_kernel: bytes(ArmModule::Kernel),
            initrd: bytes(ArmModule::Ramdisk),
            xsm_policy: bytes(ArmModule::XsmPolicy),
            tree: 0,
            core_header: core_header.as_ref().map(|bytes| bytes.len() as u64),
            handoff: handoff_dt::memsz(host.arch),
            spare: request
                .crash
                .map_or(0, |_| allocatable::spare(request, host)),
        };
        // the tree does not become larger by addresses
        let somewhere = somewhere(&source);
        let place = |len: Option<u64>| len.map(|_| somewhere);
        let places = DtPlaces {
            dom0_kernel: place(sizes.dom0_kernel),
            initrd: place(sizes.initrd),
            xsm_policy: place(sizes.xsm_policy),
            core_header: place(sizes.core_header),
            ..DtPlaces::default()
        };
        let inputs = ChosenInputs::new(request, host, params, &places);
        let built = device_tree::build(source.clone(), &inputs.chosen(target))?;
        sizes.tree = built.blob.len() as u64;
        let header_block = header_block(host.arch, request.crash, sizes.core_header);
        if header_block.is_some() {
            sizes.core_header = None;
        }
        Ok(Self {
            source,
            filled: built.tree,
            core_header,
            sizes,
            header_block,
        })
    }

    /// Where the core header is, if it has a block of its own.
    pub fn header_place(&self) -> Option<PhysRange> {
        let len = self.core_header.as_ref()?.len() as u64;
        PhysRange::from_len(self.header_block?.start, len)
    }

    /// Memory that a crash region needs for all of it.
    pub fn estimate(&self, request: &Request) -> SizeEstimate {
        let kernel = Part::new(&request.image.name, self.sizes.kernel);
        let others = self.sizes.others();
        let others = others.iter().map(|part| Part::new(part.name, part.len));
        let block = self.header_block.map(|_| Part::new("core header", SECTION));
        SizeEstimate {
            parts: [kernel].into_iter().chain(others).chain(block).collect(),
            align: IMAGE_ALIGN,
        }
    }
}

/// Estimates the region for the crash kernel of `request`, which is `target`.
///
/// # Errors
///
/// As of [`DtDraft::of`], and when the initrd is none.
pub(crate) fn estimate(
    request: &Request,
    target: DtTarget<'_>,
    host: &Host,
) -> Result<SizeEstimate, PlanError> {
    let params = DtParams::decide(request, target, host)?;
    let draft = DtDraft::of(request, target, host, &params)?;
    Ok(draft.estimate(request))
}

/// Dom0's command line.
fn dom0_line(request: &Request) -> &str {
    let kernel = request.modules.first();
    kernel.map_or("", |kernel| &kernel.cmdline)
}

/// What `/chosen` refers to.
pub(super) struct ChosenInputs<'a> {
    request: &'a Request,
    params: &'a DtParams,
    places: &'a DtPlaces,
    /// Memory of a crash kernel: its region first, as kernels before Linux 5.19 only read that.
    usable: Vec<PhysRange>,
    /// Xen's modules.
    modules: Vec<(ArmModule, PhysRange)>,
}

impl<'a> ChosenInputs<'a> {
    pub fn new(
        request: &'a Request,
        host: &Host,
        params: &'a DtParams,
        places: &'a DtPlaces,
    ) -> Self {
        let mut usable: Vec<PhysRange> = request.crash.into_iter().collect();
        if request.crash.is_some() {
            let others = host.crash_ranges().filter(|range| {
                let own = request.crash.is_some_and(|region| region.overlaps(range));
                !own && !range.is_empty()
            });
            usable.extend(others);
        }
        if let (Architecture::Arm, Some(first), Some(header)) =
            (host.arch, usable.first_mut(), places.core_header)
        {
            // see `header_block`
            first.end = first.end.min(header.start);
        }
        let place = |role: &ArmModule| Some((*role, places.module(*role)?));
        Self {
            request,
            params,
            places,
            usable,
            modules: params.roles.iter().filter_map(place).collect(),
        }
    }

    /// `/chosen` for `target`.
    pub fn chosen(&self, target: DtTarget<'_>) -> DtChosen<'_> {
        let (request, params, places) = (self.request, self.params, self.places);
        let seeds = device_tree::seeds(request);
        match target {
            DtTarget::Linux(_) => DtChosen::Linux(LinuxChosen {
                bootargs: &params.cmdline,
                initrd: places.initrd,
                elfcorehdr: places.core_header,
                usable: &self.usable,
                seeds,
                stale: &[],
            }),
            DtTarget::Xen(..) => DtChosen::Xen(XenChosen {
                bootargs: &params.cmdline,
                dom0_bootargs: dom0_line(request),
                modules: &self.modules,
                seeds,
                memory: params.memory.as_deref(),
            }),
        }
    }
}
