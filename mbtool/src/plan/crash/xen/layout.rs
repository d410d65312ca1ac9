//! Xen as crash kernel: places the reserved block for dom0, and decides about
//! memory map, low memory, ACPI and command lines.
//!
//! Layout of the region from its start: pages of the loading kernel; the block
//! (core header, ACPI tables, low memory, memory hidden by dom0's range), which is
//! reserved in Xen's memory map; Xen, modules, boot information and handoff; free
//! memory.

use super::reserved_block::ReservedBlock;
use super::size::XenSize;
use super::{Dom0Range, cmdline, dom0_backup};
use crate::host::Host;
use crate::host::crash_notes::CrashInfo;
use crate::image::dom0::{self, Dom0Footprint};
use crate::plan::boot::e820;
use crate::plan::boot::low_memory::LowMemoryPlan;
use crate::plan::boot::params::BootParams;
use crate::plan::crash::data::CrashData;
use crate::plan::crash::size::{Part, SizeEstimate};
use crate::plan::crash::{Backup, dump_ranges, elfcorehdr, memory_map};
use crate::plan::place::allocator::{Arena, Ask, NoFreeRange, Prefer};
use crate::plan::{PlanError, Request, Segment};
use handoff::addr::{FOUR_GIB, PAGE_SIZE, PhysRange, whole_pages};
use xen_shim::cmdline::Cmdline;
use xen_shim::{acpi, contract};

/// Input that is known before placement.
struct Known<'a> {
    kernel: Dom0Footprint,
    dom0: Dom0Range,
    /// Memory to back up, in order.
    saved: Vec<PhysRange>,
    /// Size of the core header in bytes.
    header: u64,
    /// Size of the ACPI tables in bytes, and the CPU that some of them omit.
    acpi: Option<(u64, u32)>,
    facts: CrashInfo,
    regions: Vec<PhysRange>,
    host: &'a Host,
}

impl<'a> Known<'a> {
    fn find(
        request: &Request,
        kernel: Dom0Footprint,
        host: &'a Host,
        warnings: &mut Vec<String>,
    ) -> Result<Self, PlanError> {
        let regions: Vec<PhysRange> = host.crash_ranges().collect();
        let total: u64 = regions.iter().map(PhysRange::len).sum();
        let dom0 = Dom0Range::new(&kernel, initrd(request), total.max(USUAL))?;
        let hidden = dom0.hidden(&host.memory_map, &regions)?;
        let facts = host.dump_facts();
        let notes = facts.cpu_notes.iter().chain(&facts.vmcoreinfo);
        let notes = notes.chain(&facts.xen_vmcoreinfo).copied();
        let low = dump_ranges::to_save(&host.ram_in_use());
        let saved: Vec<PhysRange> = low
            .into_iter()
            .chain(dom0_backup::to_save(&hidden, notes))
            .collect();
        let acpi = match tables(host) {
            Ok(found) => Some(found),
            Err(why) => {
                warnings.push(format!(
                    "Xen will use one CPU only, as it cannot be kept from the CPU that firmware \
                     started: {why}"
                ));
                None
            }
        };
        // the number of ranges depends on the source of a backup, not on its
        // destination
        let somewhere: Vec<Backup> = saved.iter().map(|&from| Backup { from, to: 0 }).collect();
        let count = dump_ranges::loads(&host.ram_in_use(), &regions, &somewhere).len();
        Ok(Self {
            header: whole_pages(elfcorehdr::len(&facts, count, &somewhere)?),
            kernel,
            dom0,
            saved,
            acpi,
            facts,
            regions,
            host,
        })
    }

    /// Size of the reserved block in bytes.
    fn block_len(&self) -> u64 {
        let acpi = self.acpi.map_or(0, |(len, _)| whole_pages(len));
        let saved = self.saved.iter().map(|range| whole_pages(range.len()));
        saved.fold(self.header + acpi, u64::saturating_add)
    }

    /// Number of CPUs of the machine, if known.
    fn cpus(&self) -> usize {
        self.facts.cpu_notes.len()
    }

