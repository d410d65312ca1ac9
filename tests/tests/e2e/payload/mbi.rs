//! Compares the boot information with the plan.

use anyhow::{Context, Result};
use handoff::addr::{MIB, PAGE_SIZE};
use images::report::{PayloadReport, TagBody};
use serde_json::json;
use sha2::{Digest, Sha256};
use tests::payload_guest::{CMDLINE, modules};
use tests::plan_json::{PlanJson, number};

/// Checks every tag of the boot information, in order, with its contents.
pub fn tags(plan: &PlanJson, report: &PayloadReport) -> Result<()> {
    let mbi = report.mbi.as_ref().context("no boot information")?;
    assert_eq!((mbi.fault.as_deref(), mbi.reserved), (None, Some(0)));
    assert_eq!(mbi.address, report.registers.ebx);
    let found: Vec<(u64, u64)> = mbi
        .tags
        .iter()
        .map(|tag| (tag.r#type.into(), tag.size.into()))
        .collect();
    let mut sent: Vec<(u64, u64)> = plan
        .list("/mbi")?
        .iter()
        .map(|tag| Ok((number(&tag["type"])?, number(&tag["size"])?)))
        .collect::<Result<_>>()?;
    sent.push((0, 8));
    assert_eq!(found, sent, "types and sizes of tags");
    let padded: u64 = sent.iter().map(|(_, size)| size.next_multiple_of(8)).sum();
    assert_eq!(mbi.total_size, Some(8 + padded));

    let text = |text: &str| (text.to_owned(), true);
    let strings: Vec<(String, bool)> = mbi
        .tags
        .iter()
        .filter_map(|tag| match &tag.body {
            TagBody::Cmdline { text, terminated } | TagBody::Loader { text, terminated } => {
                Some((text.clone(), *terminated))
            }
            _ => None,
        })
        .collect();
    let loader = plan.tags(2)?[0]["string"].as_str().context("loader")?;
    assert_eq!(strings, [text(CMDLINE), text(loader)]);
    assert_eq!(plan.tags(1)?[0]["string"], CMDLINE);
    assert!(loader.starts_with("mbtool "), "{loader}");

    let base: Vec<&TagBody> = mbi.of_type(21).collect();
    let address = plan.number("/image/base")?;
    assert_eq!(base, [&TagBody::LoadBase { address }]);
    assert_eq!(number(&plan.tags(21)?[0]["load_base_addr"])?, address);
    module_tags(plan, mbi.of_type(3))
}

/// Checks the framebuffer and SMBIOS, of the payload and of the plan.
pub fn screen_and_smbios(plan: &PlanJson, report: &PayloadReport) -> Result<()> {
    let mbi = report.mbi.as_ref().context("no boot information")?;
    let found: Vec<&TagBody> = mbi.of_type(8).chain(mbi.of_type(13)).collect();
    let [
        TagBody::Framebuffer {
            address,
            width,
            height,
            format,
            ..
        },
        TagBody::Smbios {
            major,
            minor,
            anchor,
            ..
        },
    ] = found[..]
    else {
        anyhow::bail!("{found:?}");
    };
    let efi = plan.at("/low_memory/efi")? == true;
    screen_of_qemu(efi, plan.tags(8)?[0], (*address, *width, *height, *format))?;
    assert_eq!(plan.tags(13)?[0]["version"], format!("{major}.{minor}"));
    assert!(anchor.starts_with("_SM"), "{anchor}");
    Ok(())
}

/// Checks the screen that SeaBIOS and OVMF leave on QEMU's VGA: address, width, height, and 1 for
/// RGB or 2 for text.
pub fn screen_of_qemu(
    efi: bool,
    sent: &serde_json::Value,
    (address, width, height, format): (u64, u32, u32, u8),
) -> Result<()> {
    assert_eq!(
        (number(&sent["addr"])?, &sent["width"]),
        (address, &json!(width))
    );
    assert_eq!(sent["height"], height);
    if efi {
        assert_eq!((format, &sent["format"]), (1, &json!("rgb")));
        assert!(
            address >= 1 << 30 && width >= 640 && height >= 480,
            "{sent}"
        );
    } else {
        assert_eq!((format, &sent["format"]), (2, &json!("text")));
        assert_eq!((address, width, height), (0xb_8000, 80, 25));
    }
    Ok(())
}

/// Checks that each module is intact at its planned address, with its command
/// line.
fn module_tags<'a>(plan: &PlanJson, found: impl Iterator<Item = &'a TagBody>) -> Result<()> {
    let (given, sent) = (modules()?, plan.tags(3)?);
    let found: Vec<&TagBody> = found.collect();
    assert_eq!((found.len(), sent.len()), (given.len(), given.len()));
    for (index, module) in given.iter().enumerate() {
        let len = module.content.len() as u64;
        let segment = plan.segment(&format!("module {index}: {}", module.file))?;
        let digest = Sha256::digest(&module.content);
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let want = TagBody::Module {
            start: segment.start,
            end: segment.start + len,
            cmdline: module.cmdline.to_owned(),
            terminated: true,
            sha256: hex,
        };
        assert_eq!(*found[index], want, "module {index}");
        assert_eq!(number(&sent[index]["start"])?, segment.start);
        assert_eq!(number(&sent[index]["end"])?, segment.start + len);
        assert_eq!(sent[index]["cmdline"], module.cmdline);
        assert_eq!(segment.crc32, crc32fast::hash(&module.content));
        // requested by header tag 6
        assert!(segment.start.is_multiple_of(PAGE_SIZE));
    }
    Ok(())
}

/// Checks memory sizes and memory map, with the plan and the machine's own map.
pub fn memory(plan: &PlanJson, report: &PayloadReport) -> Result<()> {
    let mbi = report.mbi.as_ref().context("no boot information")?;
    let sizes: Vec<&TagBody> = mbi.of_type(4).collect();
    let [
        TagBody::Meminfo {
            lower_kib,
            upper_kib,
        },
    ] = sizes[..]
    else {
        anyhow::bail!("{sizes:?}");
    };
    let sent = plan.tags(4)?[0];
    assert_eq!(
        (&json!(lower_kib), &json!(upper_kib)),
        (&sent["mem_lower"], &sent["mem_upper"])
    );
    let ram = plan.ram()?;
    let from = |at: u64| ram.iter().find(|run| run.0 <= at && at < run.1);
    let upper = from(MIB).map_or(0, |run| (run.1 - MIB) / 1024);
    assert_eq!(u64::from(*upper_kib), upper);
    assert!(
        (1..=640).contains(lower_kib),
        "{lower_kib} KiB of low memory"
    );

    let maps: Vec<&TagBody> = mbi.of_type(6).collect();
    let [
        TagBody::Mmap {
            entry_size,
            version,
            entries,
            trailing_bytes,
        },
    ] = maps[..]
    else {
        anyhow::bail!("{maps:?}");
    };
    assert_eq!((*entry_size, *version, *trailing_bytes), (24, 0, 0));
    let found: Vec<(u64, u64, u64)> = entries
        .iter()
        .map(|entry| (entry.base, entry.length, entry.r#type.into()))
        .collect();
    let sent: Vec<(u64, u64, u64)> = plan.tags(6)?[0]["entries"]
        .as_array()
        .context("entries")?
        .iter()
        .map(|entry| {
            Ok((
                number(&entry["base"])?,
                number(&entry["length"])?,
                number(&entry["type"])?,
            ))
        })
        .collect::<Result<_>>()?;
    assert_eq!(found, sent, "memory map");
    let told: u64 = found
        .iter()
        .filter(|entry| entry.2 == 1)
        .map(|entry| entry.1)
        .sum();
    let there: u64 = ram.iter().map(|run| run.1 - run.0).sum();
    assert_eq!(told, there, "bytes of RAM in the memory map");
    Ok(())
}

/// Checks the ACPI root pointer, in the version that firmware has.
pub fn rsdp(plan: &PlanJson, report: &PayloadReport) -> Result<()> {
    let mbi = report.mbi.as_ref().context("no boot information")?;
    let address = plan.number("/low_memory/rsdp/addr")?;
    let modern = plan.number("/low_memory/rsdp/revision")? >= 2;
    let (kind, other, len) = if modern { (15, 14, 36) } else { (14, 15, 20) };
    assert_eq!(mbi.of_type(other).count(), 0);
    let found: Vec<&TagBody> = mbi.of_type(kind).collect();
    let [
        TagBody::Rsdp {
            signature,
            checksum_valid,
            extended_checksum_valid,
            rsdt,
            xsdt,
            ..
        },
    ] = found[..]
    else {
        anyhow::bail!("tag {kind}: {found:?}");
    };
    assert_eq!((&**signature, *checksum_valid), ("RSD PTR ", true));
    assert_eq!(*extended_checksum_valid, modern.then_some(true));
    assert!(
        *rsdt != 0 || xsdt.is_some_and(|xsdt| xsdt != 0),
        "{found:?}"
    );
    let copied = &plan.tags(kind.into())?[0]["copied_at_handoff"];
    assert_eq!(
        (number(&copied["from"])?, number(&copied["len"])?),
        (address, len)
    );
    // a scan finds the same one on BIOS, and none on UEFI: nothing is written below 1 MiB for an
    // image other than Xen
    let efi = plan.at("/low_memory/efi")? == true;
    assert_eq!(report.firmware.rsdp, (!efi).then_some(address));
    assert_eq!(plan.list("/fixups")?.len(), 1);
    assert_eq!(plan.at("/xen_low_memory")?, &json!(null));
    Ok(())
}
