use super::table::MAX_TABLES;
use super::wire::{Rsdp, TableHeader, seal, sum};
use super::*;
use core::mem::offset_of;
use proptest::prelude::*;
use zerocopy::FromBytes;

/// Offset of the checksum in a table.
const CHECKSUM: usize = offset_of!(TableHeader, checksum);

/// A table with a correct checksum.
pub(super) fn table(name: &str, signature: &[u8; 4], body: &[u8]) -> AcpiTable {
    let mut bytes = signature.to_vec();
    bytes.extend((36 + body.len() as u32).to_le_bytes());
    bytes.extend([3, 0]);
    bytes.extend(b"BOCHS BXPC    \x01\0\0\0BXPC\x01\0\0\0");
    bytes.extend(body);
    seal(&mut bytes, CHECKSUM);
    AcpiTable {
        name: name.to_owned(),
        bytes,
    }
}

fn apic(id: u8, flags: u32) -> Vec<u8> {
    [&[0, 8, id, id][..], &flags.to_le_bytes()].concat()
}

fn x2apic(id: u32, flags: u32) -> Vec<u8> {
    let words = [id, flags, 7].map(u32::to_le_bytes).concat();
    [&[9, 16, 0, 0][..], &words].concat()
}

/// A MADT with processors, and an I/O APIC between them.
fn madt(entries: &[Vec<u8>]) -> AcpiTable {
    let io_apic = vec![1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0];
    let (first, rest) = entries.split_first().unwrap();
    let body = [&[0, 0, 0xe0, 0xfe, 1, 0, 0, 0], &first[..], &io_apic].concat();
    table("APIC", b"APIC", &[body, rest.concat()].concat())
}

pub(super) fn machine() -> Vec<AcpiTable> {
    vec![
        madt(&[apic(0, 1), apic(2, 1), x2apic(0x1_0000, 1)]),
        table("DSDT", b"DSDT", b"aml"),
        table("FACP", b"FACP", &[1; 208]),
        table("SSDT10", b"SSDT", b"ten"),
        table("SSDT2", b"SSDT", b"two"),
    ]
}

/// Returns address and contents of each table below the RSDP at `at`.
fn tree(built: &Trees, base: u64, at: u64) -> Vec<(u64, &[u8])> {
    let from = |addr: u64| &built.bytes[(addr - base) as usize..];
    let bytes = &from(at)[..RSDP_LEN as usize];
    let rsdp = Rsdp::read_from_bytes(bytes).unwrap();
    assert_eq!(&rsdp.v1.signature, b"RSD PTR ");
    assert_eq!((sum(&bytes[..20]), sum(bytes), rsdp.v1.revision), (0, 0, 2));
    let sized = |addr: u64| {
        let bytes = from(addr);
        let (header, _) = TableHeader::read_from_prefix(bytes).unwrap();
        &bytes[..header.length.get() as usize]
    };
    let root = rsdp.xsdt.get();
    let xsdt = sized(root);
    assert!(xsdt.starts_with(b"XSDT") && root % 16 == 0);
    assert_eq!(sum(xsdt), 0);
    let (entries, _) = xsdt[size_of::<TableHeader>()..].as_chunks();
    let addresses = entries.iter().map(|entry| u64::from_le_bytes(*entry));
    addresses
        .map(|addr| {
            assert_eq!(addr % 16, 0);
            (addr, sized(addr))
        })
        .collect()
}

#[test]
fn both_trees_have_all_tables_and_differ_in_one_processor() {
    let tables = machine();
    const AT: u64 = 0x8e43_0000;
    let built = build(&tables, AT, 0).unwrap();
    assert_eq!(built.bytes.len() as u64, len(&tables).unwrap());
    let (all, others) = (tree(&built, AT, built.all), tree(&built, AT, built.others));
    let bytes: Vec<&[u8]> = all.iter().map(|(_, bytes)| *bytes).collect();
    let expected = [&tables[0], &tables[2], &tables[4], &tables[3]];
    assert_eq!(bytes, expected.map(|table| &table.bytes[..]));
    for (index, ((addr, one), (other_addr, other))) in all.iter().zip(&others).enumerate() {
        assert_eq!(one == other, index != 0);
        assert_eq!(addr == other_addr, index != 0);
    }
    let (one, other) = (all[0].1, others[0].1);
    assert_eq!(sum(other), 0);
    let differ: Vec<usize> = (0..one.len()).filter(|&at| one[at] != other[at]).collect();
    assert_eq!(
        differ,
        [CHECKSUM, 44 + 4],
        "checksum and the first entry's flags"
    );
}

#[test]
fn a_processor_is_disabled_wherever_it_is_named() {
    // id 2 in both kinds of entry, once only "online capable"
    let table = madt(&[
        apic(0, 1),
        apic(2, 1),
        x2apic(2, 3),
        x2apic(3, 1),
        apic(2, 2),
    ]);
    let patched = madt::without(&table, 2).unwrap();
    let expected = madt(&[
        apic(0, 1),
        apic(2, 0),
        x2apic(2, 0),
        x2apic(3, 1),
        apic(2, 0),
    ]);
    assert_eq!(patched, expected.bytes);
    let high = madt(&[apic(0, 1), x2apic(0x1_0000, 1), x2apic(0x1_0001, 1)]);
    let expected = madt(&[apic(0, 1), x2apic(0x1_0000, 0), x2apic(0x1_0001, 1)]);
    assert_eq!(madt::without(&high, 0x1_0000).unwrap(), expected.bytes);
}

