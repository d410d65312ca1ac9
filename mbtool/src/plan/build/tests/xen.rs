//! Plans for Xen on bare metal.

use super::*;
use xen_shim::contract::ContractError;

#[test]
fn xen_on_bios_is_placed_high_with_low_memory_untouched() {
    let plan = plan(&xen_request(), &bios()).unwrap();
    // highest address, whole superpages, reservation and image side by side
    assert_eq!(plan.report.image.base.0, 0x7fa0_0000);
    assert_eq!(plan.report.image.reserved, 0x40_0000);
    let xen = plan
        .kernel_segments
        .iter()
        .find(|s| s.names[0] == "xen")
        .unwrap();
    assert_eq!(xen.dest, r(0x7fa0_0000, 0x7fe0_0000));
    assert_eq!(xen.data.len(), 0x2000);
    let tags = plan.report.boot.tags();
    let text = |kind| match &tags.iter().find(|tag| tag.kind == kind).unwrap().body {
        DecodedTagBody::Text { string } => string.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(text(1), "no-real-mode com1=115200,8n1 console=com1");
    assert!(text(2).starts_with("GRUB 2"), "{}", text(2));
    assert!(tags.iter().all(|tag| tag.kind != 11 && tag.kind != 12));
    assert!(plan.report.warnings[0].contains("added no-real-mode"));
    assert_eq!(
        plan.report.image.xen.as_ref().unwrap().version.as_deref(),
        Some("4.17.7")
    );
    // nothing below 1 MiB is written
    assert!(
        plan.segments
            .iter()
            .all(|segment| segment.dest.start >= MIB)
    );
    let low = plan.report.xen_low_memory.unwrap();
    assert!(low.fix.is_none());
    assert_eq!(low.trampoline.unwrap().start.0, 0x8f000);
    for fixup in &plan.report.fixups {
        let FixupReport::CopyRsdp { to, .. } = fixup else {
            panic!("{fixup:?}")
        };
        assert!(to.0 > MIB);
    }
}

#[test]
fn xen_on_uefi_gets_a_synthetic_ebda() {
    let plan = plan(&xen_request(), &uefi()).unwrap();
    let low = plan.report.xen_low_memory.as_ref().unwrap();
    assert_eq!(low.fix.as_ref().unwrap().ebda, Hex(0x9f000));
    assert_eq!(low.fix.as_ref().unwrap().rsdp, Some(Hex(0x9f010)));
    assert_eq!(plan.report.fixups.len(), 6);
    assert!(
        plan.segments
            .iter()
            .all(|segment| segment.dest.start >= MIB)
    );
    for tag in plan.report.boot.tags() {
        match &tag.body {
            DecodedTagBody::Memory {
                mem_lower,
                mem_upper,
            } => {
                assert_eq!(
                    (*mem_lower, *mem_upper),
                    (636, (0x7e8e_d000 - (1 << 20)) >> 10)
                );
            }
            // the copy of the RSDP and the structures that point to it are reserved, so
            // that dom0 finds them too
            DecodedTagBody::Map { entries, .. } => {
                let low: Vec<_> = entries[..3]
                    .iter()
                    .map(|entry| (entry.base.0, entry.length, entry.kind))
                    .collect();
                let want = [(0, 0x1000, 2), (0x1000, 0x9e000, 1), (0x9f000, 0x1000, 2)];
                assert_eq!(low, want);
                assert_eq!(entries.len(), 9);
            }
            DecodedTagBody::Rsdp { copied_at_handoff } => {
                assert_eq!(copied_at_handoff.from.0, 0x7eb7_e014);
                assert_eq!((tag.kind, copied_at_handoff.len), (15, 36));
            }
            _ => {}
        }
    }
    // other images on the same machine get no changes to low memory
    let other = super::plan(&Request::new(payload()), &uefi()).unwrap();
    assert_eq!(other.report.fixups.len(), 1);
    let copy = &other.report.fixups[0];
    assert!(
        matches!(copy, FixupReport::CopyRsdp { to, .. } if to.0 > MIB),
        "{copy:?}"
    );
}

#[test]
fn nothing_is_placed_at_xens_trampoline() {
    let mut request = xen_request();
    request.mem_min = 0;
    request.modules[1].data = vec![1; 0x85000].into();
    let plan = plan(&request, &bios()).unwrap();
    let trampoline = r(0x8f000, 0x9f000);
    for segment in &plan.segments {
        assert!(
            !segment.dest.overlaps(&trampoline),
            "{} {}",
            segment.name,
            segment.dest
        );
        assert!(segment.dest.start >= PAGE_SIZE);
    }
    assert_eq!(dest(&plan, "module 1: initrd.img").start, PAGE_SIZE);
    assert!(dest(&plan, "handoff").start >= MIB);
}

#[test]
fn constraints_of_xen_are_enforced() {
    let mut request = xen_request();
    request.modules.swap(0, 1);
    assert_error!(
        refused(&request, &bios()),
        PlanError::Contract(ContractError::NotAKernel { name, .. }) if name == "initrd.img"
    );
    request.modules.clear();
    let error = plan(&request, &bios()).unwrap_err();
    assert!(
        matches!(error, PlanError::Contract(ContractError::NoDom0)),
        "{error}"
    );
}
