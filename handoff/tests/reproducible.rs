//! The bytes of the blob, and of the probe image, depend on its source and the compiler, not on where either
//! the source or the build directory is.

#[path = "../build/blob.rs"]
mod blob;

use std::fs;
use std::path::Path;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn two_directories_give_the_same_bytes_as_the_build() {
    let dir = tempfile::tempdir().unwrap();
    let target = blob::Target::new(env!("HANDOFF_TARGET")).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for name in ["a", "another directory/with a longer name"] {
        let (root, out) = (dir.path().join(name), dir.path().join(name).join("out"));
        copy(&source, &root.join("src"));
        fs::create_dir(&out).unwrap();
        let image = blob::compile(&root, &out, &target);
        let same = image
            .iter()
            .zip(handoff::blob::IMAGE)
            .take_while(|(a, b)| a == b);
        let same = same.count();
        assert!(
            image == handoff::blob::IMAGE,
            "{name}: {} and {} bytes, different from offset {same:#x} on",
            image.len(),
            handoff::blob::IMAGE.len()
        );
        let probe = blob::compile_probe(&root, &out, &target).unwrap_or_default();
        assert!(probe == handoff::blob::PROBE, "{name}: the probe image");
    }
}
