//! The test payload in all image formats, loaded by a running Linux: the payload's report matches
//! the plan.

use std::mem::offset_of;

use anyhow::{Context, Result, ensure};
use handoff::abi::{Area, STACK_SIZE};
use handoff::addr::{MIB, PAGE_SIZE, align_down, align_up};
use images::payloads::{REPORTING, REPORTING_MB1};
use images::report::{MULTIBOOT1_MAGIC, MULTIBOOT2_MAGIC, PayloadReport, Pointers};
use tests::Firmware;
use tests::payload_guest::{GuestLoad, PayloadGuest};
use tests::plan_json::{PlanJson, number};

mod mb1;
mod mbi;

tests::cases! {
    fixed_elf64: booted 8 s;
    relocatable_without_preference: restored 4 s;
    relocatable_lowest: restored 4 s;
    relocatable_highest: restored 4 s;
    position_independent_on_ovmf: restored 4 s;
    higher_half: restored 4 s;
    by_address_tag_on_ovmf: booted 8 s;
    elf32_on_odd_addresses: restored 4 s;
    multiboot_1_elf64: restored 4 s;
    multiboot_1_by_address_fields_on_ovmf: restored 4 s;
    multiboot_1_elf32_on_odd_addresses: restored 4 s;
}

/// Control flags of EFLAGS: all except CF PF AF ZF SF OF, which the payload cannot
/// save.
const CONTROL_FLAGS: u64 = !0x8d5;
/// Possible addresses of the relocatable payloads: 1 MiB to 1 GiB.
const WINDOW: (u64, u64) = (0x10_0000, 0x4000_0000);

fn arrives(name: &'static str, firmware: Firmware) -> Result<()> {
    let (_, image) = REPORTING
        .into_iter()
        .chain(REPORTING_MB1)
        .find(|(variant, _)| *variant == name)
        .with_context(|| format!("no payload {name}"))?;
    let guest = PayloadGuest::new(name, image).firmware(firmware);
    let loaded = guest.run(&format!("payload_{name}"), None)?;
    let report = loaded.report()?;
    let checked = check(name, &loaded, &report);
    checked.with_context(|| format!("see {}", loaded.outcome.log.display()))
}

fn check(name: &str, loaded: &GuestLoad, report: &PayloadReport) -> Result<()> {
    let plan = &loaded.plan;
    image(name, plan, report)?;
    placed(name, plan)?;
    if name.starts_with("mb1_") {
        registers(plan, report, MULTIBOOT1_MAGIC)?;
        mb1::information(plan, report)?;
        mb1::memory(plan, report)?;
        verified(loaded, "multiboot")?;
    } else {
        registers(plan, report, MULTIBOOT2_MAGIC)?;
        mbi::tags(plan, report)?;
        mbi::memory(plan, report)?;
        mbi::rsdp(plan, report)?;
        mbi::screen_and_smbios(plan, report)?;
        verified(loaded, "multiboot2")?;
    }
    assert_eq!(report.multiboot1.is_some(), name.starts_with("mb1_"));

    let here = loaded.planned_here(&loaded.status, &[])?;
    assert_eq!(
        here, *plan,
        "planned here for the machine as `status` recorded it"
    );
    // a plan is also a recorded machine, without the command line that the console was found
    // with
    let console = plan.at("/handoff/console")?.as_str().context("console")?;
    let here = loaded.planned_here(&plan.0.to_string(), &["--console", console])?;
    assert_eq!(
        here, *plan,
        "planned here for the machine as the plan recorded it"
    );
    Ok(())
}

/// Checks that the image is at its planned address, intact, and relocated by
/// its type.
fn image(name: &str, plan: &PlanJson, report: &PayloadReport) -> Result<()> {
    let (base, size) = (plan.number("/image/base")?, plan.number("/image/size")?);
    assert_eq!(plan.at("/image/name")?, name);
    assert_eq!(report.variant, name);
    assert_eq!(report.load_base, base);
    assert_eq!(report.link_base_physical, plan.number("/image/link_base")?);
    assert!(report.image.sha256_valid, "the image arrived damaged");
    assert_eq!(report.bss.first_dirty, None, ".bss is not zero");
    assert_eq!(report.bss.start + report.bss.bytes, base + size);
    // only the image with relocations has its pointers relocated
    let relocated = name == "dyn" || report.load_base == report.link_base;
    let want = Pointers {
        relocated: if relocated { 32 } else { 0 },
        linked: if relocated { 0 } else { 32 },
        wrong: 0,
    };
    assert_eq!(report.image.pointers, want);
    Ok(())
}