/// Ids from 255 on are x2APIC ids. Entries of the old kind with 255 are unused, and 0x104 must not
/// be confused with 4.
#[test]
fn a_boot_processor_with_an_id_of_more_than_a_byte() {
    for boot in [0xff, 0x104, 0xffff_fff0] {
        let entries = |flags| {
            [
                apic(4, 1),
                apic(0xff, 0),
                x2apic(boot, flags),
                x2apic(0x105, 1),
            ]
        };
        let tables = |flags| {
            let mut tables = machine();
            tables[0] = madt(&entries(flags));
            tables
        };
        let built = build(&tables(1), 0x10_0000, boot).unwrap();
        let all = tree(&built, 0x10_0000, built.all);
        let others = tree(&built, 0x10_0000, built.others);
        assert_eq!(all[0].1, madt(&entries(1)).bytes);
        assert_eq!(others[0].1, madt(&entries(0)).bytes);
        // an old entry alone is not a processor with that id
        let none = build(&tables(0), 0x10_0000, boot).unwrap_err();
        assert!(matches!(none, AcpiError::NoProcessor { .. }), "{none:?}");
    }
}

#[test]
fn invalid_tables_are_named() {
    let error = |tables: &[AcpiTable], id| build(tables, 0, id).unwrap_err();
    let bad = |name: &str, found| AcpiError::Bad {
        name: name.to_owned(),
        found,
    };
    let no_processor = AcpiError::NoProcessor {
        name: "APIC".to_owned(),
        apic_id: 1,
    };
    assert_eq!(error(&[], 0), AcpiError::None);
    let mut tables = machine();
    assert_eq!(error(&tables, 1), no_processor);
    // named, but not enabled
    tables[0] = madt(&[apic(1, 2)]);
    assert_eq!(error(&tables, 1), no_processor);
    tables.remove(0);
    assert_eq!(error(&tables, 0), AcpiError::NoMadt);
    let mut short = machine();
    short[2].bytes.truncate(35);
    assert_eq!(
        error(&short, 0),
        bad("FACP", TableDefect::Short { len: 35, min: 36 })
    );
    let mut cut = machine();
    cut[4].bytes.pop();
    assert_eq!(
        error(&cut, 0),
        bad(
            "SSDT2",
            TableDefect::Length {
                len: 38,
                header: 39
            }
        )
    );
    let mut noise = machine();
    noise[3].bytes[1] = 0xff;
    assert!(matches!(
        error(&noise, 0),
        AcpiError::Bad { name, found: TableDefect::Signature([_, 0xff, ..]) } if name == "SSDT10"
    ));
    let at = 64;
    for (entry, found) in [
        (
            vec![0, 7, 0, 0, 0, 0, 0],
            TableDefect::EntryShort {
                at,
                kind: 0,
                length: 7,
            },
        ),
        (vec![9, 15], TableDefect::EntryLength { at, length: 15 }),
        (vec![5, 0], TableDefect::EntryLength { at, length: 0 }),
        (vec![5], TableDefect::EntryCutOff { at }),
    ] {
        let tables = [madt(&[apic(0, 1), entry])];
        assert_eq!(error(&tables, 0), bad("APIC", found));
    }
    let many = vec![table("SSDT", b"SSDT", b""); MAX_TABLES + 1];
    assert!(matches!(
        error(&many, 0),
        AcpiError::TooMuch { count: 1025, .. }
    ));
}

#[test]
fn the_signature_of_dmar_is_restored() {
    let mut tables = machine();
    tables.push(table("XMAR", b"XMAR", &[0x26; 12]));
    let built = build(&tables, 0, 0).unwrap();
    let (_, dmar) = *tree(&built, 0, built.others).last().unwrap();
    assert_eq!(dmar, table("", b"DMAR", &[0x26; 12]).bytes);
}

#[test]
fn a_wrong_checksum_is_copied_unchanged() {
    let mut tables = machine();
    tables[2].bytes[CHECKSUM] ^= 1;
    let built = build(&tables, 0, 0).unwrap();
    assert_eq!(tree(&built, 0, built.all)[1].1, &tables[2].bytes[..]);
}

proptest! {
    #[test]
    fn bytes_never_panic(
        raw in proptest::collection::vec((any::<[u8; 4]>(), proptest::collection::vec(any::<u8>(), 0..80)), 0..6),
        id in any::<u32>(),
        damage in proptest::collection::vec((0_usize..160, any::<u8>()), 0..6),
    ) {
        let mut tables = machine();
        for (at, byte) in damage {
            if let Some(place) = tables[0].bytes.get_mut(at) {
                *place = byte;
            }
        }
        tables.extend(raw.into_iter().map(|(signature, body)| table("X", &signature, &body)));
        if let Ok(built) = build(&tables, 0x1000, id) {
            prop_assert_eq!(built.bytes.len() as u64, len(&tables).unwrap());
            let (all, others) = (tree(&built, 0x1000, built.all), tree(&built, 0x1000, built.others));
            prop_assert_eq!(all.len(), others.len());
        }
    }

    #[test]
    fn all_other_processors_are_kept(ids in proptest::collection::btree_set(0_u32..600, 1..40), pick in any::<prop::sample::Index>()) {
        let ids: Vec<u32> = ids.into_iter().collect();
        let entry = |id: u32, flags| match u8::try_from(id) {
            Ok(id) => apic(id, flags),
            Err(_) => x2apic(id, flags),
        };
        let gone = ids[pick.index(ids.len())];
        let before = madt(&ids.iter().map(|&id| entry(id, 1)).collect::<Vec<_>>());
        let after = madt(&ids.iter().map(|&id| entry(id, u32::from(id != gone))).collect::<Vec<_>>());
        prop_assert_eq!(madt::without(&before, gone).unwrap(), after.bytes);
    }
}
