//! Firmware built from EDK2.

use super::*;

const EDK2: &str = "\
!!!! X64 Exception Type - 0E(#PF - Page-Fault)  CPU Apic ID - 00000000 !!!!
ExceptionData - 0000000000000002  I:0 R:0 U:0 W:1 P:0 PK:0 SS:0 SGX:0
RIP  - 000000007E5F9A5D, CS  - 0000000000000038, RFLAGS - 0000000000010206
RAX  - 0000000000000001, RCX - 0000000000000002, RDX - 0000000000000003
RBX  - 0000000000000004, RSP - 000000007F7F1E10, RBP - 0000000000000006
RSI  - 0000000000000007, RDI - 0000000000000008
R8   - 0000000000000009, R9  - 000000000000000A, R10 - 000000000000000B
R11  - 000000000000000C, R12 - 000000000000000D, R13 - 000000000000000E
R14  - 000000000000000F, R15 - 0000000000000010
DS   - 0000000000000030, ES  - 0000000000000030, FS  - 0000000000000030
GS   - 0000000000000030, SS  - 0000000000000030
CR0  - 0000000080010033, CR2 - 0000000000000010, CR3 - 000000007F801000
CR4  - 0000000000000668, CR8 - 0000000000000000
DR6  - 00000000FFFF0FF0, DR7 - 0000000000000400
GDTR - 000000007F5EEA98 0000000000000047, LDTR - 0000000000000000
FXSAVE_STATE - 000000007F7F1A70
!!!! Find image based on IP(0x7E5F9A5D) /build/DEBUG/CpuDxe.dll (ImageBase=000000007E5F8000, EntryPoint=000000007E5F9000) !!!!
";

#[test]
fn the_firmware_of_edk2() {
    for log in [
        EDK2.to_owned(),
        format!("Test message: {}", EDK2.replace('\n', "\r\n")),
    ] {
        let found = one(&log);
        let dump = &found.dump;
        assert_eq!(
            (found.source, dump.integrity),
            (DumpSource::Edk2, Integrity::Whole)
        );
        assert_eq!(
            (dump.vector, dump.error, dump.rip),
            (Some(14), Some(Some(2)), Some(0x7e5f_9a5d))
        );
        assert_eq!(
            (dump.gpr[0], dump.gpr[15], dump.cr[1]),
            (Some(1), Some(16), Some(0x10))
        );
        assert_eq!((dump.sel[0], dump.sel[5]), (Some(0x38), Some(0x30)));
        assert_eq!(found.details.at.as_deref(), Some("CpuDxe.dll+0x1a5d"));
    }
    let lost = one(&EDK2[..EDK2.find("R14").unwrap()]);
    assert_eq!(lost.dump.integrity, Integrity::Truncated);
    let unknown = EDK2.replace(
        "!!!! Find image",
        "!!!!  Can't find image information. !!!!\nx",
    );
    assert_eq!(one(&unknown).details.at, None);
}
