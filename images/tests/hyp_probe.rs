//! The probe image of `mbtool probe --payload`, started bare in QEMU.

#[path = "hyp/machine.rs"]
mod machine;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use images::cross::{Cross, CrossTarget};
use images::qemu;

/// The image.
static IMAGE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let into = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cross");
    let cross = Cross::new(CrossTarget::Arm64, &into).unwrap();
    cross.handoff(workspace).unwrap().probe
});

fn run(machine: &str, cpu: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("probe");
    fs::write(&image, &*IMAGE).unwrap();
    let mut qemu = qemu::arm64().unwrap();
    qemu.args(["-M", machine, "-cpu", cpu]);
    // it resets the machine, which ends QEMU
    let output = machine::boot(qemu, &image);
    assert!(output.contains("[probe] done\n"), "{output}");
    assert!(
        !output.contains("EXCEPTION") && !output.contains("PANIC"),
        "{output}"
    );
    output
}

#[test]
fn at_el2_it_makes_calls_of_its_own_stub() {
    for cpu in ["cortex-a57", "neoverse-n1", "max"] {
        let output = run("virt,virtualization=on,gic-version=3", cpu);
        for line in [
            "started at EL2\n",
            "[probe] E2H 0\n",
            "[probe] call 0x7: r0 0xbadca11 ",
            "[probe] occupant stub\n",
            "[probe] restart: arrived at EL2\n",
            "[probe] registers passed\n",
        ] {
            assert!(output.contains(line), "{cpu}: no {line:?} in\n{output}");
        }
    }
}

#[test]
fn at_el1_it_calls_whatever_is_below() {
    let output = run("virt,gic-version=3", "cortex-a57");
    for line in [
        "started at EL1\n",
        "[probe] call 0x7: r0 0xffffffffffffffff ",
        "[probe] call 0x0: r0 0xffffffffffffffff ",
        "[probe] occupant conduit\n",
        "[probe] restart: not-supported\n",
    ] {
        assert!(output.contains(line), "no {line:?} in\n{output}");
    }
}

#[test]
fn the_image_has_the_header_of_the_boot_protocol() {
    let word = |at: usize| u64::from_le_bytes(IMAGE[at..at + 8].try_into().unwrap());
    assert_eq!(&IMAGE[0x38..0x3c], b"ARM\x64");
    assert_eq!(word(8), 0);
    assert!(word(16) > IMAGE.len() as u64 && word(16) < 1 << 20);
    assert_eq!(word(24), 0xa);
}
