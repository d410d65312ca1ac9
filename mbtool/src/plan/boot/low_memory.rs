//! Low memory and the memory map: the values that the image receives, synthetic
//! BIOS structures, and ranges to keep free.

use super::e820;
use crate::host::{FoundRsdp, Host, map};
use crate::image::Protocol;
use crate::plan::{PlanError, Request};
use handoff::addr::{FOUR_GIB, MIB, PAGE_SIZE, PhysRange};
use xen_shim::low_memory::{self, LowMemoryState, SyntheticBda};

/// Possible addresses of Xen's trampoline when the BIOS data area is not known: it cannot be read, or a drill leaves the
/// synthetic one out.
const ANY_TRAMPOLINE: PhysRange = PhysRange {
    start: 0x30000,
    end: low_memory::BASE_END,
};

/// Decisions about low memory.
#[derive(Clone, Debug)]
pub struct LowMemoryPlan {
    /// The synthetic BIOS data area, if one is needed.
    pub fix: Option<SyntheticBda>,
    /// Address of Xen's trampoline, if known.
    pub trampoline: Option<PhysRange>,
    /// Boot information tag 4, KiB below 1 MiB.
    pub mem_lower: u32,
    /// Boot information tag 4, KiB from 1 MiB.
    pub mem_upper: u32,
    /// Boot information tag 6: ranges and E820 types.
    pub areas: Vec<(PhysRange, u32)>,
    /// The RSDP if the handoff can read it.
    pub rsdp: Option<FoundRsdp>,
    /// The RSDP at any address.
    pub rsdp_anywhere: Option<FoundRsdp>,
    /// Named ranges that no segment may use.
    pub forbidden: Vec<(String, PhysRange)>,
}

/// Returns the machine's RSDP if the handoff can read it: the handoff maps the
/// first 4 GiB.
pub(crate) fn reachable_rsdp(host: &Host) -> Option<FoundRsdp> {
    let rsdp = host.low_memory.rsdp?;
    let range = PhysRange::from_len(rsdp.addr, rsdp_len(rsdp).into())?;
    (range.end <= FOUR_GIB).then_some(rsdp)
}

/// RAM below 1 MiB.
fn low_ram(host: &Host) -> Vec<PhysRange> {
    let first_mib = PhysRange { start: 0, end: MIB };
    map::ram_ranges(&host.memory_map)
        .filter_map(|run| run.intersect(&first_mib))
        .collect()
}

/// Size of an RSDP in bytes (ACPI spec, 5.2.5.3).
const fn rsdp_len(rsdp: FoundRsdp) -> u32 {
    if rsdp.revision < 2 { 20 } else { 36 }
}

impl LowMemoryPlan {
    /// Decides for a Xen image, or another one.
    pub(crate) fn decide(
        request: &Request,
        host: &Host,
        xen: bool,
        warnings: &mut Vec<String>,
    ) -> Result<Self, PlanError> {
        let entries = &host.memory_map;
        let rsdp = reachable_rsdp(host);
        let linux = matches!(request.image.protocol, Protocol::Linux(_));
        if let (Some(there), None, false) = (host.low_memory.rsdp, rsdp, linux) {
            let addr = there.addr;
            warnings.push(format!(
                "the ACPI RSDP at {addr:#x} is above 4 GiB: it is not passed on"
            ));
        }
        let mut sent = match request.crash {
            // plan::crash sets the map once the crash data is known
            Some(_) if xen || request.image.protocol.dumps() => entries.clone(),
            Some(region) => {
                warnings.push(
                    "the crash region is the image's only RAM; nothing is prepared for reading a \
                     dump"
                        .to_owned(),
                );
                e820::confined(entries, region)
            }
            None => entries.clone(),
        };
        let mut low = Self {
            fix: None,
            trampoline: None,
            mem_lower: e820::mem_lower(entries, host.low_memory.bda_base_kib),
            mem_upper: 0,
            areas: Vec::new(),
            rsdp,
            rsdp_anywhere: host.low_memory.rsdp,
            forbidden: vec![(
                "page 0".to_owned(),
                PhysRange {
                    start: 0,
                    end: PAGE_SIZE,
                },
            )],
        };
        if let Some(rsdp) = rsdp
            && let Some(range) = PhysRange::from_len(rsdp.addr, rsdp_len(rsdp).into())
        {
            low.forbidden.push(("the ACPI RSDP".to_owned(), range));
        }
        if xen {
            low.decide_for_xen(request, host, warnings)?;
        }
        for range in low
            .fix
            .as_ref()
            .map(SyntheticBda::reserved)
            .into_iter()
            .flatten()
        {
            sent = e820::with_reserved(&sent, range);
        }
        low.mem_upper = e820::mem_upper(&sent);
        low.areas = if linux {
            e820::linux_areas(&sent)
        } else {
            e820::areas(&sent)
        };
        Ok(low)
    }

    /// Gives a crash Xen a new RSDP: the first of the pair for the boot CPU,
    /// the second for other CPUs.
    ///
    /// # Errors
    ///
    /// When there is no low memory for it.
    pub(crate) fn for_crash(
        &mut self,
        host: &Host,
        (all, others): (u64, u64),
    ) -> Result<(), PlanError> {
        let facts = LowMemoryState {
            ebda_segment: host.low_memory.bda_ebda_segment,
            base_kib: host.low_memory.bda_base_kib,
            mem_lower_kib: self.mem_lower,
            rsdp: Some(low_memory::RsdpLocation {
                addr: all,
                len: xen_shim::acpi::RSDP_LEN,
            }),
            // the machine's own RSDP is not used
            rsdp_in_low_memory: false,
            efi: true,
        };
        let mut fix = low_memory::decide(&facts, &low_ram(host))?.fix;
        if let Some(copy) = fix.as_mut().and_then(|fix| fix.rsdp.as_mut()) {
            copy.other_cpu = Some(others);
        }
        if let Some(fix) = &fix {
            self.forbidden
                .push(("the synthetic EBDA".to_owned(), fix.page()));
            self.mem_lower = fix.base_kib.into();
            self.trampoline = Some(fix.trampoline());
        }
        self.fix = fix;
        Ok(())
    }

    fn decide_for_xen(
        &mut self,
        request: &Request,
        host: &Host,
        warnings: &mut Vec<String>,
    ) -> Result<(), PlanError> {
        let facts = LowMemoryState {
            ebda_segment: host.low_memory.bda_ebda_segment,
            base_kib: host.low_memory.bda_base_kib,
            mem_lower_kib: self.mem_lower,
            rsdp: self.rsdp.map(|rsdp| low_memory::RsdpLocation {
                addr: rsdp.addr,
                len: rsdp_len(rsdp),
            }),
            rsdp_in_low_memory: host.low_memory.rsdp_in_low_memory,
            efi: host.low_memory.efi,
        };
        let mut decision = low_memory::decide(&facts, &low_ram(host))?;
        if request.low_memory_fix {
            warnings.extend(decision.warnings.iter().map(ToString::to_string));
        } else if decision.fix.take().is_some() {
            decision.trampoline = None;
            warnings.push("the synthetic BIOS data area is omitted: Xen will crash".to_owned());
        }
        let trampoline = decision.trampoline.unwrap_or(ANY_TRAMPOLINE);
        self.forbidden
            .push(("xen's trampoline".to_owned(), trampoline));
        if let Some(fix) = &decision.fix {
            self.forbidden
                .push(("the synthetic EBDA".to_owned(), fix.page()));
            self.mem_lower = fix.base_kib.into();
        }
        self.trampoline = decision.trampoline;
        self.fix = decision.fix;
        Ok(())
    }
}
