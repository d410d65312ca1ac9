//! Compares the Multiboot (1) information structure with the plan.

use super::mbi::screen_of_qemu;
use anyhow::{Context, Result};
use handoff::addr::PAGE_SIZE;
use images::report::PayloadReport;
use serde_json::json;
use sha2::{Digest, Sha256};
use tests::payload_guest::{CMDLINE, modules};
use tests::plan_json::{PlanJson, number};

/// Memory sizes, command line, modules, memory map, loader name.
const FLAGS: u32 = 0b10_0100_1101;
/// Section headers.
const ELF_SECTIONS: u32 = 1 << 5;
/// Framebuffer.
const FRAMEBUFFER: u32 = 1 << 12;

/// Checks the whole structure.
pub fn information(plan: &PlanJson, report: &PayloadReport) -> Result<()> {
    let found = report.multiboot1.as_ref().context("no information")?;
    assert_eq!(report.mbi, None);
    let sent = plan.at("/multiboot_info")?;
    assert_eq!(plan.0.get("mbi"), None);
    assert_eq!(found.address, report.registers.ebx);

    let sections = plan.at("/image/format")? == "elf64";
    let flags = FLAGS | FRAMEBUFFER | if sections { ELF_SECTIONS } else { 0 };
    assert_eq!(found.flags, Some(flags));
    assert_eq!(number(&sent["flags"])?, u64::from(flags));
    assert_eq!(found.rest_zero, Some(true), "fields without a flag");

    assert_eq!(found.cmdline.as_deref(), Some(CMDLINE));
    assert_eq!(sent["cmdline"], CMDLINE);
    let loader = found.loader.as_deref().context("loader")?;
    assert!(loader.starts_with("mbtool "), "{loader}");
    assert_eq!(sent["boot_loader_name"], loader);

    let screen = found.framebuffer.as_ref().context("framebuffer")?;
    let efi = plan.at("/low_memory/efi")? == true;
    screen_of_qemu(
        efi,
        &sent["framebuffer"],
        (screen.address, screen.width, screen.height, screen.format),
    )?;
    let info = plan.segment("mbi")?;
    match &found.elf_sections {
        Some(table) => {
            assert!(sections);
            assert_eq!(json!(table.count), sent["elf_sections"]["num"]);
            assert_eq!(json!(table.names), sent["elf_sections"]["shndx"]);
            assert_eq!(table.entry_size, 64);
            let end = table.address + u64::from(table.count) * 64;
            assert!(info.start <= table.address && end <= info.end);
        }
        None => assert!(!sections),
    }
    module_list(plan, report)
}

/// Checks that each module is intact at its planned address, with its command
/// line.
fn module_list(plan: &PlanJson, report: &PayloadReport) -> Result<()> {
    let found = report
        .multiboot1
        .as_ref()
        .and_then(|info| info.modules.as_ref());
    let (found, given) = (found.context("modules")?, modules()?);
    let sent = plan.list("/multiboot_info/modules")?;
    assert_eq!((found.len(), sent.len()), (given.len(), given.len()));
    for (index, module) in given.iter().enumerate() {
        let segment = plan.segment(&format!("module {index}: {}", module.file))?;
        let end = segment.start + module.content.len() as u64;
        let here = &found[index];
        assert_eq!(
            (here.start, here.end),
            (segment.start, end),
            "module {index}"
        );
        assert!(segment.start.is_multiple_of(PAGE_SIZE));
        assert_eq!(here.cmdline.as_deref(), Some(module.cmdline));
        assert_eq!(here.reserved, 0);
        let digest = Sha256::digest(&module.content);
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(here.sha256, hex, "module {index}");
        assert_eq!(number(&sent[index]["start"])?, here.start);
        assert_eq!(number(&sent[index]["end"])?, here.end);
        assert_eq!(sent[index]["cmdline"], module.cmdline);
    }
    Ok(())
}

/// Checks memory sizes and memory map, with the plan and the machine's own map.
pub fn memory(plan: &PlanJson, report: &PayloadReport) -> Result<()> {
    let found = report.multiboot1.as_ref().context("no information")?;
    let sent = plan.at("/multiboot_info")?;
    assert_eq!(json!(found.mem_lower), sent["mem_lower"]);
    assert_eq!(json!(found.mem_upper), sent["mem_upper"]);
    assert!(found.mem_lower.is_some_and(|kib| (1..=640).contains(&kib)));

    let map = found.mmap.as_ref().context("memory map")?;
    assert_eq!(found.mmap_trailing_bytes, Some(0));
    let entries: Vec<(u64, u64, u64)> = map
        .iter()
        .map(|entry| (entry.base, entry.length, entry.r#type.into()))
        .collect();
    let planned: Vec<(u64, u64, u64)> = plan
        .list("/multiboot_info/mmap")?
        .iter()
        .map(|entry| {
            let field = |name: &str| number(&entry[name]);
            Ok((field("base")?, field("length")?, field("type")?))
        })
        .collect::<Result<_>>()?;
    assert_eq!(entries, planned, "memory map");
    let told: u64 = entries
        .iter()
        .filter(|entry| entry.2 == 1)
        .map(|entry| entry.1)
        .sum();
    let there: u64 = plan.ram()?.iter().map(|run| run.1 - run.0).sum();
    assert_eq!(told, there, "bytes of RAM in the memory map");
    Ok(())
}
