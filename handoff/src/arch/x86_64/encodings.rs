//! Compares all encodings with those of the crate `x86_64`.

// UNSAFETY: the crate's structures as bytes, and a walk over page tables in memory.
#![expect(unsafe_code)]

use super::descriptors::{self, TSS_AVAILABLE, TSS_SIZE};
use super::paging::{self, Mapper};
use super::registers::*;
use super::{exit, watchpoints};
use crate::abi::{self, Pool, TABLES};
use crate::addr::{FOUR_GIB, PhysRange};
use x86_64::registers::control::{Cr0Flags, Cr4Flags};
use x86_64::registers::debug::{
    BreakpointCondition, BreakpointSize, DebugAddressRegisterNumber, Dr7Flags, Dr7Value,
};
use x86_64::registers::model_specific::{
    ApicBase, ApicBaseFlags, Efer, EferFlags, FsBase, GsBase, KernelGsBase, Msr,
};
use x86_64::structures::gdt::{Descriptor, DescriptorFlags, SegmentSelector};
use x86_64::structures::idt::{Entry, HandlerFunc};
use x86_64::structures::paging::mapper::{MappedFrame, TranslateResult};
use x86_64::structures::paging::{OffsetPageTable, PageTableFlags, Translate};
use x86_64::structures::tss::TaskStateSegment;
use x86_64::{PrivilegeLevel, VirtAddr};

#[test]
fn control_registers() {
    let named = [
        (CR0_PE, Cr0Flags::PROTECTED_MODE_ENABLE),
        (CR0_MP, Cr0Flags::MONITOR_COPROCESSOR),
        (CR0_EM, Cr0Flags::EMULATE_COPROCESSOR),
        (CR0_TS, Cr0Flags::TASK_SWITCHED),
        (CR0_ET, Cr0Flags::EXTENSION_TYPE),
        (CR0_NE, Cr0Flags::NUMERIC_ERROR),
        (CR0_WP, Cr0Flags::WRITE_PROTECT),
        (CR0_PG, Cr0Flags::PAGING),
    ];
    for (ours, flag) in named {
        assert_eq!(u64::from(ours), flag.bits(), "{flag:?}");
    }
    let named = [
        (CR4_PAE, Cr4Flags::PHYSICAL_ADDRESS_EXTENSION),
        (CR4_MCE, Cr4Flags::MACHINE_CHECK_EXCEPTION),
        (CR4_OSFXSR, Cr4Flags::OSFXSR),
        (CR4_OSXMMEXCPT, Cr4Flags::OSXMMEXCPT_ENABLE),
        (CR4_LA57, Cr4Flags::L5_PAGING),
    ];
    for (ours, flag) in named {
        assert_eq!(u64::from(ours), flag.bits(), "{flag:?}");
    }
}

/// The values in docs/handoff-abi.md.
#[test]
fn control_register_values() {
    assert_eq!(CR0_CLEAR, !0xc);
    assert_eq!([CR0_KEEP, CR0_SET], [0x8000_0031, 0x1_0022]);
    assert_eq!([CR0_LONG, CR0_LONG_NO_WP], [0x8001_0033, 0x8000_0033]);
    assert_eq!(CR0_PROTECTED, 0x11);
    assert_eq!([CR4_KEEP, CR4_SET, CR4_LONG], [0x1020, 0x660, 0x660]);
    assert_eq!([CR4_SSE, CR4_PROTECTED], [0x600, 0x40]);
}

#[test]
fn model_specific_registers() {
    // the crate keeps register numbers private
    let same = |number, register| format!("{:?}", Msr::new(number)) == format!("{register:?}");
    assert!(same(MSR_EFER, Efer::MSR) && same(MSR_APIC_BASE, ApicBase::MSR));
    assert!(same(MSR_FS_BASE, FsBase::MSR) && same(MSR_FS_BASE + 1, GsBase::MSR));
    assert!(same(MSR_FS_BASE + 2, KernelGsBase::MSR));
    let named = [
        (EFER_LME.into(), EferFlags::LONG_MODE_ENABLE),
        (EFER_NXE.into(), EferFlags::NO_EXECUTE_ENABLE),
        (1_u64 << EFER_FFXSR, EferFlags::FAST_FXSAVE_FXRSTOR),
    ];
    for (ours, flag) in named {
        assert_eq!(ours, flag.bits(), "{flag:?}");
    }
    assert_eq!(APIC_BSP, ApicBaseFlags::BSP.bits());
}

#[test]
fn debug_registers() {
    let mut value = Dr7Value::from(
        Dr7Flags::GLOBAL_BREAKPOINT_0_ENABLE
            | Dr7Flags::GLOBAL_BREAKPOINT_1_ENABLE
            | Dr7Flags::GLOBAL_EXACT_BREAKPOINT_ENABLE,
    );
    for n in [
        DebugAddressRegisterNumber::Dr0,
        DebugAddressRegisterNumber::Dr1,
    ] {
        value.set_condition(n, BreakpointCondition::DataWrites);
        value.set_size(n, BreakpointSize::Length4B);
    }
    // bit 10 is always 1, and the crate has no flag for it
    assert_eq!(watchpoints::DR7, value.bits() | 1 << 10);
    assert_eq!(watchpoints::DR7_OFF, 1 << 10);
}

