//! Replaces the old kernel in tests: copies the segments of a plan to their
//! destinations and jumps, in the state of Linux's or Xen's kexec, or directly in
//! the state of Multiboot2; or calls, and compares the state afterwards. QEMU
//! loads it by Multiboot1 with the plan as its first module.
//!
//! It contains no absolute addresses, so the host may load it to any page.
#![no_std]
#![no_main]

mod call;
#[path = "../capture.rs"]
mod capture;
#[path = "../console.rs"]
mod console;
#[path = "../entry.rs"]
mod entry;
#[path = "../json.rs"]
#[expect(dead_code, reason = "only its Sink is needed here")]
mod json;
mod jump;
mod memory;
mod multiboot;
mod paging;
mod plan;
#[path = "../rt.rs"]
mod rt;
mod series;
mod xen;

use console::Console;
use entry::State;
use json::Sink;
use plan::Plan;

/// Exit status 35 with `isa-debug-exit`.
const EXIT_REFUSED: u8 = 0x11;

/// Exit status 37 with `isa-debug-exit`.
const EXIT_RETURNED: u8 = 0x12;

/// Exit status 39 with `isa-debug-exit`.
const EXIT_SERIES: u8 = 0x13;

/// Called by `entry.S` in long mode.
// UNSAFETY: the symbol name is the contract with entry.S.
#[expect(unsafe_code)]
#[unsafe(no_mangle)]
extern "C" fn payload_main(state: &State) -> ! {
    let reason = match launch(state) {
        Ok(never) => match never {},
        Err(reason) => reason,
    };
    let mut console = Console::new();
    console.text("\r\nMBTOOL-LAUNCHER refused: ");
    console.text(reason);
    console.text("\r\n");
    console::exit_qemu(EXIT_REFUSED);
    rt::halt()
}

fn launch(state: &State) -> Result<core::convert::Infallible, &'static str> {
    let info = multiboot::Info::new(state).ok_or("not entered by multiboot")?;
    let file = info.first_module().ok_or("no module")?;
    let plan = match plan::series(file) {
        None => Plan::parse(file),
        Some(count) => {
            let n = series::next();
            if u64::from(n) >= count {
                console::exit_qemu(EXIT_SERIES);
                return Err("no isa-debug-exit device");
            }
            // separates the output from that of the previous plan
            Console::new().text("\r\nMBTOOL-LAUNCHER next plan\r\n");
            Plan::nth(file, n.into())
        }
    };
    let plan = plan.ok_or("module 0 is no plan")?;
    for i in 0..plan.count {
        let segment = plan.segment(i).ok_or("segment outside the plan")?;
        if memory::overlaps_image(segment.destination, segment.memsz)
            || memory::overlaps(segment.destination, segment.memsz, file)
        {
            return Err("a segment overlaps the launcher or the plan: move the launcher");
        }
    }
    let tables = paging::identity_map_ram(&info).ok_or("more RAM than page tables")?;
    let own = paging::switch(tables);
    for i in 0..plan.count {
        let segment = plan.segment(i).ok_or("segment outside the plan")?;
        memory::store(&segment).ok_or("a segment above 512 GiB")?;
    }
    // these tables map devices
    paging::switch(own);
    if plan.mode == plan::LONG {
        let five = match plan.eax {
            5 => Some(paging::five_levels(tables).ok_or("no page table")?),
            _ => None,
        };
        jump::long(plan.entry, tables, five)
    }
    if plan.mode == plan::CALL {
        call::rounds(&plan, tables);
        console::exit_qemu(EXIT_RETURNED);
        return Err("no isa-debug-exit device");
    }
    if plan.mode == plan::XEN {
        return xen::jump(&plan, own);
    }
    let entry = u32::try_from(plan.entry).map_err(|_| "entry above 4 GiB")?;
    jump::direct(entry, plan.eax, plan.ebx)
}
