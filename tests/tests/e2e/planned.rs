//! Compares plan and result without an operating system: the launcher loads the segments of a plan,
//! enters the handoff like Linux's kexec, which verifies them, and the payload reports. A second
//! per image.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use handoff::addr::PhysRange;
use handoff::spec::Console;
use images::payloads::{self, MB2_FIXED};
use images::report::{MULTIBOOT2_MAGIC, PayloadReport, TagBody as Got};
use images::{launch, payloads::REPORTING};
use mbtool::host::{FoundRsdp, Host, LowMemory, MapEntry, MemoryKind, RawRange};
use mbtool::image::Image;
use mbtool::plan::decoded::DecodedTagBody as Want;
use mbtool::plan::{Bytes, Module, Plan, Request, plan};
use sha2::{Digest, Sha256};
use tests::{DEBUG_EXIT, Firmware, Machine};

tests::cases! {
    every_payload_finds_what_was_planned: booted 3 s;
    a_preference_decides_where_an_image_goes: here 1 s;
    an_image_outside_the_crash_region_is_moved_into_its_place: booted 3 s;
}

const DEADLINE: Duration = Duration::from_secs(60);
/// Length of the second module: not a whole number of pages.
const MODULE_LEN: u32 = 3_000_001;

/// Runs a launcher plan to its end and reads the payload's report.
fn boot(name: &str, plan: Vec<u8>) -> Result<(PayloadReport, Vec<String>)> {
    let dir = tempfile::tempdir()?;
    let kernel = dir.path().join("launcher");
    fs::write(&kernel, launch::kernel(launch::DEFAULT_BASE))?;
    let outcome = Machine::new(Firmware::SeaBios, &kernel)
        .memory_mib(1024)
        .initrd(plan)
        .args(DEBUG_EXIT)
        .run(name, DEADLINE, &[])?;
    let report = outcome.report()?;
    Ok((report, outcome.lines))
}

/// QEMU's memory map of 1 GiB.
fn host(low_memory: LowMemory) -> Host {
    let entry = |start, end, kind| MapEntry { start, end, kind };
    Host {
        memory_map: vec![
            entry(0, 0x9_fc00, MemoryKind::Ram),
            entry(0x9_fc00, 0xa_0000, MemoryKind::Reserved),
            entry(0xf_0000, 0x10_0000, MemoryKind::Reserved),
            entry(0x10_0000, 0x3ffe_0000, MemoryKind::Ram),
            entry(0x3ffe_0000, 0x4000_0000, MemoryKind::Reserved),
        ],
        low_memory,
        ..Host::default()
    }
}

/// Low memory of that machine, from a payload without boot information.
fn low_memory() -> Result<LowMemory> {
    let image = Image::parse(MB2_FIXED, "fixed")?.at(0x40_0000)?;
    let segments: Vec<_> = image
        .segments
        .iter()
        .map(|s| (s.range.start, s.range.len(), &s.data[..]))
        .collect();
    let entry = u32::try_from(image.entry)?;
    let plan = launch::pack_direct(&segments, entry, 0, 0);
    let (report, _) = boot("planned_host", plan)?;
    assert_eq!(report.mbi, None, "EAX did not hold the magic");
    let low = report.firmware;
    Ok(LowMemory {
        bda_ebda_segment: Some(u16::try_from(low.ebda_segment)?),
        bda_base_kib: Some(u16::try_from(low.base_memory_kib)?),
        // SeaBIOS on this machine has ACPI 1.0
        rsdp: low.rsdp.map(|addr| FoundRsdp { addr, revision: 0 }),
        rsdp_in_low_memory: true,
        efi: false,
    })
}

