use super::*;

const XEN: &[u8] = &[0xab; 20];

fn words(out: &mut Vec<u8>, words: &[u64]) {
    out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
}

/// ELF64 with code at `addr`, symbols in it (the first one at `addr`) and a build ID.
pub(crate) fn program(addr: u64, code: &[u8], symbols: &[(&str, u64)], id: &[u8]) -> Vec<u8> {
    let (mut names, mut table) = (vec![0], vec![0; 24]);
    for (name, addr) in symbols {
        table.extend((names.len() as u32).to_le_bytes());
        table.extend([0x12, 0, 1, 0]);
        words(&mut table, &[*addr, 0]);
        names.extend(name.bytes().chain([0]));
    }
    let mut note = Vec::new();
    for word in [4, id.len() as u32, 3] {
        note.extend(u32::to_le_bytes(word));
    }
    note.extend(b"GNU\0");
    note.extend(id);
    let names_of_sections = b"\0.text\0.symtab\0.strtab\0.shstrtab\0.note.gnu.build-id\0";
    let mut file = vec![0; 64 + 56];
    let mut at = |bytes: &[u8]| {
        file.resize(file.len().next_multiple_of(8), 0);
        let start = file.len() as u64;
        file.extend(bytes);
        (start, bytes.len() as u64)
    };
    let code_at = at(code);
    let (note, table, names, sections) = (at(&note), at(&table), at(&names), at(names_of_sections));
    let headers = at(&[]).0;
    let mut section = |name: u32,
                       kind: u32,
                       flags: u64,
                       addr: u64,
                       (start, len): (u64, u64),
                       link: u32,
                       entry: u64| {
        file.extend(name.to_le_bytes());
        file.extend(kind.to_le_bytes());
        words(&mut file, &[flags, addr, start, len]);
        file.extend(link.to_le_bytes());
        file.extend(1u32.to_le_bytes());
        words(&mut file, &[4, entry]);
    };
    section(0, 0, 0, 0, (0, 0), 0, 0);
    section(1, 1, 6, addr, code_at, 0, 0);
    section(7, 2, 0, 0, table, 3, 24);
    section(15, 3, 0, 0, names, 0, 0);
    section(23, 3, 0, 0, sections, 0, 0);
    section(33, 7, 2, 0, note, 0, 0);
    let mut head = b"\x7fELF\x02\x01\x01".to_vec();
    head.resize(16, 0);
    head.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    words(&mut head, &[addr, 64, headers]);
    head.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 6, 0, 4, 0]);
    head.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    words(
        &mut head,
        &[code_at.0, addr, addr & 0xffff_ffff, code_at.1, code_at.1, 8],
    );
    file[..head.len()].copy_from_slice(&head);
    file
}

fn xen() -> Vec<u8> {
    program(
        0x1000,
        &[0x90; 16],
        &[("__start_xen", 0x1000), ("__high_start", 0x1004)],
        XEN,
    )
}

#[test]
fn a_build_id_is_found_in_the_places_of_distributions() {
    let id = "ab".repeat(20);
    for place in [
        format!("usr/lib/debug/.build-id/ab/{}.debug", &id[2..]),
        "usr/lib/debug/boot/xen-syms-4.20-amd64".to_owned(),
        "boot/xen-syms-4.17".to_owned(),
        "beside/some.debug".to_owned(),
    ] {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(&place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, xen()).unwrap();
        let beside = [root.path().join("beside")];
        assert_eq!(find(&id, &beside, root.path()), Some(path), "{place}");
        assert_eq!(find(&"cd".repeat(20), &beside, root.path()), None);
    }
}

#[test]
fn what_is_not_the_file_is_not_taken() {
    let root = tempfile::tempdir().unwrap();
    let boot = root.path().join("boot");
    fs::create_dir_all(&boot).unwrap();
    let id = "ab".repeat(20);
    fs::write(boot.join("xen-syms-1"), b"no ELF").unwrap();
    fs::write(boot.join("xen-syms-1.map"), xen()).unwrap();
    fs::write(boot.join("config-1"), xen()).unwrap();
    fs::create_dir(boot.join("vmlinux-1")).unwrap();
    assert_eq!(find(&id, &[], root.path()), None);
    for id in ["", "a", "../../etc", "zz"] {
        assert_eq!(find(id, &[], root.path()), None, "{id}");
    }
    assert_eq!(of_file(Path::new("/nonexistent")), None);
}
