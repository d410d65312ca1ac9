//! The end-to-end cases: each boots machines in QEMU. `tests::pool` runs them.

mod arm;
mod arm64;
mod arm_probe;
mod chain;
mod console;
mod crash_debian;
mod crash_linux;
mod crash_region;
mod crash_save;
mod crash_to_xen;
mod crash_xen;
mod decode;
mod doctor;
mod dom0;
mod dom0_load;
mod entries;
mod faults;
mod hypercall;
mod kexec_jump;
mod large_initrd;
mod linux;
mod linux_image;
mod out_of_xen;
mod panic;
mod payload;
mod planned;
mod pvh;
mod pvh_dom0;
mod ram_log;
mod refusals;
mod riscv64;
mod riscv64_kvm;
mod types;
mod xen;
mod xen_handoff;
mod xen_to_xen;

fn main() -> std::process::ExitCode {
    tests::pool::run(&[
        arm::CASES,
        arm64::CASES,
        arm_probe::CASES,
        chain::CASES,
        console::CASES,
        crash_debian::CASES,
        crash_linux::CASES,
        crash_region::CASES,
        crash_save::CASES,
        crash_to_xen::CASES,
        crash_xen::CASES,
        decode::CASES,
        doctor::CASES,
        dom0::CASES,
        dom0_load::CASES,
        entries::CASES,
        faults::CASES,
        hypercall::CASES,
        kexec_jump::CASES,
        large_initrd::CASES,
        linux::CASES,
        linux_image::CASES,
        out_of_xen::CASES,
        panic::CASES,
        payload::CASES,
        planned::CASES,
        pvh::CASES,
        pvh_dom0::CASES,
        ram_log::CASES,
        refusals::CASES,
        riscv64::CASES,
        riscv64_kvm::CASES,
        types::CASES,
        xen::CASES,
        xen_handoff::CASES,
        xen_to_xen::CASES,
    ])
}
