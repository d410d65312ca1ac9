//! From a silent crash to the faulting function: Xen crashes in its boot code, the handoff dumps,
//! mbtool decodes.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use images::assets::{self, BUSYBOX, OVMF, QEMU};
use images::guest::Stage1;
use mbtool::cmd::decode::{DecodeOptions, SymbolArg, run_on};
use serde_json::Value;
use tests::{FIRST_LINUX, Firmware, Machine, mbtool_bin, target_dir};

tests::cases! {
    xen_without_a_bios_data_area_is_caught_and_named: restored 14 s;
}

/// Several times what it takes on two free cores.
const DEADLINE: Duration = Duration::from_secs(120);
/// The handoff's last line.
const HALTED: &str = "[handoff] halted";

/// Runs `mbtool decode --json` on a log.
fn decode(options: &DecodeOptions, log: &str) -> Result<Vec<Value>> {
    let mut out = Vec::new();
    let options = &DecodeOptions {
        json: true,
        ..options.clone()
    };
    run_on(options, log.as_bytes(), "serial.log", &mut out)?;
    let document: Value = serde_json::from_slice(&out)?;
    Ok(document["dumps"].as_array().context("no dumps")?.clone())
}

/// On a UEFI machine the BIOS data area is zero. Xen then puts its trampoline at 0xffff0000, reads
/// the length of its memory map back from flash memory as 0xffffffff, and overwrites all memory,
/// including the handoff. This causes no exception while it could be reported, so the handoff
/// watches its own first word.
fn xen_without_a_bios_data_area_is_caught_and_named() -> Result<()> {
    let symbols = assets::xen_symbols("4.20")?;
    let xen = assets::xen("4.20")?;
    assets::require(&[&QEMU, &OVMF, &BUSYBOX, FIRST_LINUX, xen, symbols])?;
    let arguments = "--guard --drill no-low-memory-fix --cmdline 'com1=115200,8n1 console=com1' \
                     --module '/vmlinuz console=hvc0' /xen.gz";
    let script = format!(
        "mbtool plan --json {arguments} > /tmp/plan.json\n\
         cat /tmp/plan.json\n\
         mbtool load {arguments}\n\
         mbtool exec -f\n"
    );
    let initrd = Stage1::new(&script)?
        .file("bin/mbtool", mbtool_bin()?)?
        .file("xen.gz", xen.path()?)?
        .file("vmlinuz", FIRST_LINUX.path()?)?
        .finish()?;
    let name = "decode_xen";
    let outcome = Machine::stage1(Firmware::Ovmf, initrd)?
        .run(name, DEADLINE, &[HALTED])?
        .ended_with(HALTED)?;
    assert!(
        outcome.contains("DRILL: this image will fail deliberately"),
        "it must be loud"
    );

    // the log alone, and the symbols
    let log = outcome.lines.join("\r\n");
    let mut options = DecodeOptions {
        symbols: vec![SymbolArg {
            path: symbols.path()?.to_owned(),
            base: None,
        }],
        ..DecodeOptions::default()
    };
    let dumps = decode(&options, &log)?;
    let [dump] = &dumps[..] else {
        panic!("{dumps:#?}")
    };
    assert_eq!(dump["integrity"], "whole", "{dump:#}");
    assert_eq!(dump["vector"]["number"], 1, "{dump:#}");
    assert_eq!(
        (&dump["mode"], &dump["phase"]),
        (&"protected".into(), &"target".into())
    );
    let rip = &dump["addresses"][0];
    assert_eq!(rip["symbol"]["name"], "reloc", "{rip:#}");
    assert_eq!(rip["place"]["name"], "xen", "{rip:#}");
    let rules: Vec<_> = dump["explanations"]
        .as_array()
        .context("no explanations")?
        .iter()
        .map(|explanation| explanation["rule"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(rules, ["guard", "xen-trampoline"]);
    // the file's code is the executed code, so the address is exact
    assert_eq!(dump["notes"], Value::Array(vec![]), "{dump:#}");

    // the plan has the same segments, and other memory ranges
    let plan: Vec<&str> = outcome
        .lines
        .iter()
        .map(String::as_str)
        .skip_while(|line| *line != "{")
        .collect();
    let end = plan
        .iter()
        .position(|line| *line == "}")
        .context("no plan")?;
    let file = target_dir().join("e2e").join(name).join("plan.json");
    fs::write(&file, plan[..=end].join("\n"))?;
    options.plan = Some(file);
    let planned = decode(&options, &log)?;
    assert_eq!(planned[0]["addresses"][0], *rip);

    // without symbols the segment is still known
    let bare = decode(&DecodeOptions::default(), &log)?;
    assert_eq!(bare[0]["addresses"][0]["place"], rip["place"]);
    assert_eq!(bare[0]["addresses"][0]["symbol"], Value::Null);
    Ok(())
}
