//! The report: one JSON object.

use crate::entry::State;
use crate::json::{Json, Sink};
use crate::{firmware, mb1, mbi, memory, selfcheck};

/// Version of the format, shared with `images::report`.
const FORMAT: u64 = 1;
/// Value of EAX under Multiboot2 (specification 3.3).
const MAGIC: u32 = 0x36d7_6289;

/// Value of EAX under Multiboot (specification 0.6.96, 3.2).
const MAGIC_1: u32 = 0x2bad_b002;

/// Writes the report.
pub fn write<S: Sink>(sink: &mut S, state: &State) {
    let json = &mut Json::new(sink);
    json.object();
    json.number("format", FORMAT);
    selfcheck::write(json);
    bss(json, state);
    registers(json, state);
    firmware::write(json);
    if state.eax == MAGIC {
        mbi::write(json, state.ebx.into(), &memory::bytes);
    }
    if state.eax == MAGIC_1 {
        mb1::write(json, state.ebx.into(), &memory::bytes);
    }
    json.end_object();
}

fn bss<S: Sink>(json: &mut Json<'_, S>, state: &State) {
    json.key("bss");
    json.object();
    json.number("start", state.bss_start.into());
    json.number("bytes", state.bss_bytes.into());
    let dirty = state.bss_dirty;
    json.number_or_null("first_dirty", (dirty != 0).then_some(dirty.into()));
    json.end_object();
}

fn registers<S: Sink>(json: &mut Json<'_, S>, state: &State) {
    json.key("registers");
    json.object();
    for (name, value) in [
        ("eax", state.eax),
        ("ebx", state.ebx),
        ("ecx", state.ecx),
        ("edx", state.edx),
        ("esi", state.esi),
        ("edi", state.edi),
        ("ebp", state.ebp),
        ("esp", state.esp),
        ("eflags", state.eflags),
        ("cs", state.cs),
        ("ds", state.ds),
        ("es", state.es),
        ("fs", state.fs),
        ("gs", state.gs),
        ("ss", state.ss),
        ("cr0", state.cr0),
        ("cr2", state.cr2),
        ("cr3", state.cr3),
        ("cr4", state.cr4),
        ("dr7", state.dr7),
        ("gdt_base", state.gdtr.base),
        ("gdt_limit", state.gdtr.limit.into()),
        ("idt_base", state.idtr.base),
        ("idt_limit", state.idtr.limit.into()),
        ("ldt", state.ldtr.into()),
        ("tr", state.tr.into()),
    ] {
        json.number(name, value.into());
    }
    json.number("efer", state.efer);
    json.end_object();
}
