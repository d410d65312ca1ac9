//! Linux -> mbtool -> real Xen -> dom0, with the gzipped Xen that Debian ships.

use anyhow::Result;
use images::assets::LINUX_6_1;
use tests::xen::XenScenario;
use tests::{Board, Firmware};

tests::cases! {
    xen_4_17_seabios: restored 14 s;
    xen_4_17_ovmf: restored 14 s;
    xen_4_20_seabios: restored 14 s;
    xen_4_20_ovmf: booted 33 s;
    xen_efi_4_17_seabios: restored 14 s;
    xen_efi_4_20_ovmf: restored 14 s;
    xen_4_20_ovmf_q35_4_cpus_6_gib: booted 60 s;
}

fn xen_4_17_seabios() -> Result<()> {
    XenScenario::new("4.17", Firmware::SeaBios)
        .quick()
        .check("xen_4_17_seabios")
        .map(drop)
}

fn xen_4_17_ovmf() -> Result<()> {
    XenScenario::new("4.17", Firmware::Ovmf)
        .quick()
        .check("xen_4_17_ovmf")
        .map(drop)
}

fn xen_4_20_seabios() -> Result<()> {
    XenScenario::new("4.20", Firmware::SeaBios)
        .quick()
        .check("xen_4_20_seabios")
        .map(drop)
}

/// The scenario of `cargo demo`, with the same command lines.
fn xen_4_20_ovmf() -> Result<()> {
    let scenario = XenScenario {
        linux: &LINUX_6_1,
        ..XenScenario::new("4.20", Firmware::Ovmf)
    };
    scenario.check("xen_4_20_ovmf").map(drop)
}

/// xen.efi with dom0's files in its sections, entered by its Multiboot2 header.
fn xen_efi(xen: &'static str, firmware: Firmware, name: &str) -> Result<()> {
    let scenario = XenScenario {
        unified: true,
        ..XenScenario::new(xen, firmware).quick()
    };
    scenario.check(name).map(drop)
}

fn xen_efi_4_17_seabios() -> Result<()> {
    xen_efi("4.17", Firmware::SeaBios, "xen_efi_4_17_seabios")
}

fn xen_efi_4_20_ovmf() -> Result<()> {
    xen_efi("4.20", Firmware::Ovmf, "xen_efi_4_20_ovmf")
}

/// Memory on both sides of 4 GiB: 2 GiB below, 4 GiB above on q35.
fn xen_4_20_ovmf_q35_4_cpus_6_gib() -> Result<()> {
    let scenario = XenScenario {
        board: Board::Q35,
        cpus: 4,
        memory_mib: 6144,
        ..XenScenario::new("4.20", Firmware::Ovmf).quick()
    };
    scenario.check("xen_4_20_ovmf_q35_4_cpus_6_gib").map(drop)
}
