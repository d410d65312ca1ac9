//! `--type` with the real Xen, which has a Multiboot2 and a Multiboot 1 header; planned on the host
//! for a recorded machine.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use images::assets;
use tests::{mbtool_bin, target_dir};

tests::cases! {
    xen_is_started_by_multiboot2_alone: here 1 s;
}

/// /proc/iomem of a small machine.
const IOMEM: &str = "00001000-0009fbff : System RAM\n00100000-7fffffff : System RAM\n";

/// Exit status, and what was printed on standard output and error.
fn mbtool(arguments: &[&str]) -> Result<(bool, String)> {
    let output = Command::new(mbtool_bin()?)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .context("cannot run mbtool here")?;
    let printed = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8(printed)?))
}

fn xen_is_started_by_multiboot2_alone() -> Result<()> {
    let dir = target_dir().join("e2e").join("types");
    fs::create_dir_all(&dir)?;
    let iomem = dir.join("iomem");
    fs::write(&iomem, IOMEM)?;
    let iomem = iomem.display().to_string();
    for version in ["4.17", "4.20"] {
        let xen = assets::xen(version)?.path()?.display().to_string();
        let (loadable, printed) = mbtool(&["inspect", &xen])?;
        assert!(loadable, "{printed}");
        for text in ["Multiboot2 image", "multiboot 1   flags 0x3 at offset"] {
            assert!(printed.contains(text), "{text:?} is not in {printed}");
        }
        for (kind, expected) in [
            ("multiboot", "Xen is started by its Multiboot2 header"),
            ("elf", "without an entry note"),
            ("linux", "Linux"),
        ] {
            let (done, printed) = mbtool(&["plan", "--type", kind, "--memory-map", &iomem, &xen])?;
            assert!(
                !done && printed.contains(expected),
                "--type {kind}: {printed}"
            );
        }
    }
    Ok(())
}
