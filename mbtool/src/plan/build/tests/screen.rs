//! The screen and SMBIOS in plans.

use super::*;
use crate::host::boot_facts::{BootFacts, Raw};
use crate::host::screen::tests::{framebuffer, text_mode};
use crate::host::smbios::Smbios;

fn with(boot_facts: BootFacts) -> Host {
    Host {
        boot_facts,
        ..uefi()
    }
}

/// Types of the tags in a plan.
fn kinds(plan: &Plan) -> Vec<u32> {
    let tags = plan.report.boot.tags().iter();
    tags.map(|tag| tag.kind).collect()
}

/// Number of warnings about Xen's screen.
fn dark(line: &str, facts: BootFacts) -> usize {
    let request = Request {
        cmdline: line.to_owned(),
        ..xen_request()
    };
    let plan = plan(&request, &with(facts)).unwrap();
    let warnings = plan.report.warnings.iter();
    warnings
        .filter(|text| text.contains("prints nothing on the screen"))
        .count()
}

fn smbios() -> Smbios {
    let mut entry_point = vec![0; 24];
    entry_point[..5].copy_from_slice(b"_SM3_");
    entry_point[6..9].copy_from_slice(&[24, 3, 3]);
    let sum = entry_point
        .iter()
        .fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    entry_point[5] = 0_u8.wrapping_sub(sum);
    Smbios {
        entry_point: Raw(entry_point),
        table: Raw(vec![127, 4, 0, 0, 0, 0]),
    }
}

#[test]
fn a_required_framebuffer_and_smbios_are_provided_where_they_are_known() {
    let mut image = payload();
    image.requirements.framebuffer = Some(crate::image::FramebufferRequest {
        width: 0,
        height: 0,
        depth: 0,
        required: true,
    });
    image.requirements.info_requests = vec![InfoRequest {
        tag: 13,
        required: true,
    }];
    let host = with(BootFacts {
        smbios: Some(smbios()),
        ..framebuffer(0x70)
    });
    let made = plan(&Request::new(image.clone()), &host).unwrap();
    assert!(kinds(&made).contains(&13));
    assert!(kinds(&made).contains(&8) && !kinds(&made).contains(&7));
    let json = serde_json::to_vec(&made.report).unwrap();
    let again = crate::host::replay::from_json(&json).unwrap();
    let again = plan(&Request::new(image), &again).unwrap();
    assert_eq!(serde_json::to_vec(&again.report).unwrap(), json);
}

#[test]
fn xen_gets_a_framebuffer_as_it_takes_it() {
    let host = with(BootFacts {
        smbios: Some(smbios()),
        ..framebuffer(0x70)
    });
    let made = plan(&xen_request(), &host).unwrap();
    let tags = kinds(&made);
    assert!(tags.contains(&7) && tags.contains(&8), "{tags:?}");
    assert!(!tags.contains(&13), "{tags:?}");
    let tags = kinds(&plan(&xen_request(), &with(text_mode())).unwrap());
    assert!(!tags.contains(&7) && tags.contains(&8), "{tags:?}");
}

#[test]
fn xen_without_a_screen_is_a_warning_if_it_would_print_there() {
    let foreign = || BootFacts {
        screen_driver: Some("i915drmfb".to_owned()),
        ..framebuffer(0x70)
    };
    assert_eq!(dark("", foreign()), 1);
    assert_eq!(dark("console=vga,com1", foreign()), 1);
    assert_eq!(dark("com1=115200 console=com1", foreign()), 0);
    assert_eq!(dark("", framebuffer(0x70)), 0);
    assert_eq!(dark("", text_mode()), 0);
    assert_eq!(dark("", BootFacts::default()), 0);
}
