//! Each relocation type, with the bytes that it makes.

use super::*;

const BRANCH: u32 = 0x0000_0063; // beq zero, zero, .
const JAL: u32 = 0x0000_00ef; // jal ra, .
const AUIPC: u32 = 0x0000_0517; // auipc a0, 0
const LUI: u32 = 0x0000_0537; // lui a0, 0
const ADDI: u32 = 0x0005_0513; // addi a0, a0, 0
const LOAD: u32 = 0x0005_3503; // ld a0, 0(a0)
const STORE: u32 = 0x00b5_3023; // sd a1, 0(a0)
const JALR: u32 = 0x0000_80e7; // jalr ra, 0(ra)
const AUIPC_RA: u32 = 0x0000_0097; // auipc ra, 0
const NOP: u32 = 0x0000_0013;

/// Words of code with one relocation against a label at `target` of the code.
fn code(words: &[u32], kind: u32, target: u64, addend: i64) -> LinkedObject {
    let section = SectionOf::words(words).reloc(0, kind, 2, addend);
    linked(&ObjectOf::new(&[section]).label(1, target)).unwrap()
}

#[test]
fn branches_and_jumps() {
    let words = [BRANCH, NOP, NOP, NOP];
    assert_eq!(word(&code(&words, 16, 8, 0), BASE), 0x0000_0463);
    assert_eq!(word(&code(&words, 16, 8, 4), BASE), 0x0000_0663);
    let words = [JAL, NOP, NOP, NOP];
    assert_eq!(word(&code(&words, 17, 12, -4), BASE), 0x0080_00ef);
    // c.beqz a0, . and c.j .
    let short = SectionOf::code(&[0x01, 0xc1, 0x01, 0xa0])
        .reloc(0, 44, 1, 0x20)
        .reloc(2, 45, 1, 0);
    let linked = linked(&ObjectOf::new(&[short])).unwrap();
    assert_eq!(bytes(&linked, BASE, 4), [0x05, 0xc1, 0xfd, 0xbf]);
}

#[test]
fn calls_reach_other_objects() {
    for kind in [18, 19] {
        let section = SectionOf::words(&[AUIPC_RA, JALR]).reloc(0, kind, 2, 0);
        let object = ObjectOf::new(&[section]).symbol(SymbolOf("far", GLOBAL, 0, 0, 0));
        let linked = linked(&object).unwrap();
        // 0x9000_0000 - 0x8020_0000 = 0xfe0_0000
        assert_eq!(word(&linked, BASE), 0x0fe0_0097);
        assert_eq!(word(&linked, BASE + 4), JALR);
    }
    let call = code(&[AUIPC_RA, JALR], 18, 0, -2);
    assert_eq!(
        (word(&call, BASE), word(&call, BASE + 4)),
        (0x97, 0xffe0_80e7)
    );
}

#[test]
fn absolute_addresses_have_two_halves() {
    let section = SectionOf::words(&[LUI, ADDI, STORE])
        .reloc(0, 26, 2, 0)
        .reloc(4, 27, 2, 0)
        .reloc(8, 28, 2, 0);
    let symbol = SymbolOf("here", GLOBAL, 0xfff1, 0x1234_5fec, 0);
    let linked = linked(&ObjectOf::new(&[section]).symbol(symbol)).unwrap();
    assert_eq!(word(&linked, BASE), 0x1234_6537);
    assert_eq!(word(&linked, BASE + 4), 0xfec5_0513);
    assert_eq!(word(&linked, BASE + 8), 0xfeb5_3623);
}

#[test]
fn a_low_part_belongs_to_the_high_part_at_its_label() {
    // two pairs to different places, low parts before and behind, in other order
    let section = SectionOf::words(&[ADDI, AUIPC, AUIPC, STORE, LOAD])
        .reloc(0, 24, 4, 0)
        .reloc(4, 23, 2, 0)
        .reloc(8, 23, 3, 8)
        .reloc(12, 25, 5, 0)
        .reloc(16, 24, 4, 0);
    let object = ObjectOf::new(&[section, SectionOf::data(&[0; 32])])
        .label(2, 0)
        .label(2, 8)
        .label(1, 4)
        .label(1, 8);
    let linked = linked(&object).unwrap();
    let data = address_of(&linked, ".data");
    assert_eq!(data, BASE + 0x1000);
    assert_eq!(word(&linked, BASE), ADDI | 0xffc << 20);
    assert_eq!(word(&linked, BASE + 4), AUIPC | 0x1000);
    // data + 16 - (BASE + 8) = 0x1008
    assert_eq!(word(&linked, BASE + 8), AUIPC | 0x1000);
    assert_eq!(word(&linked, BASE + 12), STORE | 8 << 7);
    assert_eq!(word(&linked, BASE + 16), LOAD | 0xffc << 20);
}

