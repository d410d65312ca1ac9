//! A polled 8250 transmitter with bounded waits.
//!
//! Registers: National Semiconductor PC16550D data sheet.

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

/// Maximum number of LSR reads for a byte. An I/O port read takes about 1 us on
/// hardware, a byte at 1200 baud 8.3 ms: 65536 reads are sufficient for any
/// working UART, and take about 0.1 s on a broken one.
pub const POLL_LIMIT: u32 = 65536;

/// Access to the eight registers.
pub trait UartRegisters {
    /// Reads register `index` (0 to 7).
    fn read(&mut self, index: u8) -> u8;
    /// Writes register `index` (0 to 7).
    fn write(&mut self, index: u8, value: u8);
}

/// Programs 8n1, FIFOs and the divisor (115200 / baud).
pub fn init(port: &mut impl UartRegisters, divisor: u16) {
    port.write(IER, 0);
    port.write(LCR, LCR_DLAB | LCR_8N1);
    port.write(THR, divisor.to_le_bytes()[0]);
    port.write(IER, divisor.to_le_bytes()[1]);
    port.write(LCR, LCR_8N1);
    port.write(FCR, 0x07); // enable, clear both FIFOs
    port.write(MCR, 0x03); // DTR, RTS
}

/// Waits until the last byte was transmitted, then programs as [`init`] does; returns false at the
/// timeout.
pub fn program(port: &mut impl UartRegisters, divisor: u16) -> bool {
    let ready = wait(port, LSR_TEMT);
    if ready {
        init(port, divisor);
    }
    ready
}

/// Waits until all `bits` of LSR are set. False after [`POLL_LIMIT`] reads, or
/// at once if no device responds (0xff).
pub fn wait(port: &mut impl UartRegisters, bits: u8) -> bool {
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

/// Sends one byte once the UART accepts it, or waits until the last one was
/// transmitted; returns false at the timeout.
pub fn send(port: &mut impl UartRegisters, byte: Option<u8>) -> bool {
    let ready = wait(port, if byte.is_some() { LSR_THRE } else { LSR_TEMT });
    if let (true, Some(byte)) = (ready, byte) {
        port.write(THR, byte);
    }
    ready
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fake {
        lsr: u8,
        reads: u32,
        sent: Vec<(u8, u8)>,
    }

    impl UartRegisters for &mut Fake {
        fn read(&mut self, _: u8) -> u8 {
            self.reads += 1;
            self.lsr
        }
        fn write(&mut self, index: u8, value: u8) {
            self.sent.push((index, value));
        }
    }

    fn fake(lsr: u8) -> Fake {
        Fake {
            lsr,
            reads: 0,
            sent: vec![],
        }
    }

    #[test]
    fn a_byte_is_sent_to_a_ready_uart() {
        let mut uart = fake(0x60);
        assert!(send(&mut &mut uart, Some(b'a')) && send(&mut &mut uart, None));
        assert_eq!((uart.reads, &uart.sent[..]), (2, &[(THR, b'a')][..]));
    }

    #[test]
    fn an_absent_uart_costs_one_read_and_a_stuck_one_the_bound() {
        let mut absent = fake(0xff);
        assert!(!send(&mut &mut absent, Some(b'a')));
        assert_eq!((absent.reads, absent.sent.len()), (1, 0));
        // accepts a byte, but never becomes empty: fails only when it is
        // drained
        for (lsr, sends) in [(0, false), (0x40, false), (0x20, true)] {
            let mut stuck = fake(lsr);
            assert_eq!(send(&mut &mut stuck, Some(b'a')), sends, "{lsr:#x}");
            assert_eq!(stuck.reads, if sends { 1 } else { POLL_LIMIT });
        }
        let mut stuck = fake(0x20);
        assert!(!send(&mut &mut stuck, None));
        assert_eq!(stuck.reads, POLL_LIMIT);
    }

    #[test]
    fn init_programs_the_divisor() {
        let mut fake = fake(0x60);
        init(&mut &mut fake, 0x0102);
        assert_eq!(fake.sent[1..5], [(LCR, 0x83), (THR, 2), (IER, 1), (LCR, 3)]);
    }
}
