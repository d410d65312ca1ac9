//! Requests that cannot be loaded, and their errors.

use super::*;
use crate::host::screen::NoScreen;
use crate::image::FramebufferRequest;
use crate::plan::boot::mb2_requests::{Missing, NoConsole, RequestError};
use crate::plan::boot::multiboot::MbiError;
use crate::plan::check::CheckError;
use crate::plan::place::allocator::FixedError;
use crate::plan::place::resolve::ResolveError;

#[test]
fn a_module_that_fits_only_above_4_gib_is_refused_with_the_reason() {
    let mut host = bios();
    host.memory_map = vec![
        entry(0, 0xa0000, MemoryKind::Ram),
        entry(MIB, 16 * MIB, MemoryKind::Ram),
        entry(FOUR_GIB, FOUR_GIB + (128 << 20), MemoryKind::Ram),
    ];
    let mut request = Request::new(payload());
    request.modules = vec![module("big", "", vec![0; 20 << 20])];
    assert_error!(
        refused(&request, &host),
        PlanError::ModuleAbove4Gib { name, len: 0x140_0000, .. } if name == "module 0: big"
    );
    // because of --mem-min
    request.modules = vec![module("small", "", vec![0; 20])];
    request.mem_min = FOUR_GIB;
    assert_error!(
        refused(&request, &host),
        PlanError::Window { name, min: FOUR_GIB, max: None, .. } if name == "module 0: small"
    );
    request.modules.clear();
    assert_error!(
        refused(&request, &host),
        PlanError::Window { name, min: FOUR_GIB, max: None, .. } if name == "mbi"
    );
}

#[test]
fn lack_of_memory_is_reported_with_the_needed_and_free_size() {
    let mut request = Request::new(payload());
    request.modules = vec![module("huge", "", vec![0; 40 << 20])];
    let mut host = bios();
    host.memory_map = vec![
        entry(0, 0xa0000, MemoryKind::Ram),
        entry(MIB, 32 * MIB, MemoryKind::Ram),
    ];
    let PlanError::NoFreeRange(error) = refused(&request, &host) else {
        panic!("it fits");
    };
    assert_eq!(
        (error.name.as_str(), error.len, error.window.start),
        ("module 0: huge", 0x280_0000, MIB)
    );
    assert_eq!(error.ram, [r(0, 0xa0000), r(MIB, 32 * MIB)]);
    // half of RAM, for which the kernel would return EINVAL
    request.modules = vec![module("large", "", vec![0; 20 << 20])];
    assert_error!(
        refused(&request, &host),
        PlanError::Check(CheckError::HalfOfRam { name: Some(name), .. })
            if name == "payload + module 0: large"
    );
    host.memory_map = vec![entry(0, 4096, MemoryKind::Reserved)];
    assert!(matches!(plan(&request, &host), Err(PlanError::NoRam)));
}

#[test]
fn a_fixed_image_outside_ram_is_refused() {
    let mut image = payload();
    for range in [&mut image.segments[0].range, &mut image.span] {
        *range = r(0xf0000, 0xf3000);
    }
    image.entry = 0xf0020;
    let at = r(0xf0000, 0xf3000);
    assert_error!(
        refused(&Request::new(image), &bios()),
        PlanError::Fixed(FixedError::NotRam { name, range, .. })
            if name == "payload" && *range == at
    );
    let mut image = payload();
    for range in [&mut image.segments[0].range, &mut image.span] {
        *range = r(0, 0x3000);
    }
    image.entry = 0x20;
    assert_error!(
        refused(&Request::new(image), &bios()),
        PlanError::Fixed(FixedError::Taken { by, .. }) if by == "page 0"
    );
}

#[test]
fn segments_beyond_the_limit_are_refused_by_count() {
    // holes of one page in RAM keep the segments apart
    let mut host = bios();
    let islands =
        (0..40).map(|i| entry(MIB + i * 0x2000, MIB + i * 0x2000 + 0x1000, MemoryKind::Ram));
    host.memory_map = islands.collect();
    host.memory_map
        .push(entry(2 * MIB, 0x7000_0000, MemoryKind::Ram));
    let mut request = Request::new(payload());
    request.modules = (0..15)
        .map(|i| module(&format!("m{i}"), "", vec![1; 10]))
        .collect();
    assert_error!(
        refused(&request, &host),
        PlanError::Resolve(ResolveError::TooMany {
            count: 17,
            limit: 16,
            ..
        })
    );
    request.modules.pop();
    let plan = plan(&request, &host).unwrap();
    assert_eq!(plan.kernel_segments.len(), 16);
    request.max_segments = request::XEN_SEGMENTS;
    assert_error!(
        refused(&request, &host),
        PlanError::Resolve(ResolveError::TooMany {
            count: 16,
            limit: 15,
            ..
        })
    );
}

#[test]
fn required_requests_are_refused_by_tag() {
    let mut image = payload();
    image.requirements.info_requests = vec![InfoRequest {
        tag: 13,
        required: true,
    }];
    assert_error!(
        refused(&Request::new(image.clone()), &bios()),
        PlanError::Want(RequestError::Info(13, Missing::Smbios))
    );
    image.requirements.info_requests.clear();
    let framebuffer = FramebufferRequest {
        width: 1,
        height: 1,
        depth: 32,
        required: true,
    };
    image.requirements.framebuffer = Some(framebuffer);
    assert_error!(
        refused(&Request::new(image), &bios()),
        PlanError::Want(RequestError::Framebuffer(NoConsole::Screen(
            NoScreen::Unknown
        )))
    );
}

#[test]
fn empty_modules_and_bad_strings_are_refused() {
    let mut request = Request::new(payload());
    request.modules = vec![module("a", "", vec![1]), module("b", "", vec![])];
    assert_error!(
        refused(&request, &bios()),
        PlanError::EmptyModule { name } if name == "module 1: b"
    );
    request.modules = vec![module("a", "x\0y", vec![1])];
    assert_error!(
        refused(&request, &bios()),
        PlanError::Mbi(MbiError::Nul { what, .. }) if what == "the string of module 0"
    );
}