#[test]
fn symbols_have_one_slot_each() {
    let section = SectionOf::words(&[AUIPC, LOAD, AUIPC, LOAD, AUIPC, LOAD])
        .reloc(0, 20, 2, 0)
        .reloc(4, 24, 4, 0)
        .reloc(8, 20, 3, 0)
        .reloc(12, 24, 5, 0)
        .reloc(16, 20, 2, 0)
        .reloc(20, 24, 6, 0);
    let object = ObjectOf::new(&[section])
        .symbol(SymbolOf("far", GLOBAL, 0, 0, 0))
        .symbol(SymbolOf("absent", WEAK, 0, 0, 0))
        .label(1, 0)
        .label(1, 8)
        .label(1, 16);
    let linked = linked(&object).unwrap();
    let table = address_of(&linked, ".got");
    assert_eq!((table, linked.sections.len()), (BASE + 0x1000, 2));
    assert_eq!(bytes(&linked, table, 8), 0x9000_0000_u64.to_le_bytes());
    assert_eq!(bytes(&linked, table + 8, 8), [0; 8]);
    assert_eq!(linked.segments[1].size, 16);
    let got = |at: u64| (word(&linked, BASE + at), word(&linked, BASE + at + 4));
    assert_eq!(got(0), (AUIPC | 0x1000, LOAD));
    assert_eq!(got(8), (AUIPC | 0x1000, LOAD));
    assert_eq!(got(16), (AUIPC | 0x1000, LOAD | 0xff0 << 20));
}

#[test]
fn data_holds_addresses_and_distances() {
    let data = SectionOf::data(&[0xaa; 32])
        .reloc(0, 2, 1, 0x10)
        .reloc(8, 1, 1, 0)
        .reloc(12, 57, 1, 0)
        .reloc(16, 2, 2, 1);
    let object = ObjectOf::new(&[SectionOf::words(&[NOP]), data]);
    let object = object.symbol(SymbolOf("absent", WEAK, 0, 0, 0));
    let linked = linked(&object).unwrap();
    let at = BASE + 0x1000;
    assert_eq!(bytes(&linked, at, 8), (BASE + 0x10).to_le_bytes());
    assert_eq!(word(&linked, at + 8), BASE as u32);
    assert_eq!(word(&linked, at + 12), 0_u32.wrapping_sub(0x100c));
    assert_eq!(bytes(&linked, at + 16, 8), 1_u64.to_le_bytes());
    assert_eq!(bytes(&linked, at + 24, 8), [0xaa; 8]);
}

#[test]
fn differences_are_added_and_subtracted() {
    let mut start = vec![0x01, 0xc0, 0xff, 0xff, 0xff];
    start.resize(32, 0);
    start[16..19].copy_from_slice(&[0x80, 0x80, 0]);
    let data = SectionOf::data(&start)
        // 8 bits: 1 + label - start
        .reloc(0, 33, 2, 0)
        .reloc(0, 37, 1, 0)
        // 6 bits, the upper two stay
        .reloc(1, 53, 2, 0)
        .reloc(1, 52, 1, 0)
        // 8 bits
        .reloc(2, 54, 2, 0)
        .reloc(2, 37, 1, 0)
        // 16 bits
        .reloc(3, 55, 2, 0)
        .reloc(3, 38, 1, 0)
        .reloc(5, 34, 2, 0)
        .reloc(5, 38, 1, 0)
        // 32 bits
        .reloc(8, 35, 2, 0)
        .reloc(8, 39, 1, 4)
        .reloc(12, 56, 2, 0)
        .reloc(12, 39, 1, 0)
        // ULEB128
        .reloc(16, 60, 2, 1000)
        .reloc(16, 61, 1, 0)
        // 64 bits
        .reloc(24, 36, 1, 0)
        .reloc(24, 40, 2, 0);
    let object = ObjectOf::new(&[SectionOf::words(&[NOP; 8]), data]).label(1, 0x14);
    let linked = linked(&object).unwrap();
    let at = BASE + 0x1000;
    assert_eq!(bytes(&linked, at, 7), [0x15, 0xd4, 0x14, 0x14, 0, 0x14, 0]);
    assert_eq!(word(&linked, at + 8), 0x10);
    assert_eq!(word(&linked, at + 12), 0x14);
    // 1020 in the three bytes that are there
    assert_eq!(bytes(&linked, at + 16, 3), [0xfc, 0x87, 0]);
    assert_eq!(bytes(&linked, at + 24, 8), (-0x14_i64).to_le_bytes());
}

#[test]
fn marks_change_nothing() {
    let section = SectionOf::words(&[NOP, NOP])
        .reloc(0, 0, 0, 0)
        .reloc(4, 51, 0, 0);
    let linked = linked(&ObjectOf::new(&[section])).unwrap();
    assert_eq!(linked.segments[0].data, [NOP.to_le_bytes(); 2].concat());
}
