//! Places a kernel that gets a device tree, with all that it gets, out of one list of free memory: Linux (Linux,
//! Documentation/arch/riscv/boot.rst, Documentation/arch/arm64/booting.rst), or Xen on arm64 (`xen_shim::arm`).

mod error;
mod search;
#[cfg(test)]
mod tests;

pub use error::{DtPlaceError, DtWindow};

use super::allocator::Arena;
use crate::image::linux::{ARM_KERNEL_FLOOR, DtImage, DtImageMachine, IMAGE_ALIGN};
use handoff::addr::{MIB, PAGE_SIZE, PhysRange, align_down, align_up, whole_pages};
use search::KernelSearch;
use xen_shim::arm::ArmModule;

/// Largest device tree that Linux and Xen take.
pub const TREE_MAX: u64 = 2 * MIB;
/// From the GiB boundary at or below an arm64 kernel.
const ARM64_INITRD_REACH: u64 = 32 << 30;
/// In such a block a zImage looks for the start of memory.
const ARM_BLOCK: u64 = 128 * MIB;
/// Memory from the start of RAM that every 32-bit kernel maps: with 2 GiB of addresses for it, and less than that of
/// others, it is more. The initrd must be there.
const ARM_LOW_MEMORY: u64 = 704 * MIB;

/// Where the kernel can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DtRules {
    /// Alignment of the kernel: a power of two, at least a page.
    pub align: u64,
    /// Whole pages from a multiple of `align` to the kernel's first byte (arm64's `text_offset`).
    pub offset: u64,
    /// Lowest address of the kernel's first byte.
    pub floor: u64,
    /// Upper bound of the kernel.
    pub ceiling: u64,
    /// The initrd is above the kernel, and ends at most so many bytes from the GiB boundary at or below the kernel's start
    /// (arm64: 32 GiB).
    pub initrd_reach: Option<u64>,
}

impl DtRules {
    /// Rules of a kernel, in a crash region, or else in the RAM that begins at `ram_base`.
    #[must_use]
    pub fn of(image: &DtImage, ram_base: u64, region: Option<PhysRange>) -> Self {
        let base = align_down(ram_base, IMAGE_ALIGN);
        let (offset, floor, initrd_reach) = match image.machine {
            // the offset is from the start of RAM: firmware is below it
            DtImageMachine::Riscv64 => (0, base.saturating_add(image.text_offset), None),
            DtImageMachine::Arm64 => (image.text_offset, base, Some(ARM64_INITRD_REACH)),
            DtImageMachine::Arm => {
                return Self::of_arm(image, region.map_or(ram_base, |region| region.start));
            }
        };
        Self {
            align: IMAGE_ALIGN,
            offset,
            floor: region.map_or(floor, |region| region.start),
            ceiling: u64::MAX,
            initrd_reach,
        }
    }

    /// Rules of a zImage in the memory that begins at `start`: it unpacks the kernel to the start of the 128 MiB that it is
    /// in, or, where that is not memory, to the first 2 MiB of memory (`arch/arm/boot/compressed/head.S`,
    /// `fdt_check_mem_start.c`). So it has one place.
    fn of_arm(image: &DtImage, start: u64) -> Self {
        let up = |align| align_up(start, align).unwrap_or(start);
        let block = |base: u64| {
            let file = base.saturating_add(ARM_KERNEL_FLOOR + image.text_offset);
            align_down(file, ARM_BLOCK)
        };
        // a later block would be memory, and taken
        let base = match up(IMAGE_ALIGN) {
            base if block(base) <= start => base,
            _ => up(ARM_BLOCK),
        };
        let floor = base.saturating_add(ARM_KERNEL_FLOOR);
        Self {
            align: IMAGE_ALIGN,
            offset: ARM_KERNEL_FLOOR,
            floor,
            ceiling: floor.saturating_add(pages(image.memory())),
            initrd_reach: Some(base.saturating_add(ARM_LOW_MEMORY) - align_down(base, 1 << 30)),
        }
    }

    /// Rules of Xen on arm64, in the RAM that begins at `ram_base`. Its modules may be anywhere: it copies them to dom0's
    /// memory, which it takes from what no module is in.
    #[must_use]
    pub fn of_xen(version: Option<&str>, ram_base: u64) -> Self {
        Self {
            align: xen_shim::arm::ALIGN,
            offset: 0,
            floor: align_down(ram_base, xen_shim::arm::ALIGN),
            ceiling: xen_shim::arm::address_end(version),
            initrd_reach: None,
        }
    }
}

/// What there is to place. Sizes are in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DtSizes {
    /// Memory that the kernel, or Xen, needs (`image_size`, which is more than its file).
    pub kernel: u64,
    /// The kernel of Xen's dom0, as its file is.
    pub dom0_kernel: Option<u64>,
    /// The initrd.
    pub initrd: Option<u64>,
    /// Xen's security policy.
    pub xsm_policy: Option<u64>,
    /// The device tree, as it is written.
    pub tree: u64,
    /// The ELF core header of a crash kernel.
    pub core_header: Option<u64>,
    /// The handoff.
    pub handoff: u64,
    /// Memory that stays free, for the loading kernel's own pages in a crash region; 0 for none.
    pub spare: u64,
}

/// Where everything is. The ends are not rounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DtPlaces {
    /// The kernel, or Xen, with all memory that it needs.
    pub kernel: PhysRange,
    /// The kernel of Xen's dom0.
    pub dom0_kernel: Option<PhysRange>,
    /// The initrd.
    pub initrd: Option<PhysRange>,
    /// Xen's security policy.
    pub xsm_policy: Option<PhysRange>,
    /// The device tree.
    pub tree: PhysRange,
    /// The core header.
    pub core_header: Option<PhysRange>,
    /// The handoff.
    pub handoff: PhysRange,
    /// What stays free.
    pub spare: Option<PhysRange>,
    /// True when the initrd, the tree or the core header is below the kernel. A riscv64 kernel before Linux 6.4 does not
    /// use memory below its own.
    pub below_kernel: bool,
}

