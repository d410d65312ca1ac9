use super::*;
use crate::host::{MapEntry, MemoryKind, RawRange};
use crate::image::synth::bzimage;
use crate::image::{As, Image};
use crate::plan::Module;

fn request(initrd: usize) -> Request {
    let image = Image::parse_as(&bzimage(), "vmlinuz", As::Auto).unwrap();
    let mut request = Request::new(image);
    request.modules = vec![Module {
        name: "initrd".to_owned(),
        cmdline: String::new(),
        data: vec![0; initrd].into(),
    }];
    request
}

fn host(regions: &[(u64, u64)]) -> Host {
    let ram = |start, end| MapEntry {
        start,
        end,
        kind: MemoryKind::Ram,
    };
    let region = |&(start, end): &(u64, u64)| RawRange {
        start: start * MIB,
        end: end * MIB,
    };
    Host {
        memory_map: vec![
            ram(0, 0x9_f000),
            ram(MIB, 1024 * MIB),
            ram(FOUR_GIB, 2 * FOUR_GIB),
        ],
        crash_regions: regions.iter().map(region).collect(),
        ..Host::default()
    }
}

fn text(size: &CrashSizeReport) -> String {
    size.to_string()
}

#[test]
fn the_parameter_is_printed_first_and_the_reservation_last() {
    let advised = CrashSizeReport::of(request(5 << 20), &host(&[])).unwrap();
    let mib = advised.bytes / MIB;
    assert!((96..=128).contains(&mib), "{mib}");
    let region = |start, end| (start * MIB, end * MIB);
    for (regions, expected, loads, enough) in [
        (&[][..], None, false, false),
        (
            &[(256, 256 + mib)],
            Some(region(256, 256 + mib)),
            true,
            true,
        ),
        // too little memory to run
        (
            &[(256, 256 + mib - 1)],
            Some(region(256, 256 + mib - 1)),
            true,
            false,
        ),
        // too small for the image
        (&[(256, 264)], Some(region(256, 264)), false, false),
        // above 4 GiB
        (
            &[(256, 512), (4096, 4608)],
            Some(region(4096, 4608)),
            false,
            false,
        ),
    ] {
        let size = CrashSizeReport::of(request(5 << 20), &host(regions)).unwrap();
        assert_eq!(size.bytes, advised.bytes);
        let printed = text(&size);
        assert!(
            printed.starts_with(&format!("crashkernel={mib}M\n")),
            "{printed}"
        );
        let reserved = size.reserved;
        assert!(printed.trim_end().ends_with(&reserved.why), "{printed}");
        let region = reserved.region.map(|region| (region.start.0, region.end.0));
        assert_eq!(region, expected);
        assert_eq!((reserved.loads, reserved.enough), (loads, enough));
        assert_eq!(reserved.regions.len(), regions.len());
    }
}

#[test]
fn a_machine_without_such_memory_is_reported() {
    let size = CrashSizeReport::of(request(500 << 20), &host(&[])).unwrap();
    assert!(!size.fits);
    let fits = CrashSizeReport {
        fits: true,
        ..size.clone()
    };
    assert_ne!(text(&size), text(&fits));
}

#[test]
fn the_document_has_the_documented_fields() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(root.path().join("boot/grub")).unwrap();
    std::fs::write(root.path().join("boot/grub/grub.cfg"), "").unwrap();
    let size = CrashSizeReport::of(request(1 << 20), &host(&[(256, 264)])).unwrap();
    let size = size.with_boot_loader(root.path());
    let printed = text(&size);
    let loader = size.boot_loader.as_ref().unwrap();
    assert_eq!(loader.found.as_deref(), Some("/boot/grub/grub.cfg"));
    for value in ["/boot/grub/grub.cfg", &*loader.steps[0].text] {
        assert!(printed.contains(value), "{printed}");
    }
    let json = serde_json::to_value(&size).unwrap();
    let keys: Vec<&str> = json
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let documented = include_str!("../../../../docs/crash-size-json.md");
    for key in &keys {
        assert!(documented.contains(&format!("`{key}`")), "{key}");
    }
    assert_eq!(json["reserved"]["regions"][0]["start"], "0x10000000");
    assert_eq!(json["boot_loader"]["name"], "grub-by-hand");
    assert_eq!(
        json["boot_loader"]["steps"][0]["command"],
        serde_json::Value::Null
    );
    assert_eq!(json["goes_to"], "linux");
    let unknown = tempfile::tempdir().unwrap();
    let size = size.with_boot_loader(unknown.path());
    let loader = size.boot_loader.as_ref().unwrap();
    assert!(loader.found.is_none() && loader.steps.is_empty());
    assert!(!text(&size).contains("/boot/grub/grub.cfg"));
}