    fn xen_size(&self, request: &Request) -> XenSize {
        let module = |index: usize| {
            request
                .modules
                .get(index)
                .map_or(0, |m| m.data.len() as u64)
        };
        let other = handoff::blob::memsz()
            + crate::plan::place::allocatable::spare(request, self.host)
            + INFORMATION;
        XenSize {
            reserved: self.block_len(),
            xen: contract::reserve_len(request.image.span.len()).unwrap_or(u64::MAX),
            other,
            kernel: module(0),
            unpacked: self.kernel.unpacked,
            initrd: initrd(request),
            // lower bound
            files: initrd(request),
            block: self.dom0.block,
            cpus: self.cpus() as u64,
        }
    }

    fn estimate(&self, request: &Request) -> SizeEstimate {
        let xen_size = self.xen_size(request);
        let hidden = self.saved.iter().filter(|range| range.start >= FIRST_MIB);
        let hidden = hidden.map(PhysRange::len).sum();
        let mut parts = vec![
            Part::new("xen", xen_size.xen),
            Part::new("copy of dom0's range", hidden),
            Part::new(
                "other copies and tables",
                xen_size.reserved.saturating_sub(hidden),
            ),
            Part::new("handoff and boot information", xen_size.other),
            Part::new("memory to unpack dom0's kernel", xen_size.unpacked),
            Part::new("dom0's first block", xen_size.block),
        ];
        for (index, module) in request.modules.iter().enumerate() {
            parts.push(Part::new(
                &request.segment_name(index),
                module.data.len() as u64,
            ));
        }
        parts.retain(|part| part.len > 0);
        SizeEstimate {
            parts,
            align: PAGE_SIZE,
        }
    }

    fn block_at(&self, range: PhysRange, request: &Request) -> ReservedBlock {
        ReservedBlock {
            range,
            xen_size: self.xen_size(request),
            estimate: self.estimate(request),
            regions: self.regions.clone(),
        }
    }
}

/// A large size of a crash region, in bytes.
const USUAL: u64 = 1 << 30;
/// Upper limit on the size of the boot information, in bytes.
const INFORMATION: u64 = 64 << 10;
/// Upper limit on the size of the ACPI tables, in bytes.
const TABLES: u64 = 1 << 20;
/// End of low memory.
const FIRST_MIB: u64 = handoff::addr::MIB;

/// Reads dom0's kernel, the first module.
///
/// # Errors
///
/// There is none, or it cannot be a paravirtualized dom0.
pub(crate) fn dom0_kernel(request: &Request) -> Result<Dom0Footprint, PlanError> {
    let Some(kernel) = request.modules.first() else {
        return Err(contract::ContractError::NoDom0.into());
    };
    Ok(dom0::look(&kernel.data, &request.segment_name(0))?)
}

/// Computes the reservation for `request`, whose initrd unpacks to `files` bytes,
/// in bytes, and its parts. `kernel` is dom0's.
///
/// # Errors
///
/// When it could not be loaded in any region.
pub(crate) fn advice(
    request: &Request,
    kernel: Dom0Footprint,
    host: &Host,
    files: u64,
) -> Result<(u64, SizeEstimate), PlanError> {
    let known = Known::find(request, kernel, host, &mut Vec::new())?;
    let mut xen_size = known.xen_size(request);
    xen_size.files = xen_size.files.max(files);
    if known.acpi.is_none() {
        xen_size.reserved = xen_size.reserved.saturating_add(TABLES);
    }
    Ok((xen_size.to_reserve(), known.estimate(request)))
}

