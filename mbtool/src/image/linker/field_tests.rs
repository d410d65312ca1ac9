#![allow(clippy::indexing_slicing, clippy::as_conversions)]

use super::*;
use proptest::prelude::*;

/// Stores a value in zeros, and returns them as a number.
fn stored(field: Field, value: i64) -> Result<u64, FieldProblem> {
    let mut bytes = [0; 8];
    field.store(&mut bytes, 0, value)?;
    Ok(u64::from_le_bytes(bytes))
}

/// Encodings of whole instructions; their registers and opcodes are taken away.
#[test]
fn instructions_have_the_encodings_of_the_specification() {
    for (field, value, expected) in [
        // beq zero, zero, VALUE
        (Field::Branch, 0x8, 0x0000_0463 ^ 0x63),
        (Field::Branch, -4, 0xfe00_0ee3 ^ 0x63),
        (Field::Branch, 0xffe, 0x7e00_0fe3 ^ 0x63),
        (Field::Branch, -0x1000, 0x8000_0063 ^ 0x63),
        // jal zero, VALUE
        (Field::Jump, 0x8, 0x0080_006f ^ 0x6f),
        (Field::Jump, -2, 0xffff_f06f ^ 0x6f),
        (Field::Jump, 0x800, 0x0010_006f ^ 0x6f),
        (Field::Jump, 0xf_fffe, 0x7fff_f06f ^ 0x6f),
        (Field::Jump, -0x10_0000, 0x8000_006f ^ 0x6f),
        (Field::Jump, 0x1_2344, 0x3441_206f ^ 0x6f),
        // auipc zero, VALUE: the lower part is -0x800 to 0x7ff
        (Field::Upper, 0x7ff, 0x0000_0000),
        (Field::Upper, 0x800, 0x0000_1000),
        (Field::Upper, -1, 0x0000_0000),
        (Field::Upper, -0x801, 0xffff_f000),
        (Field::Upper, 0x7fff_f7ff, 0x7fff_f000),
        (Field::Upper, -0x8000_0800, 0x8000_0000),
        // addi zero, zero, VALUE; sw zero, VALUE(zero)
        (Field::LowLoad, 0x7ff, 0x7ff0_0000),
        (Field::LowLoad, 0x800, 0x8000_0000),
        (Field::LowLoad, -1, 0xfff0_0000),
        (Field::LowStore, 0x7ff, 0x7e00_0f80),
        (Field::LowStore, -0x800, 0x8000_0000),
        (Field::LowStore, 0x1234, 0x2200_0a00),
        // auipc zero, UPPER; jalr zero, LOWER(zero)
        (Field::Call, 0x1234_5678, 0x6780_0000_1234_5000),
        (Field::Call, 0x1234_5ffe, 0xffe0_0000_1234_6000),
        (Field::Call, -2, 0xffe0_0000_0000_0000),
        // c.beqz s0, VALUE
        (Field::ShortBranch, 0xfe, 0xcc7d ^ 0xc001),
        (Field::ShortBranch, -0x100, 0xd001 ^ 0xc001),
        (Field::ShortBranch, -2, 0xdc7d ^ 0xc001),
        (Field::ShortBranch, 0x20, 0xc005 ^ 0xc001),
        // c.j VALUE
        (Field::ShortJump, 0x7fe, 0xaffd ^ 0xa001),
        (Field::ShortJump, -0x800, 0xb001 ^ 0xa001),
        (Field::ShortJump, -2, 0xbffd ^ 0xa001),
        (Field::ShortJump, 0x20, 0xa005 ^ 0xa001),
        (Field::ShortJump, 0x400, 0xa101 ^ 0xa001),
        (Field::ShortJump, 0x40, 0xa081 ^ 0xa001),
        (Field::ShortJump, 0x80, 0xa041 ^ 0xa001),
        (Field::ShortJump, 0x300, 0xa601 ^ 0xa001),
        (Field::ShortJump, 0x10, 0xa801 ^ 0xa001),
        // data
        (Field::Bits6, 0x7f, 0x3f),
        (Field::Bits8, 0x1ff, 0xff),
        (Field::Bits16, -1, 0xffff),
        (Field::Bits32, 0x1_0000_0001, 1),
        (Field::Bits64, -1, u64::MAX),
        (Field::Address32, 0xffff_ffff, 0xffff_ffff),
        (Field::Address32, -1, 0xffff_ffff),
        (Field::Distance32, -0x8000_0000, 0x8000_0000),
    ] {
        assert_eq!(
            stored(field, value),
            Ok(expected),
            "{field:?} {value:#x}, expected {expected:#x}"
        );
    }
}

