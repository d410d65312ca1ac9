//! State in which real kernels enter the handoff, by register, and that the target is reached.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use images::assets::{LINUX_6_1, LINUX_6_12, LINUX_7};
use images::guest::Stage1;
use images::payloads::MB2_FIXED;
use tests::{DEBUG_EXIT, Firmware, Machine, SERIAL_CMDLINE, mbtool_bin};

tests::cases! {
    linux_6_1: booted 10 s;
    linux_6_12: restored 5 s;
    linux_7: booted 10 s on LINUX_7;
}

const DEADLINE: Duration = Duration::from_secs(120);

/// The values of an entry line, by name.
fn fields(line: &str) -> Vec<(&str, u64)> {
    let words: Vec<&str> = line.split_whitespace().skip(2).collect();
    let value = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).ok();
    words
        .chunks_exact(2)
        .map(|pair| (pair[0], value(pair[1]).unwrap_or_else(|| panic!("{line}"))))
        .collect()
}

/// Boots `kernel`, which loads and starts a payload; checks how it enters the handoff. `who` is its
/// name in the handoff's output, `limits` are those of the GDT and the IDT.
fn enters(name: &str, kernel: &Path, who: &str, limits: [u64; 2]) -> Result<()> {
    let initrd = Stage1::new("mbtool load --console com1 /fixed\nmbtool exec -f\n")?
        .file("bin/mbtool", mbtool_bin()?)?
        .bytes("fixed", MB2_FIXED)?
        .finish()?;
    let outcome = Machine::new(Firmware::SeaBios, kernel)
        .append(SERIAL_CMDLINE)
        .initrd(initrd)
        .args(DEBUG_EXIT)
        .run(name, DEADLINE, &[])?;
    let report = outcome.report()?;
    assert!(report.image.sha256_valid);
    let who = format!("entered by {who} in long mode");
    assert!(outcome.contains(&who), "{who}: {}", outcome.describe());

    let lines = outcome
        .lines
        .iter()
        .filter(|line| line.starts_with("[handoff] entry "));
    let lines: Vec<&String> = lines.collect();
    let [control, tables] = lines[..] else {
        panic!("{}", outcome.describe())
    };
    for (name, value) in fields(control) {
        let want = match name {
            // any address in the kernel's control page
            "rsp" | "cr3" => continue,
            "cr0" => 0x8000_0033,
            "cr4" => 0x20,
            "efer" => 0xd01,
            "rflags" => 0x46,
            "cs" => 0x10,
            "tr" => 0x40,
            "ldt" => 0,
            _ => 0x18,
        };
        assert_eq!(value, want, "{name}: {control}");
    }
    let tables = fields(tables);
    let [
        ("gdt", gdt),
        ("limit", gdt_limit),
        ("idt", idt),
        ("limit", idt_limit),
    ] = tables[..]
    else {
        panic!("general registers are not zero: {tables:x?}")
    };
    assert_eq!([gdt_limit, idt_limit], limits);
    let own = limits != [0, 0];
    assert_eq!([gdt != 0, idt != 0], [own, own], "{tables:x?}");
    Ok(())
}

fn linux_6_1() -> Result<()> {
    let kernel = LINUX_6_1.path().context("Linux 6.1")?;
    enters("entries_linux_6_1", kernel, "linux (before 6.16)", [0, 0])
}

fn linux_6_12() -> Result<()> {
    let kernel = LINUX_6_12.path().context("Linux 6.12")?;
    enters("entries_linux_6_12", kernel, "linux (before 6.16)", [0, 0])
}

fn linux_7() -> Result<()> {
    let kernel = LINUX_7.path().context("Linux 7")?;
    enters(
        "entries_linux_7",
        kernel,
        "linux (6.16 or later)",
        [0x1f, 0xff],
    )
}