/// Checks that the address is the preferred one, by the memory map only.
fn placed(name: &str, plan: &PlanJson) -> Result<()> {
    let base = plan.number("/image/base")?;
    let len = align_up(plan.number("/image/size")?, PAGE_SIZE).context("size")?;
    let runs = plan.ram()?;
    let runs = runs
        .iter()
        .map(|&(start, end)| (start.max(WINDOW.0), end.min(WINDOW.1)));
    let want = match name {
        "reloc_lowest" | "reloc_none" => runs
            .filter_map(|(start, end)| Some((align_up(start, PAGE_SIZE)?, end)))
            .find(|(start, end)| start + len <= *end)
            .map(|(start, _)| start),
        "reloc_highest" => runs
            .filter_map(|(start, end)| Some((start, align_down(end.checked_sub(len)?, 2 * MIB))))
            .filter(|(start, place)| start <= place)
            .map(|(_, place)| place)
            .max(),
        // position independent: no address is preferred, so only overlaps are checked
        "dyn" => Some(base),
        _ => Some(plan.number("/image/link_base")?),
    };
    assert_eq!(Some(base), want, "place of {name}");

    let mut segments: Vec<(u64, u64)> = plan
        .list("/segments")?
        .iter()
        .map(|segment| {
            let start = number(&segment["dest"])?;
            Ok((start, start + number(&segment["memsz"])?))
        })
        .collect::<Result<_>>()?;
    segments.sort_unstable();
    let ram = plan.ram()?;
    for &(start, end) in &segments {
        let inside = ram.iter().any(|run| run.0 <= start && end <= run.1);
        assert!(inside, "{start:#x}-{end:#x} is not RAM: {ram:x?}");
        assert!(start >= MIB && end <= 1 << 32, "{start:#x}-{end:#x}");
    }
    let apart = segments.windows(2).all(|pair| pair[0].1 <= pair[1].0);
    assert!(apart, "segments overlap: {segments:x?}");
    Ok(())
}

/// Checks the exit table of docs/handoff-abi.md.
fn registers(plan: &PlanJson, report: &PayloadReport, magic: u64) -> Result<()> {
    let r = &report.registers;
    assert_eq!(plan.number("/exit/registers/eax")?, magic);
    assert_eq!(r.eax, magic);
    assert_eq!(r.ebx, plan.number("/exit/registers/ebx")?);
    assert_eq!(r.ebx, plan.segment("mbi")?.start);
    let entry = plan.number("/exit/registers/eip")?;
    assert_eq!(entry, plan.number("/image/entry")?);

    assert_eq!([r.ecx, r.edx, r.esi, r.edi, r.ebp], [0; 5]);
    assert_eq!((r.cs, [r.ds, r.es, r.fs, r.gs, r.ss]), (0x08, [0x18; 5]));
    assert_eq!(r.cr0, 0x11);
    assert_eq!((r.cr3, r.cr4, r.efer), (0, 0x40, 0));
    assert_eq!(r.eflags & CONTROL_FLAGS, 0x2);

    let handoff = plan.segment("handoff")?;
    assert_eq!(handoff.start, plan.number("/handoff/base")?);
    assert_eq!(handoff.end - handoff.start, plan.number("/handoff/size")?);
    let stack = offset_of!(Area, scratch.stack_target) + STACK_SIZE;
    let area = handoff.start + u64::from(handoff::blob::header().area);
    assert_eq!(r.esp, area + stack as u64, "end of the target's stack");
    for table in [r.gdt_base, r.idt_base] {
        assert!((handoff.start..handoff.end).contains(&table), "{r:x?}");
    }
    assert_eq!(r.idt_limit, 256 * 8 - 1, "a gate for every vector");
    Ok(())
}

/// Checks that the handoff verified every loaded segment and printed the jump
/// target.
fn verified(loaded: &GuestLoad, protocol: &str) -> Result<()> {
    let plan = &loaded.plan;
    let lines = loaded.handoff();
    for segment in plan.list("/segments")? {
        let name = segment["name"].as_str().context("name")?;
        if name == "handoff" || segment["bufsz"] == 0 {
            continue;
        }
        let want = format!(
            "[handoff] verify {name} {:#010x}-{:#010x} {} bytes: crc32 {:#010x} ok",
            number(&segment["dest"])?,
            number(&segment["dest"])? + number(&segment["memsz"])?,
            segment["bufsz"],
            number(&segment["crc32"])?
        );
        ensure!(lines.contains(&&*want), "{want:?} is not in {lines:#?}");
    }
    let jump = format!(
        "[handoff] jump to {:#010x} ({protocol}, 32-bit), mbi {:#010x}",
        plan.number("/image/entry")?,
        plan.number("/exit/registers/ebx")?
    );
    assert_eq!(lines.last(), Some(&&*jump));
    Ok(())
}

fn fixed_elf64() -> Result<()> {
    arrives("fixed", Firmware::SeaBios)
}

fn relocatable_without_preference() -> Result<()> {
    arrives("reloc_none", Firmware::SeaBios)
}

fn relocatable_lowest() -> Result<()> {
    arrives("reloc_lowest", Firmware::SeaBios)
}

fn relocatable_highest() -> Result<()> {
    arrives("reloc_highest", Firmware::SeaBios)
}

fn position_independent_on_ovmf() -> Result<()> {
    arrives("dyn", Firmware::Ovmf)
}

fn higher_half() -> Result<()> {
    arrives("higher_half", Firmware::SeaBios)
}

fn by_address_tag_on_ovmf() -> Result<()> {
    arrives("flat", Firmware::Ovmf)
}

fn elf32_on_odd_addresses() -> Result<()> {
    arrives("elf32", Firmware::SeaBios)
}

fn multiboot_1_elf64() -> Result<()> {
    arrives("mb1_fixed", Firmware::SeaBios)
}

fn multiboot_1_by_address_fields_on_ovmf() -> Result<()> {
    arrives("mb1_flat", Firmware::Ovmf)
}

fn multiboot_1_elf32_on_odd_addresses() -> Result<()> {
    arrives("mb1_elf32", Firmware::SeaBios)
}
