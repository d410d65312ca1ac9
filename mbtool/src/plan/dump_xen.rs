//! Xen as crash kernel: places what is kept for dom0, and decides about memory
//! map, low memory, ACPI and command lines.
//!
//! In the region, from its start: the loading kernel's own pages; what is kept
//! (core header, ACPI tables, low memory, dom0's window), in one piece that Xen is
//! told is reserved; Xen, modules, boot information and handoff; free memory.

use super::dump::Dump;
use super::layout::Layout;
use super::low::Low;
use super::place::{Arena, Ask, NoRoom, Prefer};
use super::wishes::Wishes;
use super::{PlanError, Request, Segment, advise, sent_map};
use crate::crash::need::{Need, Part};
use crate::crash::xen::room::{self, Room};
use crate::crash::xen::{Window, fence, map, words};
use crate::crash::{Backup, header, loads};
use crate::host::Host;
use crate::host::crash_notes::CrashInfo;
use crate::image::dom0::{self, Dom0};
use handoff::addr::{FOUR_GIB, PAGE_SIZE, PhysRange, whole_pages};
use xen_shim::{acpi, contract};

/// What is known before anything is placed.
struct Wanted<'a> {
    kernel: Dom0,
    window: Window,
    /// Memory to save, in the order that it is kept in.
    saved: Vec<PhysRange>,
    /// Bytes of the core header.
    header: u64,
    /// Bytes of the ACPI tables, and the CPU that is not in all of them.
    acpi: Option<(u64, u32)>,
    facts: CrashInfo,
    regions: Vec<PhysRange>,
    host: &'a Host,
}

impl<'a> Wanted<'a> {
    fn find(
        request: &Request,
        host: &'a Host,
        warnings: &mut Vec<String>,
    ) -> Result<Self, PlanError> {
        let Some(kernel) = request.modules.first() else {
            return Err(contract::ContractError::NoDom0.into());
        };
        let kernel = dom0::look(&kernel.data, &request.segment_name(0))?;
        let regions: Vec<PhysRange> = host.crash_ranges().collect();
        let total: u64 = regions.iter().map(PhysRange::len).sum();
        let window = Window::new(&kernel, initrd(request), total.max(USUAL))?;
        let fence = window.fence(&host.memory_map, &regions)?;
        let facts = host.dump_facts();
        let notes = facts.cpu_notes.iter().chain(&facts.vmcoreinfo);
        let notes = notes.chain(&facts.xen_vmcoreinfo).copied();
        let low = loads::to_save(&host.ram_in_use());
        let saved: Vec<PhysRange> = low
            .into_iter()
            .chain(fence::to_save(&fence, notes))
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
        // how many there are depends on what is saved, not on where to
        let somewhere: Vec<Backup> = saved.iter().map(|&from| Backup { from, to: 0 }).collect();
        let count = loads::loads(&host.ram_in_use(), &regions, &somewhere).len();
        Ok(Self {
            header: whole_pages(header::len(&facts, count, &somewhere)?),
            kernel,
            window,
            saved,
            acpi,
            facts,
            regions,
            host,
        })
    }

    /// Bytes of everything that is kept.
    fn kept(&self) -> u64 {
        let acpi = self.acpi.map_or(0, |(len, _)| whole_pages(len));
        let saved = self.saved.iter().map(|range| whole_pages(range.len()));
        saved.fold(self.header + acpi, u64::saturating_add)
    }

    /// How many the machine has, as far as is known.
    fn cpus(&self) -> usize {
        self.facts.cpu_notes.len()
    }

    fn room(&self, request: &Request) -> Room {
        let module = |index: usize| {
            request
                .modules
                .get(index)
                .map_or(0, |m| m.data.len() as u64)
        };
        let other = handoff::blob::memsz() + super::usable::spare(request, self.host) + INFORMATION;
        Room {
            kept: self.kept(),
            xen: contract::reserve_len(request.image.span.len()).unwrap_or(u64::MAX),
            other,
            kernel: module(0),
            unpacked: self.kernel.unpacked,
            initrd: initrd(request),
            // at least
            files: initrd(request),
            block: self.window.block,
            cpus: self.cpus() as u64,
        }
    }