#[test]
fn values_out_of_range_are_refused() {
    for (field, min, max) in [
        (Field::Branch, -0x1000, 0xffe),
        (Field::Jump, -0x10_0000, 0xf_fffe),
        (Field::ShortBranch, -0x100, 0xfe),
        (Field::ShortJump, -0x800, 0x7fe),
        (Field::Call, -0x8000_0800, 0x7fff_f7fe),
        (Field::Upper, -0x8000_0800, 0x7fff_f7ff),
        (Field::LowLoad, -0x8000_0800, 0x7fff_f7ff),
        (Field::LowStore, -0x8000_0800, 0x7fff_f7ff),
        (Field::Address32, -0x8000_0000, 0xffff_ffff),
        (Field::Distance32, -0x8000_0000, 0x7fff_ffff),
    ] {
        let step = if field.is_jump() { 2 } else { 1 };
        assert!(stored(field, min).is_ok(), "{field:?}");
        assert!(stored(field, max).is_ok(), "{field:?}");
        for value in [min - step, max + step, i64::MIN, i64::MAX - 1] {
            let found = stored(field, value);
            assert!(
                matches!(found, Err(FieldProblem::Range(_))),
                "{field:?} {value:#x}: {found:?}"
            );
        }
        let odd = stored(field, 1).err();
        assert_eq!(
            odd,
            field.is_jump().then_some(FieldProblem::Odd),
            "{field:?}"
        );
    }
}

#[test]
fn places_outside_are_refused() {
    let mut bytes = [0; 8];
    for field in FIELDS {
        let size = field.size();
        assert_eq!(
            field.store(&mut bytes, 9 - size, 0),
            Err(FieldProblem::Outside),
            "{field:?}"
        );
        assert_eq!(
            field.store(&mut bytes, usize::MAX, 0),
            Err(FieldProblem::Outside),
            "{field:?}"
        );
        assert_eq!(field.store(&mut bytes, 8 - size, 0), Ok(()), "{field:?}");
    }
}

#[test]
fn uleb128_keeps_its_length() {
    let mut bytes = [0x80, 0x80, 0x00, 0x55];
    assert_eq!(Field::Uleb128.store(&mut bytes, 0, 300), Ok(()));
    assert_eq!(bytes, [0xac, 0x82, 0x00, 0x55]);
    assert_eq!(Field::Uleb128.number(&bytes, 0), Some(300));
    let found = Field::Uleb128.store(&mut bytes, 0, 1 << 21);
    assert_eq!(found, Err(FieldProblem::Range(0..=0x1f_ffff)));
    let endless = [0xff; 12];
    assert_eq!(Field::Uleb128.number(&endless, 0), None);
    assert_eq!(
        Field::Uleb128.store(&mut [0xff; 12], 0, 1),
        Err(FieldProblem::Outside)
    );
}

const FIELDS: [Field; 16] = [
    Field::Branch,
    Field::Jump,
    Field::Call,
    Field::Upper,
    Field::LowLoad,
    Field::LowStore,
    Field::ShortBranch,
    Field::ShortJump,
    Field::Address32,
    Field::Distance32,
    Field::Bits6,
    Field::Bits8,
    Field::Bits16,
    Field::Bits32,
    Field::Bits64,
    Field::Uleb128,
];