/// Plans `image` with two modules for `host`.
fn planned(name: &str, image: &[u8], host: &Host) -> Result<Plan> {
    let mut request = Request::new(Image::parse(image, name)?);
    request.cmdline = "first \"second word\" third=\\".into();
    request.consoles = vec![Console::Pio {
        port: 0x3f8,
        divisor: Some(1),
    }];
    let big: Vec<u8> = (0..MODULE_LEN)
        .map(|i| (i.wrapping_mul(i) >> 9) as u8)
        .collect();
    for (name, cmdline, data) in [("one byte", "", vec![7]), ("big", "with arguments", big)] {
        let (name, cmdline) = (name.to_owned(), cmdline.to_owned());
        request.modules.push(Module {
            name,
            cmdline,
            data: Bytes::from(data),
        });
    }
    Ok(plan(&request, host)?)
}

/// Boots a plan's segments as passed to the kernel.
fn run(name: &str, plan: &Plan) -> Result<(PayloadReport, Vec<String>)> {
    let segments: Vec<_> = plan
        .kernel_segments
        .iter()
        .map(|s| (s.dest.start, s.dest.len(), &s.data[..]))
        .collect();
    boot(name, launch::pack(&segments, plan.entry))
}

/// Digest of a named segment's data, in hex.
fn digest(plan: &Plan, start: u64) -> Result<String> {
    let segment = plan.segments.iter().find(|s| s.dest.start == start);
    let segment = segment.context("no segment where the module should be")?;
    Ok(Sha256::digest(&segment.data[..])
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// Compares the boot information tag by tag.
fn same_tags(plan: &Plan, report: &PayloadReport) -> Result<()> {
    let mbi = report.mbi.as_ref().context("EAX did not hold the magic")?;
    assert_eq!(mbi.fault, None);
    assert_eq!(mbi.address, plan.report.exit.registers.get("ebx"));
    let (end, got) = mbi.tags.split_last().context("no tags")?;
    assert_eq!(end.body, Got::End);
    let numbers: Vec<_> = got
        .iter()
        .map(|tag| (tag.r#type, tag.size as usize))
        .collect();
    let wanted: Vec<_> = plan
        .report
        .boot
        .tags()
        .iter()
        .map(|tag| (tag.kind, tag.size))
        .collect();
    assert_eq!(numbers, wanted);
    for (want, got) in plan.report.boot.tags().iter().zip(got) {
        match (&want.body, &got.body) {
            (
                Want::Text { string },
                Got::Cmdline {
                    text,
                    terminated: true,
                }
                | Got::Loader {
                    text,
                    terminated: true,
                },
            ) => assert_eq!(string, text),
            (
                Want::Module {
                    start,
                    end,
                    cmdline,
                },
                Got::Module {
                    start: at,
                    end: to,
                    cmdline: text,
                    terminated: true,
                    sha256,
                },
            ) => {
                assert_eq!((start.0, end.0, cmdline), (*at, *to, text));
                assert_eq!(*sha256, digest(plan, start.0)?);
            }
            (
                Want::Memory {
                    mem_lower,
                    mem_upper,
                },
                Got::Meminfo {
                    lower_kib,
                    upper_kib,
                },
            ) => {
                assert_eq!((mem_lower, mem_upper), (lower_kib, upper_kib));
            }
            (
                Want::Map {
                    entry_size,
                    entry_version,
                    entries,
                },
                Got::Mmap {
                    entry_size: size,
                    version,
                    entries: found,
                    trailing_bytes: 0,
                },
            ) => {
                assert_eq!((entry_size, entry_version), (size, version));
                let want: Vec<_> = entries
                    .iter()
                    .map(|e| (e.base.0, e.length, e.kind))
                    .collect();
                let got: Vec<_> = found.iter().map(|e| (e.base, e.length, e.r#type)).collect();
                assert_eq!(want, got);
            }
            (
                Want::Sections {
                    num,
                    entsize,
                    shndx,
                },
                Got::ElfSections {
                    count,
                    entry_size,
                    names,
                },
            ) => {
                assert_eq!((num, entsize, shndx), (count, entry_size, names));
            }
            (
                Want::Rsdp { .. },
                Got::Rsdp {
                    signature,
                    checksum_valid,
                    ..
                },
            ) => {
                assert_eq!((&signature[..], *checksum_valid), ("RSD PTR ", true));
            }
            (Want::LoadBase { load_base_addr }, Got::LoadBase { address }) => {
                assert_eq!(load_base_addr.0, *address);
            }
            (want, got) => panic!("sent {want:?}, found {got:?}"),
        }
    }
    Ok(())
}

fn every_payload_finds_what_was_planned() -> Result<()> {
    let host = host(low_memory()?);
    for (name, image) in REPORTING {
        let plan = planned(name, image, &host)?;
        let (report, lines) = run(&format!("planned_{name}"), &plan)?;
        assert!(
            lines.iter().any(|line| line.contains("entered by linux")),
            "{lines:#?}"
        );
        assert_eq!(report.variant, name);

        let registers = &report.registers;
        let want = &plan.report.exit.registers;
        assert_eq!(
            (registers.eax, registers.ebx),
            (want.get("eax"), want.get("ebx")),
            "{name}"
        );
        assert_eq!(registers.eax, MULTIBOOT2_MAGIC);
        assert_eq!(
            registers.cr0 & (1 << 31 | 1),
            1,
            "{name}: paging off, protection on"
        );
        assert_eq!(
            registers.eflags & (1 << 9 | 1 << 17),
            0,
            "{name}: IF and VM clear"
        );

        assert_eq!(report.load_base, plan.report.image.base.0, "{name}");
        assert!(report.image.sha256_valid, "{name}");
        assert_eq!(report.bss.first_dirty, None, "{name}");
        let moved = report.load_base != report.link_base;
        let pointers = &report.image.pointers;
        if name == "dyn" || !moved {
            assert_eq!(pointers.relocated, 32, "{name}: {pointers:?}");
        } else {
            assert_eq!(pointers.linked, 32, "{name}: {pointers:?}");
        }
        same_tags(&plan, &report).context(name)?;

        // nothing changes below 1 MiB
        let low = &report.firmware;
        assert_eq!(
            Some(low.ebda_segment),
            host.low_memory.bda_ebda_segment.map(u64::from)
        );
        assert_eq!(
            Some(low.base_memory_kib),
            host.low_memory.bda_base_kib.map(u64::from)
        );
        assert_eq!(low.rsdp, host.low_memory.rsdp.map(|rsdp| rsdp.addr));
    }
    Ok(())
}

fn a_preference_decides_where_an_image_goes() -> Result<()> {
    let host = host(LowMemory::default());
    let base =
        |name, image| -> Result<u64> { Ok(planned(name, image, &host)?.report.image.base.0) };
    let lowest = base("lowest", payloads::MB2_RELOC_LOWEST)?;
    let highest = base("highest", payloads::MB2_RELOC_HIGHEST)?;
    assert_eq!(lowest, 0x10_0000, "the lowest address that the tag allows");
    // the last multiple of 2 MiB below the tag's maximum and the end of RAM
    assert_eq!(highest, 0x3fe0_0000);
    Ok(())
}

fn an_image_outside_the_crash_region_is_moved_into_its_place() -> Result<()> {
    let mut host = host(low_memory()?);
    let region = PhysRange {
        start: 0x1000_0000,
        end: 0x1400_0000,
    };
    host.crash_regions = vec![RawRange {
        start: region.start,
        end: region.end,
    }];
    let mut request = Request::new(Image::parse(MB2_FIXED, "fixed")?);
    request.consoles = vec![Console::Pio {
        port: 0x3f8,
        divisor: Some(1),
    }];
    request.crash = Some(region);
    let plan = plan(&request, &host)?;
    assert!(
        plan.kernel_segments
            .iter()
            .all(|segment| region.covers(&segment.dest))
    );
    let (report, lines) = run("planned_moved", &plan)?;
    let moves = plan.report.moves.len();
    let line = format!("[handoff] relocate: copy {moves} extent(s)");
    assert!(lines.contains(&line), "{line}: {lines:#?}");
    assert_eq!(report.load_base, 0x40_0000);
    assert!(report.image.sha256_valid);
    assert_eq!(report.bss.first_dirty, None);
    assert_eq!(report.image.pointers.relocated, 32);
    same_tags(&plan, &report)
}
