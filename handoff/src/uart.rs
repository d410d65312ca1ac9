//! A polled 8250 transmitter whose waits all end.
//!
//! Registers: National Semiconductor PC16550D data sheet.

use crate::text::Text;

/// Transmitter holding register, and divisor latch low when DLAB is set.
pub const THR: u8 = 0;
/// Interrupt enable, and divisor latch high when DLAB is set.
pub const IER: u8 = 1;
/// FIFO control.
pub const FCR: u8 = 2;
/// Line control.
pub const LCR: u8 = 3;
/// Modem control.
pub const MCR: u8 = 4;
/// Line status.
pub const LSR: u8 = 5;
/// LSR: the holding register is empty.
pub const LSR_THRE: u8 = 0x20;
/// LSR: holding and shift register are empty.
pub const LSR_TEMT: u8 = 0x40;
/// LCR: divisor latch access.
pub const LCR_DLAB: u8 = 0x80;
/// LCR: eight bits, no parity, one stop bit.
pub const LCR_8N1: u8 = 0x03;

/// Reads of LSR before a byte is given up. An I/O port read takes about 1 us
/// on hardware, a byte at 1200 baud 8.3 ms: 65536 reads are enough for any
/// UART that works, and end after about 0.1 s on one that does not.
pub const POLL_LIMIT: u32 = 65536;

/// Access to the eight registers.
pub trait Registers {
    /// Reads register `index` (0 to 7).
    fn read(&mut self, index: u8) -> u8;
    /// Writes register `index` (0 to 7).
    fn write(&mut self, index: u8, value: u8);
}

/// Programs 8n1, FIFOs and the divisor (115200 / baud).
pub fn init(port: &mut impl Registers, divisor: u16) {
    port.write(IER, 0);
    port.write(LCR, LCR_DLAB | LCR_8N1);
    port.write(THR, divisor.to_le_bytes()[0]);
    port.write(IER, divisor.to_le_bytes()[1]);
    port.write(LCR, LCR_8N1);
    port.write(FCR, 0x07); // enable, clear both FIFOs
    port.write(MCR, 0x03); // DTR, RTS
}

/// Waits until all `bits` of LSR are set. False after [`POLL_LIMIT`] reads, or
/// at once where no device answers (0xff).
pub fn wait(port: &mut impl Registers, bits: u8) -> bool {
    for _ in 0..POLL_LIMIT {
        let status = port.read(LSR);
        if status == 0xff {
            return false;
        }
        if status & bits == bits {
            return true;
        }
    }
    false
}

/// Sends text; silent after the first time-out, so that a dead UART costs one
/// wait and not one a byte.
pub struct Uart<'a, R> {
    /// The registers.
    pub registers: R,
    /// Not zero once a wait timed out.
    pub dead: &'a mut u32,
}

impl<R: Registers> Uart<'_, R> {
    fn send(&mut self, byte: u8) {
        if *self.dead != 0 {
            return;
        }
        if wait(&mut self.registers, LSR_THRE) {
            self.registers.write(THR, byte);
        } else {
            *self.dead = 1;
        }
    }

    /// Waits until the last byte has left the wire.
    pub fn drain(&mut self) {
        if *self.dead == 0 && !wait(&mut self.registers, LSR_TEMT) {
            *self.dead = 1;
        }
    }
}

impl<R: Registers> Text for Uart<'_, R> {
    fn byte(&mut self, byte: u8) {
        if byte == b'\n' {
            self.send(b'\r');
        }
        self.send(byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fake {
        lsr: u8,
        reads: u32,
        sent: Vec<(u8, u8)>,
    }

    impl Registers for &mut Fake {
        fn read(&mut self, _: u8) -> u8 {
            self.reads += 1;
            self.lsr
        }
        fn write(&mut self, index: u8, value: u8) {
            self.sent.push((index, value));
        }
    }

    fn print(lsr: u8, text: &str) -> (Fake, u32) {
        let mut fake = Fake {
            lsr,
            reads: 0,
            sent: vec![],
        };
        let mut dead = 0;
        let mut uart = Uart {
            registers: &mut fake,
            dead: &mut dead,
        };
        uart.str(text);
        uart.drain();
        (fake, dead)
    }

    #[test]
    fn a_ready_uart_gets_every_byte_and_crlf() {
        let (fake, dead) = print(0x60, "a\n");
        assert_eq!(fake.sent, [(THR, b'a'), (THR, b'\r'), (THR, b'\n')]);
        assert_eq!(dead, 0);
    }

    #[test]
    fn an_absent_uart_costs_one_read_and_a_stuck_one_one_wait() {
        let (fake, dead) = print(0xff, "hello");
        assert_eq!((fake.reads, dead, fake.sent.len()), (1, 1, 0));
        let (fake, dead) = print(0, "hello");
        assert_eq!((fake.reads, dead, fake.sent.len()), (POLL_LIMIT, 1, 0));
    }

    #[test]
    fn init_programs_the_divisor() {
        let mut fake = Fake {
            lsr: 0x60,
            reads: 0,
            sent: vec![],
        };
        init(&mut &mut fake, 0x0102);
        assert_eq!(fake.sent[1..5], [(LCR, 0x83), (THR, 2), (IER, 1), (LCR, 3)]);
    }
}