impl DtPlaces {
    /// The place of a module of Xen.
    #[must_use]
    pub const fn module(&self, role: ArmModule) -> Option<PhysRange> {
        match role {
            ArmModule::Kernel => self.dom0_kernel,
            ArmModule::Ramdisk => self.initrd,
            ArmModule::XsmPolicy => self.xsm_policy,
        }
    }
}

/// A part with its name.
#[derive(Clone, Copy)]
pub(in crate::plan) struct NamedSize {
    pub name: &'static str,
    pub len: u64,
    /// Of use for the kernel, so above it if possible.
    for_kernel: bool,
}

impl DtSizes {
    /// All but the kernel.
    pub(in crate::plan) fn others(&self) -> Vec<NamedSize> {
        let part = |name, len: Option<u64>, for_kernel| {
            len.map(|len| NamedSize {
                name,
                len,
                for_kernel,
            })
        };
        let spare = (self.spare > 0).then_some(self.spare);
        let all = [
            part(DOM0_KERNEL, self.dom0_kernel, true),
            part(INITRD, self.initrd, true),
            part(XSM_POLICY, self.xsm_policy, true),
            part(TREE, Some(self.tree), true),
            part(CORE_HEADER, self.core_header, true),
            part(HANDOFF, Some(self.handoff), false),
            part(SPARE, spare, false),
        ];
        all.into_iter().flatten().collect()
    }
}

const DOM0_KERNEL: &str = ArmModule::Kernel.name();
const INITRD: &str = ArmModule::Ramdisk.name();
const XSM_POLICY: &str = ArmModule::XsmPolicy.name();
const TREE: &str = "device tree";
const CORE_HEADER: &str = "core header";
const HANDOFF: &str = "handoff";
const SPARE: &str = "loading kernel's own pages";

/// Places everything in `free`: the kernel as low as its rules permit, the rest above it as low as possible. If that
/// cannot be, the rest may be below it. Each part has pages of its own.
///
/// # Errors
///
/// When there is no arrangement at all.
pub fn place(
    free: &[PhysRange],
    sizes: &DtSizes,
    rules: &DtRules,
) -> Result<DtPlaces, DtPlaceError> {
    if sizes.tree > TREE_MAX {
        return Err(DtPlaceError::TreeTooLarge {
            len: sizes.tree,
            max: TREE_MAX,
        });
    }
    let arena = Arena::new(free.iter().copied());
    let free = arena.ram();
    let others = sizes.others();
    for above in [true, false] {
        let search = KernelSearch {
            free,
            kernel: sizes.kernel,
            others: &others,
            rules,
            above,
        };
        if let Some((kernel, places)) = search.run() {
            return Ok(places_of(kernel, &others, &places));
        }
    }
    Err(no_place(free, sizes.kernel, &others, rules))
}

/// The result, by the names of the parts.
fn places_of(kernel: PhysRange, others: &[NamedSize], places: &[PhysRange]) -> DtPlaces {
    let all = || others.iter().zip(places);
    let of = |name| {
        let (part, place) = all().find(|(part, _)| part.name == name)?;
        PhysRange::from_len(place.start, part.len)
    };
    DtPlaces {
        kernel,
        dom0_kernel: of(DOM0_KERNEL),
        initrd: of(INITRD),
        xsm_policy: of(XSM_POLICY),
        tree: of(TREE).unwrap_or_default(),
        core_header: of(CORE_HEADER),
        handoff: of(HANDOFF).unwrap_or_default(),
        spare: of(SPARE),
        below_kernel: all().any(|(part, place)| part.for_kernel && place.start < kernel.start),
    }
}

/// Bytes of the pages of a part.
fn pages(len: u64) -> u64 {
    whole_pages(len.max(1)).max(PAGE_SIZE)
}

/// The error: for a part that has no place alone, or for all of them.
fn no_place(
    free: &[PhysRange],
    kernel: u64,
    others: &[NamedSize],
    rules: &DtRules,
) -> DtPlaceError {
    let largest = free.iter().copied().max_by_key(PhysRange::len);
    let all = free.to_vec();
    let alone = KernelSearch {
        free,
        kernel,
        others: &[],
        rules,
        above: false,
    };
    if alone.run().is_none() {
        let window = PhysRange {
            start: rules.floor,
            end: rules.ceiling,
        };
        let there = free.iter().filter_map(|hole| hole.intersect(&window));
        return DtPlaceError::Part {
            name: "kernel",
            len: kernel,
            align: rules.align,
            floor: rules.floor,
            ceiling: rules.ceiling,
            largest: there.max_by_key(PhysRange::len).or(largest),
            free: all,
        };
    }
    let most = largest.map_or(0, |hole| hole.len());
    if let Some(part) = others.iter().find(|part| pages(part.len) > most) {
        return DtPlaceError::Part {
            name: part.name,
            len: part.len,
            align: PAGE_SIZE,
            floor: 0,
            ceiling: u64::MAX,
            largest,
            free: all,
        };
    }
    let mut parts = vec![("kernel", kernel)];
    parts.extend(others.iter().map(|part| (part.name, part.len)));
    DtPlaceError::Together {
        total: parts
            .iter()
            .map(|(_, len)| pages(*len))
            .fold(0, u64::saturating_add),
        parts,
        largest,
        free: all,
    }
}
