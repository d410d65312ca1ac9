//! A PVH dom0, which cannot make kexec hypercalls: mbtool reports that, and never treats it as bare
//! metal.

use std::time::Duration;

use anyhow::{Context, Result};
use images::guest::Stage1;
use images::payloads::MB2_FIXED;
use tests::attempt::{self, attempts};
use tests::hypercall::MARKER;
use tests::{Board, Machine, hypercall_guest_bin, mbtool_bin};

tests::cases! {
    a_pvh_dom0_is_refused_with_the_reason: booted 40 s;
}

/// Every page access of dom0 uses two levels of emulated tables: slower than other cases.
const DEADLINE: Duration = Duration::from_secs(300);

fn a_pvh_dom0_is_refused_with_the_reason() -> Result<()> {
    let end = "MBTOOL-STAGE1 END";
    let script = "attempt status mbtool status --json\n\
                  attempt load mbtool load /fixed\n\
                  attempt linux mbtool load --backend linux /fixed\n\
                  attempt crash mbtool load -p /fixed\n\
                  ! hypercall-guest range\n\
                  umount /proc/xen\n\
                  umount /sys\n\
                  hypercall-guest under\n";
    let initrd = attempt::install(Stage1::new(script)?)?
        .file("bin/mbtool", mbtool_bin()?)?
        .file("bin/hypercall-guest", hypercall_guest_bin()?)?
        .bytes("fixed", MB2_FIXED)?
        .finish()?;
    // PVH needs nested paging, and an IOMMU for dom0's devices
    let outcome = Machine::xen(
        "4.20",
        "dom0=pvh dom0_mem=512M dom0_max_vcpus=1 crashkernel=64M",
        "",
        initrd,
    )?
    .board(Board::Q35)
    .memory_mib(1024)
    // with one thread for both CPUs QEMU's emulation of SVM has delivered an interrupt twice: double fault in dom0
    .parallel()
    .args(["-cpu", "qemu64,+svm,+npt", "-device", "amd-iommu"])
    .run("pvh_dom0", DEADLINE, &[end])?
    .ended_with(end)?;
    let log = outcome.log.display();
    let found = attempts(&outcome)?;
    let get = |name: &str| {
        let one = found.iter().find(|attempt| attempt.name == name);
        one.with_context(|| format!("{name}: {log}"))
    };
    let status = get("status")?;
    assert_eq!(status.status, 0, "{status:?}");
    let json: serde_json::Value = serde_json::from_str(&status.stdout)?;
    assert_eq!(json["under"], "xen-pvh-dom0");
    for name in ["load", "crash", "linux"] {
        let refused = get(name)?;
        assert_eq!(refused.status, 1, "{refused:?}");
        assert!(!refused.loaded, "{refused:?}");
        for text in ["Xen PVH dom0", "dom0=pvh"] {
            assert!(refused.stderr.contains(text), "{text}: {refused:?}");
        }
    }
    // Xen's own message
    let error = outcome.value(&format!("{MARKER}FAIL ")).unwrap_or_default();
    assert!(
        error.contains("(ENOSYS)") && error.contains("PVH"),
        "{error}"
    );
    let under = outcome.value(&format!("{MARKER}under "));
    assert_eq!(under, Some("Xen domain of unknown type"));
    Ok(())
}