/// Places the reserved block: takes the pages from `arena`, sets the memory map
/// and low memory in `low`, and completes the command lines in `params`.
///
/// # Errors
///
/// When the region is too small, or dom0 cannot start there.
pub(crate) fn decide(
    request: &Request,
    region: PhysRange,
    host: &Host,
    params: &mut BootParams,
    low: &mut LowMemoryPlan,
    arena: &mut Arena,
) -> Result<CrashData, PlanError> {
    if cmdline::asks_for_pvh(&params.cmdline) {
        return Err(PlanError::PvhDom0);
    }
    let known = Known::find(request, dom0_kernel(request)?, host, &mut params.warnings)?;
    let facts = &known.facts;
    params.warnings.extend(facts.warnings());
    let block = place(&known, region, arena)
        .map_err(|_: NoFreeRange| known.block_at(region, request).too_small(region))?;
    let mut at = block.start;
    let mut take = |len: u64| {
        let range = PhysRange {
            start: at,
            end: at + whole_pages(len),
        };
        at = range.end;
        range
    };
    let header = take(known.header);
    let acpi_range = known.acpi.map(|(len, _)| take(len));
    let saved: Vec<PhysRange> = known.saved.iter().map(|from| take(from.len())).collect();
    let backups: Vec<Backup> = known
        .saved
        .iter()
        .zip(&saved)
        .map(|(&from, to)| Backup { from, to: to.start })
        .collect();

    let loads = dump_ranges::loads(&host.ram_in_use(), &known.regions, &backups);
    let mut extra = Vec::new();
    let mut one_cpu = true;
    if let (Some(range), Some((_, boot_cpu))) = (acpi_range, known.acpi) {
        let trees = acpi::build(&host.acpi.tables, range.start, boot_cpu)
            .map_err(|error| PlanError::Handoff(error.to_string()))?;
        low.for_crash(host, (trees.all, trees.others))?;
        extra.push(Segment::new("acpi", range, trees.bytes));
        one_cpu = false;
    }
    let sent = memory_map::for_xen(
        &host.map_with_added(),
        &known.regions,
        block,
        known.dom0.range,
    );
    low.areas = e820::areas(&sent);
    let line = cmdline::xen_line(&params.cmdline, one_cpu, known.cpus());
    params.cmdline = line.text;
    params.changed(line.changes);
    let line = cmdline::dom0_line(&request.modules[0].cmdline, header.start);
    params.changed(line.changes);
    contract::check_dom0_line(&line.text, &Cmdline::xen(&params.cmdline))?;
    let strings = [params.cmdline.as_str(), line.text.as_str()];
    contract::check_boot_heap(&strings, request.modules.len(), low.areas.len())?;
    params.dom0_line = Some(line.text);
    Ok(CrashData {
        bytes: elfcorehdr::build(host.arch, facts, &loads, &backups)?,
        header,
        backups,
        extra,
        block: Some(known.block_at(block, request)),
    })
}

/// Places the reserved block as low as possible, outside of memory that dom0
/// requires to be RAM.
fn place(
    known: &Known<'_>,
    region: PhysRange,
    arena: &mut Arena,
) -> Result<PhysRange, NoFreeRange> {
    let below = PhysRange {
        start: region.start,
        end: region.end.min(FOUR_GIB - PAGE_SIZE),
    };
    let parts = below.minus(&known.dom0.range);
    let ask = |window| Ask {
        name: "the reserved block for dom0".to_owned(),
        len: known.block_len(),
        align: PAGE_SIZE,
        window,
        allowed: window,
        prefer: Prefer::Lowest,
    };
    let mut asks: Vec<Ask> = parts.into_iter().flatten().map(ask).collect();
    asks.retain(|one| arena.find(one).is_some());
    // no part is named: the error is about the whole block
    arena.take(asks.first().unwrap_or(&ask(PhysRange::default())))
}

/// Returns the size of the ACPI tables for a crash Xen, and the APIC id of the
/// boot CPU.
///
/// # Errors
///
/// Why Xen gets no generated tables, and will use one CPU only.
pub fn tables(host: &Host) -> Result<(u64, u32), String> {
    let acpi = &host.acpi;
    let why = || {
        acpi.warnings
            .first()
            .cloned()
            .unwrap_or_else(|| "its ACPI tables are unknown".to_owned())
    };
    let boot_cpu = acpi.boot_cpu.ok_or_else(why)?;
    if acpi.tables.is_empty() {
        return Err(why());
    }
    // built for address 0, only for the size and errors
    let trees = acpi::build(&acpi.tables, 0, boot_cpu).map_err(|error| error.to_string())?;
    Ok((trees.bytes.len() as u64, boot_cpu))
}

/// Size of all modules except the kernel, one of which is the initrd.
fn initrd(request: &Request) -> u64 {
    let rest = request.modules.iter().skip(1);
    rest.map(|module| whole_pages(module.data.len() as u64))
        .sum()
}
