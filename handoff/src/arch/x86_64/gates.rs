//! Descriptor tables and protected mode stubs of a blob at a given address: the
//! first part of [`abi::Tables`]. Host only, no I/O.

use super::descriptors::{self, CODE32, CODE64, DATA, Stub32};
use crate::abi::{self, Area, BlobHeader, PseudoDescriptor, Tables};
use core::mem::offset_of;

/// Vectors whose stub has its own interrupt stack in long mode.
const NMI: u8 = 2;
const DOUBLE_FAULT: u8 = 8;
const MACHINE_CHECK: u8 = 18;

/// Addresses of a blob.
#[derive(Clone, Copy)]
struct Addresses<'a> {
    header: &'a BlobHeader,
    base: u32,
}

impl Addresses<'_> {
    /// Address of the byte `offset` bytes into the area; below 4 GiB, as the
    /// base was checked.
    fn at(self, offset: usize) -> u32 {
        self.base + self.header.area + offset as u32
    }

    /// The protected mode stub of `vector`.
    fn stub32(self, vector: u8) -> u32 {
        self.at(offset_of!(Area, tables.stubs32) + usize::from(vector) * abi::STUB32_LEN)
    }

    /// The long mode stub of `vector`.
    fn stub64(self, vector: u8) -> u32 {
        self.at(offset_of!(Area, tables.stubs64) + usize::from(vector) * abi::STUB64_LEN)
    }
}

/// Fills in the fields of [`Tables`] up to `idtr_both`. `exit`: [`abi::Params::exit`].
pub fn fill(tables: &mut Tables, header: &BlobHeader, base: u32, exit: u32) {
    let w = Addresses { header, base };
    for vector in 0..=255 {
        let index = usize::from(vector);
        tables.idt64[index] = gate64(w, vector);
        tables.idt32[index] = gate32(w, vector);
        let handler = base + header.trap64;
        tables.stubs64[index] = descriptors::stub64(handler, w.stub64(vector));
    }
    // the 16 bytes of a long mode gate cover two protected mode ones
    let len = tables.idt_both.len();
    tables.idt_both.copy_from_slice(&tables.idt32[..len]);
    for vector in [NMI, MACHINE_CHECK].map(usize::from) {
        tables.idt_both[2 * vector..2 * vector + 2].copy_from_slice(&tables.idt64[vector]);
    }

    let tss = |offset| descriptors::tss_descriptor(w.at(offset).into());
    let [low, high] = tss(offset_of!(Area, tables.tss));
    let target = abi::target_tss(exit, w.at(offset_of!(Area, tables.tss32)));
    let target = descriptors::tss32_descriptor(target);
    let [double_fault, _] = tss(offset_of!(Area, tables.tss_df));
    tables.gdt = [0, CODE32, CODE64, DATA, target, low, high, double_fault];
    let stacks = [
        offset_of!(Area, scratch.ist_fault),
        offset_of!(Area, scratch.ist_df),
        offset_of!(Area, scratch.ist_nmi),
        offset_of!(Area, scratch.ist_mc),
    ];
    let stacks = stacks.map(|offset| w.at(offset + abi::STACK_SIZE));
    tables.tss = descriptors::tss(stacks.map(u64::from));
    tables.tss32 = descriptors::tss32(0, 0, 0);
    tables.tss_df = descriptors::tss32(base + header.df32, stacks[1], w.at(0));

    let stub = Stub32 {
        esp: w.at(offset_of!(Area, scratch.trap32_esp)),
        top: w.at(offset_of!(Area, scratch.trap32_top)),
        handler: base + header.trap32,
    };
    for vector in 0..=255 {
        let code = descriptors::stub32(stub, vector, w.stub32(vector));
        tables.stubs32[usize::from(vector)] = code;
    }
    let count = w.at(offset_of!(Area, scratch.nmi_count));
    let at = w.at(offset_of!(Area, tables.nmi32));
    tables.nmi32 = descriptors::nmi32(stub, count, at);

    let pointer = |size: usize, offset| PseudoDescriptor {
        limit: size as u16 - 1,
        base: w.at(offset).into(),
    };
    tables.gdtr = pointer(size_of_val(&tables.gdt), offset_of!(Area, tables.gdt));
    tables.idtr64 = pointer(size_of_val(&tables.idt64), offset_of!(Area, tables.idt64));
    tables.idtr32 = pointer(size_of_val(&tables.idt32), offset_of!(Area, tables.idt32));
    tables.idtr_both = pointer(
        size_of_val(&tables.idt_both),
        offset_of!(Area, tables.idt_both),
    );
}

fn gate64(w: Addresses<'_>, vector: u8) -> [u64; 2] {
    let stack = match vector {
        DOUBLE_FAULT => 2,
        NMI => 3,
        MACHINE_CHECK => 4,
        _ => 1,
    };
    descriptors::gate64(w.stub64(vector).into(), stack)
}

fn gate32(w: Addresses<'_>, vector: u8) -> u64 {
    match vector {
        NMI => descriptors::gate32(w.at(offset_of!(Area, tables.nmi32))),
        DOUBLE_FAULT => descriptors::task_gate(abi::SEL_TSS_DF),
        _ => descriptors::gate32(w.stub32(vector)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::FromZeros;

    #[test]
    fn nmi_and_machine_check_have_gates_of_both_modes_around_a_mode_change() {
        let header = crate::blob::header();
        let mut tables = Tables::new_box_zeroed().unwrap();
        fill(&mut tables, &header, 0x40_0000, abi::EXIT_MULTIBOOT2);
        for vector in [2, 18] {
            assert_eq!(tables.idt_both[vector], tables.idt32[vector]);
            assert_eq!(tables.idt_both[2 * vector..][..2], tables.idt64[vector]);
        }
        let limit = tables.idtr_both.limit;
        assert_eq!(limit, 38 * 8 - 1);
    }
}
