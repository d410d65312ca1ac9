//! Descriptor tables and protected mode stubs of a blob at a given address: the
//! first half of [`abi::Tables`]. Host only, no I/O.

extern crate alloc;
use super::descriptors::{self, CODE32, CODE64, DATA, Stub32};
use crate::abi::{self, Area, Header, Tables};
use alloc::vec::Vec;
use core::mem::offset_of;

/// Vectors whose stub has an interrupt stack of its own in long mode.
const NMI: u8 = 2;
const DOUBLE_FAULT: u8 = 8;
const MACHINE_CHECK: u8 = 18;

/// Bytes and addresses of tables.
struct Writer<'a> {
    header: &'a Header,
    base: u32,
    out: &'a mut Vec<u8>,
}

impl Writer<'_> {
    /// Address of what is `offset` bytes into the area; below 4 GiB, as the
    /// base was checked.
    fn at(&self, offset: usize) -> u32 {
        self.base + self.header.area + offset as u32
    }

    fn words(&mut self, words: &[u64]) {
        for word in words {
            self.out.extend(word.to_le_bytes());
        }
    }

    fn halves(&mut self, words: &[u32]) {
        for word in words {
            self.out.extend(word.to_le_bytes());
        }
    }
}

/// Appends the fields of [`Tables`] up to `idtr_both`, in `repr(C)` order. `exit`:
/// [`abi::Params::exit`].
pub fn encode(header: &Header, base: u32, exit: u32, out: &mut Vec<u8>) {
    let start = out.len();
    let mut writer = Writer { header, base, out };
    let w = &mut writer;
    let long = gates64(w);
    let protected = gates32(w);
    w.words(long.as_flattened());
    w.words(&protected);

    // the 16 bytes of a long mode gate cover two protected mode ones
    let mut both = protected[..size_of::<[u64; 38]>() / 8].to_vec();
    for vector in [NMI, MACHINE_CHECK].map(usize::from) {
        both[2 * vector..2 * vector + 2].copy_from_slice(&long[vector]);
    }
    w.words(&both);
    for vector in 0..=255 {
        let code = descriptors::stub64(base + header.trap64, stub64_at(w, vector));
        w.out.extend(code);
    }
    w.out.resize(start + offset_of!(Tables, gdt), 0);

    let tss = |offset| descriptors::tss_descriptor(u64::from(base + header.area) + offset as u64);
    let [low, high] = tss(offset_of!(Area, tables.tss));
    let target = abi::target_tss(exit, w.at(offset_of!(Area, tables.tss32)));
    let target = descriptors::tss32_descriptor(target);
    let [double_fault, _] = tss(offset_of!(Area, tables.tss_df));
    w.words(&[0, CODE32, CODE64, DATA, target, low, high, double_fault]);
    let stacks = [
        offset_of!(Area, scratch.ist_fault),
        offset_of!(Area, scratch.ist_df),
        offset_of!(Area, scratch.ist_nmi),
        offset_of!(Area, scratch.ist_mc),
    ];
    let stacks = stacks.map(|offset| w.at(offset + abi::STACK_SIZE));
    w.halves(&descriptors::tss(stacks.map(u64::from)));
    w.halves(&descriptors::tss32(0, 0, 0));
    let (handler, area) = (base + header.df32, w.at(0));
    w.halves(&descriptors::tss32(handler, stacks[1], area));

    let stub = Stub32 {
        esp: w.at(offset_of!(Area, scratch.trap32_esp)),
        top: w.at(offset_of!(Area, scratch.trap32_top)),
        handler: base + header.trap32,
    };
    for vector in 0..=255 {
        let code = descriptors::stub32(stub, vector, stub_at(w, vector));
        w.out.extend(code);
    }
    let count = w.at(offset_of!(Area, scratch.nmi_count));
    let at = w.at(offset_of!(Area, tables.nmi32));
    w.out.extend(descriptors::nmi32(stub, count, at));

    debug_assert!(w.out.len() - start <= offset_of!(Tables, gdtr));
    w.out.resize(start + offset_of!(Tables, gdtr), 0);
    for (size, table) in [
        (size_of::<[u64; 8]>(), offset_of!(Area, tables.gdt)),
        (size_of::<[[u64; 2]; 256]>(), offset_of!(Area, tables.idt64)),
        (size_of::<[u64; 256]>(), offset_of!(Area, tables.idt32)),
        (size_of::<[u64; 38]>(), offset_of!(Area, tables.idt_both)),
    ] {
        w.out.extend((size as u16 - 1).to_le_bytes());
        w.words(&[w.at(table).into()]);
    }
    debug_assert_eq!(
        out.len() - start,
        offset_of!(Tables, idtr_both) + size_of::<abi::Pseudo>()
    );
}

fn stub_at(w: &Writer<'_>, vector: u8) -> u32 {
    w.at(offset_of!(Area, tables.stubs32) + usize::from(vector) * abi::STUB32_LEN)
}

fn stub64_at(w: &Writer<'_>, vector: u8) -> u32 {
    w.at(offset_of!(Area, tables.stubs64) + usize::from(vector) * abi::STUB64_LEN)
}

fn gates64(w: &Writer<'_>) -> Vec<[u64; 2]> {
    let gate = |vector: u8| {
        let stack = match vector {
            DOUBLE_FAULT => 2,
            NMI => 3,
            MACHINE_CHECK => 4,
            _ => 1,
        };
        descriptors::gate64(stub64_at(w, vector).into(), stack)
    };
    (0..=255).map(gate).collect()
}

fn gates32(w: &Writer<'_>) -> Vec<u64> {
    let gate = |vector: u8| match vector {
        NMI => descriptors::gate32(w.at(offset_of!(Area, tables.nmi32))),
        DOUBLE_FAULT => descriptors::task_gate(abi::SEL_TSS_DF),
        _ => descriptors::gate32(stub_at(w, vector)),
    };
    (0..=255).map(gate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn around_a_change_of_mode_nmi_and_machine_check_have_gates_of_both_kinds() {
        let header = crate::blob::header();
        let mut bytes = Vec::new();
        encode(&header, 0x40_0000, abi::EXIT_MULTIBOOT2, &mut bytes);
        let word =
            |offset: usize| u64::from_le_bytes(bytes[offset..offset + 8].try_into().unwrap());
        let both = offset_of!(Tables, idt_both);
        for vector in [2, 18] {
            let gate = offset_of!(Tables, idt32) + 8 * vector;
            assert_eq!(word(both + 8 * vector), word(gate), "{vector}");
            for half in [0, 8] {
                let gate = offset_of!(Tables, idt64) + 16 * vector + half;
                assert_eq!(word(both + 16 * vector + half), word(gate), "{vector}");
            }
        }
        assert_eq!(word(offset_of!(Tables, idtr_both)) & 0xffff, 38 * 8 - 1);
    }
}