#[test]
fn segments_and_selectors() {
    assert_eq!(descriptors::CODE32, DescriptorFlags::KERNEL_CODE32.bits());
    assert_eq!(descriptors::CODE64, DescriptorFlags::KERNEL_CODE64.bits());
    assert_eq!(descriptors::DATA, DescriptorFlags::KERNEL_DATA.bits());
    let selectors = [
        abi::SEL_CODE32,
        abi::SEL_CODE64,
        abi::SEL_DATA,
        abi::SEL_TSS32,
        abi::SEL_TSS,
    ];
    for (index, selector) in (1..).zip(selectors) {
        assert_eq!(
            selector,
            SegmentSelector::new(index, PrivilegeLevel::Ring0).0
        );
    }
    let last = SegmentSelector::new(7, PrivilegeLevel::Ring0).0;
    assert_eq!(abi::SEL_TSS_DF, last);
}

#[test]
fn task_state_segments() {
    // the crate needs a real TSS: one in static memory, one on this stack
    static STATIC: TaskStateSegment = TaskStateSegment::new();
    for tss in [&STATIC, &TaskStateSegment::new()] {
        let base = &raw const *tss as u64;
        // SAFETY: nothing loads the descriptor.
        let expected = unsafe { Descriptor::tss_segment_unchecked(tss) };
        let Descriptor::SystemSegment(low, high) = expected else {
            panic!("{expected:?}");
        };
        assert_eq!(descriptors::tss_descriptor(base), [low, high], "{base:#x}");
        assert_eq!(low >> 40 & 0xff, TSS_AVAILABLE.into());
    }
    let stacks = [0x1000, 0x7fff_f000, 0x1_0000_2000, 0x4000];
    let mut tss = TaskStateSegment::new();
    for (slot, stack) in stacks.into_iter().enumerate() {
        tss.interrupt_stack_table[slot] = VirtAddr::new(stack);
    }
    // SAFETY: integers without padding, as long as the array.
    let words = unsafe { core::mem::transmute::<TaskStateSegment, [u32; 26]>(tss) };
    assert_eq!(descriptors::tss(stacks), words);
    assert_eq!(size_of::<TaskStateSegment>(), TSS_SIZE as usize);
}

#[test]
fn gates() {
    for (handler, stack) in [(0x7ff0_1234, 1), (0x1234_5678_9abc, 4)] {
        let mut entry = Entry::<HandlerFunc>::missing();
        // SAFETY: no CPU uses the entry.
        unsafe {
            let options = entry.set_handler_addr(VirtAddr::new(handler));
            options.set_code_selector(SegmentSelector(abi::SEL_CODE64));
            options.set_stack_index(u16::from(stack) - 1);
        }
        // SAFETY: integers without padding, as long as the array.
        let words = unsafe { core::mem::transmute::<Entry<HandlerFunc>, [u64; 2]>(entry) };
        assert_eq!(descriptors::gate64(handler, stack), words, "{handler:#x}");
    }
}

#[test]
fn page_table_flags() {
    let named = [
        (paging::P, PageTableFlags::PRESENT),
        (paging::RW, PageTableFlags::WRITABLE),
        (paging::PWT, PageTableFlags::WRITE_THROUGH),
        (paging::PCD, PageTableFlags::NO_CACHE),
        (paging::A, PageTableFlags::ACCESSED),
        (paging::D, PageTableFlags::DIRTY),
        (paging::PS, PageTableFlags::HUGE_PAGE),
        (paging::NX, PageTableFlags::NO_EXECUTE),
        (exit::HAD_NX, PageTableFlags::BIT_9),
    ];
    for (ours, flag) in named {
        assert_eq!(ours, flag.bits(), "{flag:?}");
    }
}

/// The crate walks these page tables, which are at the addresses in their entries.
#[test]
fn page_tables() {
    let mut pool = Box::new(Pool([[0; 512]; TABLES]));
    let base = (&raw const *pool) as u64;
    let mut mapper = Mapper::new(&mut pool.0, base);
    mapper.map_low().unwrap();
    let text = PhysRange::new(0x7f1f_f000, 0x7f20_1000).unwrap();
    mapper.map(text, paging::TEXT).unwrap();
    let uart = PhysRange::from_len(0x38_0000_0ffc, 24).unwrap();
    mapper.map(uart, paging::DEVICE).unwrap();
    let root = mapper.root4() as *mut x86_64::structures::paging::PageTable;
    // SAFETY: the root and all tables that it leads to are in `pool`, at the
    // addresses that the entries give.
    let walk = unsafe { OffsetPageTable::new(&mut *root, VirtAddr::new(0)) };
    for (addr, page, flags) in [
        (0x40e, 0, paging::DATA | paging::PS),
        (
            FOUR_GIB - 1,
            FOUR_GIB - (2 << 20),
            paging::DATA | paging::PS,
        ),
        (0x7f1f_f123, 0x7f1f_f000, paging::TEXT),
        (0x7f20_1fff, 0x7f20_1000, paging::DATA),
        (0x38_0000_1004, 0x38_0000_1000, paging::DEVICE),
    ] {
        let found = walk.translate(VirtAddr::new(addr));
        let TranslateResult::Mapped {
            frame,
            offset,
            flags: found,
        } = found
        else {
            panic!("{addr:#x}: {found:?}");
        };
        let size = match frame {
            MappedFrame::Size4KiB(_) => 4096,
            MappedFrame::Size2MiB(_) => 2 << 20,
            MappedFrame::Size1GiB(_) => panic!("{addr:#x}: {frame:?}"),
        };
        let start = frame.start_address().as_u64();
        assert_eq!((start, start + offset), (page, addr));
        assert_eq!(size == 2 << 20, flags & paging::PS != 0, "{addr:#x}");
        assert_eq!(found.bits(), flags, "{addr:#x}");
    }
    for addr in [FOUR_GIB, 0x38_0000_2000] {
        let found = walk.translate(VirtAddr::new(addr));
        assert!(matches!(found, TranslateResult::NotMapped), "{addr:#x}");
    }
}
