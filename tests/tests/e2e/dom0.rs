//! Xen started by QEMU, and its dom0: the base of all tests that leave Xen.

use std::time::Duration;

use anyhow::Result;
use images::assets::{Asset, LINUX_6_1};
use images::guest::{STAGE1, Stage1};
use tests::{FIRST_LINUX, Machine};

tests::cases! {
    dom0_comes_up_on_xen_4_17: booted 14 s;
    dom0_comes_up_on_xen_4_20: booted 14 s;
}

const DEADLINE: Duration = Duration::from_secs(150);

/// dom0 boots on Xen `version` and reaches it, and Xen receives keyboard input.
fn comes_up(version: &str, linux: &'static Asset) -> Result<()> {
    let script = "ls -l /dev/xen/privcmd /dev/xen/hypercall\n\
                  grep control_d /proc/xen/capabilities\n\
                  echo TYPE NOW\n\
                  read line\n\
                  echo HEARD $line\n";
    let initrd = Stage1::new(script)?.finish()?;
    let end = format!("{STAGE1}END");
    let outcome = Machine::xen(version, "crashkernel=256M@256M", "", initrd)?
        .linux(linux)?
        .typing()
        .run_typing(
            &format!("dom0_{version}"),
            DEADLINE,
            &[&end],
            &mut |_, line, keyboard| {
                if line == "TYPE NOW" {
                    keyboard.xen('q');
                    keyboard.text("hello\n");
                }
            },
        )?
        .ended_with(&end)?;
    let start = outcome
        .value(&format!("{STAGE1}START "))
        .unwrap_or_default();
    assert!(start.contains(&format!(" xen={version}.")), "{start}");
    assert!(start.contains(" cpus=2 "), "{start}");
    for text in ["(XEN) General information for domain 0:", "HEARD hello"] {
        assert!(outcome.contains(text), "{text}: {}", outcome.describe());
    }
    Ok(())
}

fn dom0_comes_up_on_xen_4_17() -> Result<()> {
    comes_up("4.17", &LINUX_6_1)
}

fn dom0_comes_up_on_xen_4_20() -> Result<()> {
    comes_up("4.20", FIRST_LINUX)
}
