use super::*;
use handoff::addr::PhysRange;
use serde_json::json;

fn segment(name: &str, data: &[u8]) -> Segment {
    let dest = PhysRange {
        start: 0x10_0000,
        end: 0x10_1000,
    };
    Segment {
        name: name.into(),
        dest,
        data: data.to_vec().into(),
        crc32: 0,
        sha256: None,
    }
}

fn listing(path: &Path) -> Vec<String> {
    let mut names: Vec<_> = names(path)
        .unwrap()
        .unwrap()
        .iter()
        .map(|n| n.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_plan_becomes_files_and_replaces_an_older_one() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("out");
    let dir = Dir::new(&path);
    let list = [
        segment("xen", b"abc"),
        segment("kept free", b""),
        segment("module 1: ../../etc/initrd img", b"defg"),
    ];
    let done = dir.write(&json!({"entry": 1}), &list).unwrap();
    assert_eq!((done.segments, done.bytes), (2, 7));
    assert!(matches!(done.destination, LoadDestination::Directory(_)));
    assert_eq!(listing(&path), ["plan.json", "segments"]);
    let segments = path.join("segments");
    assert_eq!(
        listing(&segments),
        ["00-xen.bin", "02-module-1-..-..-etc-initrd-img.bin"]
    );
    assert_eq!(fs::read(segments.join("00-xen.bin")).unwrap(), b"abc");
    assert_eq!(
        fs::read_to_string(path.join("plan.json")).unwrap(),
        "{\n  \"entry\": 1\n}\n"
    );

    dir.write(&json!({"entry": 2}), &list[..1]).unwrap();
    assert_eq!(listing(&segments), ["00-xen.bin"]);
    assert!(
        fs::read_to_string(path.join("plan.json"))
            .unwrap()
            .contains("\"entry\": 2")
    );
    // no temporary files remain
    assert_eq!(listing(parent.path()), ["out"]);

    assert!(dir.unload(Unload::default()).unwrap());
    assert!(!dir.unload(Unload::default()).unwrap());
    assert!(listing(parent.path()).is_empty());
}

#[test]
fn an_empty_directory_and_a_link_are_filled() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("out");
    fs::create_dir(&path).unwrap();
    let link = parent.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    for _ in 0..2 {
        Dir::new(&link).write(&json!({}), &[]).unwrap();
        assert_eq!(listing(parent.path()), ["link", "out"]);
        assert_eq!(listing(&path), ["plan.json", "segments"]);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}

#[test]
fn foreign_content_is_not_replaced() {
    for names in [
        vec!["notes.txt"],
        vec!["plan.json"],
        vec!["plan.json", "segments/x.bin"],
    ] {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("out");
        for name in &names {
            let file = path.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "mine").unwrap();
        }
        let dir = Dir::new(&path);
        let err = dir.write(&json!({}), &[]).unwrap_err();
        assert!(
            matches!(&err, BackendError::Foreign { path: named, found }
                if *named == path && found == names.last().unwrap()),
            "{err}"
        );
        assert!(matches!(
            dir.unload(Unload::default()),
            Err(BackendError::Foreign { .. })
        ));
        for name in &names {
            assert_eq!(fs::read(path.join(name)).unwrap(), b"mine");
        }
        assert_eq!(listing(parent.path()), ["out"]);
    }
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("file");
    fs::write(&path, "mine").unwrap();
    let err = Dir::new(&path).write(&json!({}), &[]).unwrap_err();
    assert!(
        matches!(&err, BackendError::NoDirectory { path: named } if *named == path),
        "{err}"
    );
    let err = Dir::new(parent.path().join("no/out"))
        .write(&json!({}), &[])
        .unwrap_err();
    assert!(matches!(err, BackendError::Io { .. }), "{err}");
}

#[test]
fn file_names_are_plain() {
    assert_eq!(file_name(3, "backup 0-640K"), "03-backup-0-640K.bin");
    assert_eq!(file_name(123, "///\0"), "123-segment.bin");
    assert_eq!(file_name(0, "日本"), "00-segment.bin");
    assert_eq!(file_name(0, &"x".repeat(300)).len(), NAME_LEN + 7);
}