    fn need(&self, request: &Request) -> Need {
        let room = self.room(request);
        let fence = self.saved.iter().filter(|range| range.start >= FIRST_MIB);
        let fence = fence.map(PhysRange::len).sum();
        let mut parts = vec![
            Part::new("xen", room.xen),
            Part::new("copy of dom0's window", fence),
            Part::new("other copies and tables", room.kept.saturating_sub(fence)),
            Part::new("handoff and boot information", room.other),
            Part::new("room to unpack dom0's kernel", room.unpacked),
            Part::new("dom0's first block", room.block),
        ];
        for (index, module) in request.modules.iter().enumerate() {
            parts.push(Part::new(
                &request.segment_name(index),
                module.data.len() as u64,
            ));
        }
        parts.retain(|part| part.len > 0);
        Need {
            parts,
            align: PAGE_SIZE,
        }
    }

    fn kept_at(&self, range: PhysRange, request: &Request) -> Kept {
        Kept {
            range,
            room: self.room(request),
            need: self.need(request),
            regions: self.regions.clone(),
        }
    }
}

/// What is kept for dom0, and what else has to fit.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    /// In one piece.
    pub range: PhysRange,
    room: Room,
    need: Need,
    regions: Vec<PhysRange>,
}

/// A region that is larger than most, in bytes.
const USUAL: u64 = 1 << 30;
/// More than boot information takes, in bytes.
const INFORMATION: u64 = 64 << 10;
/// More than ACPI tables take, in bytes.
const TABLES: u64 = 1 << 20;
/// Where memory begins that is no low memory.
const FIRST_MIB: u64 = handoff::addr::MIB;

/// What to reserve for `request`, whose initrd unpacks to `files` bytes, in bytes;
/// and what for.
///
/// # Errors
///
/// It could not be loaded in any region.
pub(super) fn advice(request: &Request, host: &Host, files: u64) -> Result<(u64, Need), PlanError> {
    let wanted = Wanted::find(request, host, &mut Vec::new())?;
    let mut room = wanted.room(request);
    room.files = room.files.max(files);
    if wanted.acpi.is_none() {
        room.kept = room.kept.saturating_add(TABLES);
    }
    Ok((room.to_reserve(), wanted.need(request)))
}

/// Places everything that is kept: takes the pages out of `arena`, makes the
/// memory map and low memory in `low`, settles the command lines in `wishes`.
///
/// # Errors
///
/// The region is too small, or dom0 cannot start there.
pub(super) fn decide(
    request: &Request,
    region: PhysRange,
    host: &Host,
    wishes: &mut Wishes,
    low: &mut Low,
    arena: &mut Arena,
) -> Result<Dump, PlanError> {
    if words::asks_for_pvh(&wishes.cmdline) {
        return Err(PlanError::PvhDom0);
    }
    let wanted = Wanted::find(request, host, &mut wishes.warnings)?;
    let facts = &wanted.facts;
    wishes.warnings.extend(facts.warnings());
    let kept = place(&wanted, region, arena)
        .map_err(|_: NoRoom| wanted.kept_at(region, request).too_small(region))?;
    let mut at = kept.start;
    let mut take = |len: u64| {
        let range = PhysRange {
            start: at,
            end: at + whole_pages(len),
        };
        at = range.end;
        range
    };
    let header = take(wanted.header);
    let acpi_range = wanted.acpi.map(|(len, _)| take(len));
    let saved: Vec<PhysRange> = wanted.saved.iter().map(|from| take(from.len())).collect();
    let backups: Vec<Backup> = wanted
        .saved
        .iter()
        .zip(&saved)
        .map(|(&from, to)| Backup { from, to: to.start })
        .collect();

    let loads = loads::loads(&host.ram_in_use(), &wanted.regions, &backups);
    let mut extra = Vec::new();
    let mut one_cpu = true;
    if let (Some(range), Some((_, boot_cpu))) = (acpi_range, wanted.acpi) {
        let trees = acpi::build(&host.acpi.tables, range.start, boot_cpu)
            .map_err(|error| PlanError::Handoff(error.to_string()))?;
        low.for_crash(host, (trees.all, trees.others))?;
        extra.push(Segment::new("acpi", range, trees.bytes));
        one_cpu = false;
    }
    let sent = map::confined(
        &host.map_with_added(),
        &wanted.regions,
        kept,
        wanted.window.range,
    );
    low.areas = sent_map::areas(&sent);
    let line = words::xen_line(&wishes.cmdline, one_cpu, wanted.cpus());
    wishes.cmdline = line.text;
    wishes.warnings.extend(line.messages);
    let line = words::dom0_line(&request.modules[0].cmdline, header.start);
    wishes.warnings.extend(line.messages);
    let strings = [wishes.cmdline.as_str(), line.text.as_str()];
    contract::check_boot_heap(&strings, request.modules.len(), low.areas.len())?;
    wishes.dom0_line = Some(line.text);
    Ok(Dump {
        bytes: header::build(facts, &loads, &backups)?,
        header,
        backups,
        extra,
        kept: Some(wanted.kept_at(kept, request)),
    })
}

