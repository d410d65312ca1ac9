//! A panicking Linux starts a crash image linked outside of the crash region: it is loaded inside,
//! and the handoff moves it.

use std::time::Duration;

use anyhow::Result;
use images::guest::Stage1;
use images::payloads::MB2_FIXED;
use tests::{DEBUG_EXIT, Firmware, Machine, mbtool_bin};

tests::cases! {
    a_panic_starts_an_image_that_is_moved_into_its_place: booted 10 s;
}

const DEADLINE: Duration = Duration::from_secs(120);

fn a_panic_starts_an_image_that_is_moved_into_its_place() -> Result<()> {
    let script = "mbtool load -p --console com1 /fixed\ncat /sys/kernel/kexec_crash_loaded\n\
                  taskset 2 sh -c 'echo c > /proc/sysrq-trigger'\n";
    let initrd = Stage1::new(script)?
        .file("bin/mbtool", mbtool_bin()?)?
        .bytes("fixed", MB2_FIXED)?
        .finish()?;
    let outcome = Machine::stage1(Firmware::SeaBios, initrd)?
        .append("crashkernel=128M")
        .args(DEBUG_EXIT)
        .failures(&["MBTOOL-STAGE1 FAIL"])
        .run("panic_moved", DEADLINE, &[])?;
    let report = outcome.report()?;
    assert_eq!(
        report.load_base, 0x40_0000,
        "its link address, which is the old kernel's memory"
    );
    assert!(report.image.sha256_valid);
    assert_eq!(report.bss.first_dirty, None);
    for line in ["[handoff] relocate: copy ", "on an application CPU"] {
        assert!(outcome.contains(line), "{line}: {}", outcome.describe());
    }
    Ok(())
}
