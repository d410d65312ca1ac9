//! Requests that cannot be loaded, and their errors.

use super::*;
use crate::image::FramebufferRequest;
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
    let text = refused(&request, &host);
    for part in [
        "module 0: big",
        "0x1400000 bytes",
        "above 4 GiB",
        "32 bits",
        "--mem-min",
    ] {
        assert!(text.contains(part), "{text}");
    }
    // because of --mem-min
    request.modules = vec![module("small", "", vec![0; 20])];
    request.mem_min = FOUR_GIB;
    let text = refused(&request, &host);
    assert!(
        text.contains("module 0: small") && text.contains("above 4 GiB"),
        "{text}"
    );
    request.modules.clear();
    let text = refused(&request, &host);
    assert!(text.contains("mbi") && text.contains("--mem-min"), "{text}");
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
    let text = refused(&request, &host);
    for part in [
        "module 0: huge: 0x2800000 bytes",
        "within 0x100000-",
        "RAM is 0x0-0xa0000, 0x100000-0x2000000",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    // half of RAM, for which the kernel would return EINVAL
    request.modules = vec![module("large", "", vec![0; 20 << 20])];
    let text = refused(&request, &host);
    assert!(
        text.contains("module 0: large") && text.contains("half of the RAM"),
        "{text}"
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
    let text = refused(&Request::new(image), &bios());
    assert!(
        text.contains("payload must be at 0xf0000-0xf3000"),
        "{text}"
    );
    let mut image = payload();
    for range in [&mut image.segments[0].range, &mut image.span] {
        *range = r(0, 0x3000);
    }
    image.entry = 0x20;
    let text = refused(&Request::new(image), &bios());
    assert!(text.contains("page 0"), "{text}");
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
    let error = plan(&request, &host).unwrap_err();
    let too_many = ResolveError::TooMany {
        count: 17,
        limit: 16,
        names: vec![],
    };
    let PlanError::Resolve(ResolveError::TooMany { count, limit, .. }) = &error else {
        panic!("{error}, not {too_many}");
    };
    assert_eq!((*count, *limit), (17, 16));
    assert!(
        error
            .to_string()
            .contains("17 segments, the kernel takes at most 16"),
        "{error}"
    );
    request.modules.pop();
    let plan = plan(&request, &host).unwrap();
    assert_eq!(plan.kernel_segments.len(), 16);
    request.max_segments = request::XEN_SEGMENTS;
    assert!(refused(&request, &host).contains("16 segments, the kernel takes at most 15"));
}

#[test]
fn required_requests_are_refused_by_tag() {
    let mut image = payload();
    image.requirements.info_requests = vec![InfoRequest {
        tag: 13,
        required: true,
    }];
    let text = refused(&Request::new(image.clone()), &bios());
    assert!(
        text.contains("information tag 13 (smbios tables)"),
        "{text}"
    );
    image.requirements.info_requests.clear();
    let framebuffer = FramebufferRequest {
        width: 1,
        height: 1,
        depth: 32,
        required: true,
    };
    image.requirements.framebuffer = Some(framebuffer);
    assert!(refused(&Request::new(image), &bios()).contains("header tag 5"));
}

#[test]
fn empty_modules_and_bad_strings_are_refused() {
    let mut request = Request::new(payload());
    request.modules = vec![module("a", "", vec![1]), module("b", "", vec![])];
    let text = refused(&request, &bios());
    assert!(text.contains("module 1: b is empty"), "{text}");
    request.modules = vec![module("a", "x\0y", vec![1])];
    let text = refused(&request, &bios());
    assert!(text.contains("string of module 0 has a NUL"), "{text}");
}