/// Where what is kept goes: as low as it can, but not where dom0 must have RAM.
fn place(wanted: &Wanted<'_>, region: PhysRange, arena: &mut Arena) -> Result<PhysRange, NoRoom> {
    let below = PhysRange {
        start: region.start,
        end: region.end.min(FOUR_GIB - PAGE_SIZE),
    };
    let parts = below.minus(&wanted.window.range);
    let ask = |window| Ask {
        name: "what is kept for dom0".to_owned(),
        len: wanted.kept(),
        align: PAGE_SIZE,
        window,
        prefer: Prefer::Lowest,
    };
    let mut asks: Vec<Ask> = parts.into_iter().flatten().map(ask).collect();
    asks.retain(|one| arena.find(one).is_some());
    // nowhere: the error is about no part of it
    arena.take(asks.first().unwrap_or(&ask(PhysRange::default())))
}

impl Kept {
    /// Looks whether Xen and dom0 can start in what is left.
    ///
    /// # Errors
    ///
    /// The region is too small.
    pub(super) fn check(&self, request: &Request, layout: &Layout) -> Result<(), PlanError> {
        let free = room::free(&self.regions, &[self.range, layout.reserved]);
        let free: Vec<PhysRange> = free.into_iter().filter(|run| run.end <= FOUR_GIB).collect();
        let fits = |files| {
            let files = self.room.initrd.max(files);
            Room { files, ..self.room }.fits(&free)
        };
        // to look into the initrd takes time
        let enough = fits(0) && fits(advise::files(request));
        match request.crash {
            Some(region) if !enough => Err(self.too_small(region)),
            _ => Ok(()),
        }
    }

    fn too_small(&self, region: PhysRange) -> PlanError {
        PlanError::too_small(region, &self.need)
    }

    /// A better word for `error` where the region is too small as a whole.
    pub(super) fn no_room(&self, error: PlanError, request: &Request) -> PlanError {
        match (&error, request.crash, request.mem_max) {
            (PlanError::NoRoom(NoRoom { .. }), Some(region), None)
                if region.len() < self.room.to_reserve() =>
            {
                self.too_small(region)
            }
            _ => error,
        }
    }
}

/// Bytes that the ACPI tables for a Xen as crash image will take, and the APIC id
/// of the CPU that firmware started.
///
/// # Errors
///
/// Why Xen gets no tables of ours, and will use one CPU only.
pub fn tables(host: &Host) -> Result<(u64, u32), String> {
    let acpi = &host.acpi;
    let why = || {
        acpi.warnings
            .first()
            .cloned()
            .unwrap_or_else(|| "its ACPI tables are not known".to_owned())
    };
    let boot_cpu = acpi.boot_cpu.ok_or_else(why)?;
    if acpi.tables.is_empty() {
        return Err(why());
    }
    // at address 0: only to see whether it can be done
    let trees = acpi::build(&acpi.tables, 0, boot_cpu).map_err(|error| error.to_string())?;
    Ok((trees.bytes.len() as u64, boot_cpu))
}

/// Bytes of all modules but the kernel. One of them is the initrd.
fn initrd(request: &Request) -> u64 {
    let rest = request.modules.iter().skip(1);
    rest.map(|module| whole_pages(module.data.len() as u64))
        .sum()
}
