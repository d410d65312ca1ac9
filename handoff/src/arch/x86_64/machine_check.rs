//! The machine check banks, in text (Intel SDM vol. 3, 17.3; AMD APM vol. 2, 9.3).

use crate::print::Print;

/// Number of banks, in the low byte.
pub const MCG_CAP: u32 = 0x179;
/// Bit 0: execution can continue; bit 1: the error belongs to the interrupted
/// instruction; bit 2: a machine check is being handled.
pub const MCG_STATUS: u32 = 0x17a;
/// First of four registers of a bank: control, status, address, misc.
pub const MC0_CTL: u32 = 0x400;
/// Maximum number of banks to print; no current CPU has more.
pub const MAX_BANKS: u32 = 32;

/// In a bank's status: the bank holds an error.
const VALID: u64 = 1 << 63;
/// In a bank's status: its misc register is valid.
const MISC_VALID: u64 = 1 << 59;
/// In a bank's status: its address register is valid.
const ADDRESS_VALID: u64 = 1 << 58;

/// Writes one line for the CPU and one for every bank that holds an error.
/// `read` reads a model specific register; it is called only for existing
/// registers.
pub fn write(out: &mut impl Print, mut read: impl FnMut(u32) -> u64) {
    let banks = read(MCG_CAP) as u32 & 0xff;
    out.str("[handoff] mcg status ")
        .hex(read(MCG_STATUS), 16)
        .str(" banks ")
        .dec(banks.into())
        .str("\n");
    for bank in 0..banks.min(MAX_BANKS) {
        let first = MC0_CTL + 4 * bank;
        let status = read(first + 1);
        if status & VALID == 0 {
            continue;
        }
        out.str("[handoff] mc bank ").dec(bank.into());
        out.str(" status ").hex(status, 16);
        if status & ADDRESS_VALID != 0 {
            out.str(" addr ").hex(read(first + 2), 16);
        }
        if status & MISC_VALID != 0 {
            out.str(" misc ").hex(read(first + 3), 16);
        }
        out.str("\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn banks_with_an_error_are_printed_with_their_valid_registers() {
        let mut text = String::new();
        write(&mut text, |msr| match msr {
            MCG_CAP => 0x0100_00ff,
            MCG_STATUS => 5,
            0x405 => VALID | ADDRESS_VALID | 0x135,
            0x406 => 0x1234_5000,
            0x47d => VALID | MISC_VALID,
            0x47f => 0x8c,
            0x401 => !VALID,
            0x400..0x480 if msr % 4 == 1 => 0,
            _ => panic!("{msr:#x} was not to be read"),
        });
        assert_eq!(
            text,
            "[handoff] mcg status 0x0000000000000005 banks 255\n\
             [handoff] mc bank 1 status 0x8400000000000135 addr 0x0000000012345000\n\
             [handoff] mc bank 31 status 0x8800000000000000 misc 0x000000000000008c\n"
        );
    }
}