/// Bits of a number, as a signed one of `count` bits.
fn signed(value: u64, count: u32) -> i64 {
    let shift = 64 - count;
    ((value << shift) as i64) >> shift
}

/// Reads a value as a CPU does, by the tables of the specification: positions of the bits from the lowest one on.
fn decoded(field: Field, word: u64) -> i64 {
    let gather = |positions: &[u32]| {
        let bits = positions.iter().enumerate();
        bits.fold(0, |value, (to, from)| value | (word >> from & 1) << to)
    };
    match field {
        Field::Branch => {
            let value = gather(&[8, 9, 10, 11, 25, 26, 27, 28, 29, 30, 7, 31]);
            signed(value << 1, 13)
        }
        Field::Jump => {
            let low = gather(&[21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 20]);
            let high = gather(&[12, 13, 14, 15, 16, 17, 18, 19, 31]);
            signed(low << 1 | high << 12, 21)
        }
        Field::ShortBranch => signed(gather(&[3, 4, 10, 11, 2, 5, 6, 12]) << 1, 9),
        Field::ShortJump => signed(gather(&[3, 4, 5, 11, 2, 7, 6, 9, 10, 8, 12]) << 1, 12),
        Field::Upper => signed(word & 0xffff_f000, 32),
        Field::LowLoad => signed(word >> 20, 12),
        Field::LowStore => signed((word >> 25 & 0x7f) << 5 | word >> 7 & 0x1f, 12),
        Field::Call => signed(word & 0xffff_f000, 32) + signed(word >> 52, 12),
        other => panic!("{other:?} is no instruction"),
    }
}

proptest! {
    #[test]
    fn a_cpu_reads_what_was_stored(value: i32, before: u64) {
        let value = i64::from(value);
        for (field, bits) in [
            (Field::Branch, 13),
            (Field::Jump, 21),
            (Field::ShortBranch, 9),
            (Field::ShortJump, 12),
            (Field::Call, 31),
        ] {
            let value = signed(value as u64, bits) & !1;
            let mut bytes = before.to_le_bytes();
            prop_assert_eq!(field.store(&mut bytes, 0, value), Ok(()));
            let word = u64::from_le_bytes(bytes);
            prop_assert_eq!(decoded(field, word), value, "{:?}", field);
            prop_assert_eq!(word & !field.mask(), before & !field.mask());
        }
        // lui or auipc, and addi, load or store
        let value = signed(value as u64, 31);
        for low in [Field::LowLoad, Field::LowStore] {
            let (mut first, mut second) = (before.to_le_bytes(), before.to_le_bytes());
            prop_assert_eq!(Field::Upper.store(&mut first, 0, value), Ok(()));
            prop_assert_eq!(low.store(&mut second, 0, value), Ok(()));
            let (first, second) = (u64::from_le_bytes(first), u64::from_le_bytes(second));
            prop_assert_eq!(decoded(Field::Upper, first) + decoded(low, second), value);
            prop_assert_eq!(first & !0xffff_f000, before & !0xffff_f000);
            prop_assert_eq!(second & !low.mask(), before & !low.mask());
        }
    }

    #[test]
    fn numbers_are_read_back(value: u64, at in 0_usize..4) {
        let mut bytes = [0x80; 16];
        bytes[at + 9] = 0;
        for field in FIELDS.into_iter().skip(10) {
            let mut bytes = bytes;
            prop_assert_eq!(field.store(&mut bytes, at, value as i64), Ok(()));
            let expected = match field.size() {
                _ if field == Field::Bits6 => value & 0x3f,
                _ if field == Field::Uleb128 => value,
                8 => value,
                size => value & ((1 << (8 * size)) - 1),
            };
            prop_assert_eq!(field.number(&bytes, at), Some(expected), "{:?}", field);
        }
    }
}
