//! Prints text to several sinks. A sink that fails is disabled; the others continue.

use crate::abi::{
    CONSOLE_MMIO, CONSOLE_NONE, CONSOLE_PL011, CONSOLE_RAM_LOG, MAX_SINKS, SinkRaw, phase_name,
};
use crate::print::Print;

/// Bit of [`Sinks::dead`] (besides one bit per sink): the handoff's page tables
/// are not loaded, so memory-mapped sinks are not reachable.
pub const UNMAPPED: u32 = 1 << 31;

/// True for memory-mapped sinks.
#[must_use]
pub const fn in_memory(kind: u32) -> bool {
    matches!(kind, CONSOLE_MMIO | CONSOLE_PL011 | CONSOLE_RAM_LOG)
}

/// True when all sinks are memory-mapped.
#[must_use]
pub fn only_in_memory(sinks: &[SinkRaw; MAX_SINKS]) -> bool {
    sinks
        .iter()
        .all(|sink| sink.kind == CONSOLE_NONE || in_memory(sink.kind))
}

/// Access to the devices of sinks.
pub trait Driver {
    /// Sends one byte, or waits until the last one has been transmitted;
    /// returns false at the timeout.
    fn send(&mut self, sink: &SinkRaw, byte: Option<u8>) -> bool;
}

/// The sinks of one handoff.
pub struct Sinks<'a, B> {
    /// The sinks; unused entries have kind [`CONSOLE_NONE`].
    pub sinks: &'a [SinkRaw; MAX_SINKS],
    /// Bit n: sink n is disabled after a failure, so that it causes one timeout
    /// and not one per byte. And [`UNMAPPED`].
    pub dead: &'a mut u32,
    /// The devices.
    pub driver: B,
}

impl<B: Driver> Sinks<'_, B> {
    /// Sends to every working sink. Lines end in CR LF, except in the RAM log,
    /// where they end in LF. Drains the sinks for `None`.
    fn send(&mut self, byte: Option<u8>) {
        for (n, sink) in self.sinks.iter().enumerate() {
            let unreachable = *self.dead & UNMAPPED != 0 && in_memory(sink.kind);
            if sink.kind == CONSOLE_NONE || *self.dead & 1 << n != 0 || unreachable {
                continue;
            }
            let cr = byte == Some(b'\n') && sink.kind != CONSOLE_RAM_LOG;
            let ready = !cr || self.driver.send(sink, Some(b'\r'));
            if !(ready && self.driver.send(sink, byte)) {
                *self.dead |= 1 << n;
            }
        }
    }

    /// Waits until the last byte was transmitted by each sink.
    pub fn drain(&mut self) {
        self.send(None);
    }
}

impl<B: Driver> Print for Sinks<'_, B> {
    fn byte(&mut self, byte: u8) {
        self.send(Some(byte));
    }
}

/// Prints that Rust code of the handoff panicked in a phase (`PHASE_*`).
pub fn panicked_in(out: &mut impl Print, phase: u32) {
    out.str("[handoff] PANIC in phase ")
        .bytes(phase_name(phase))
        .str("\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::{CONSOLE_DEBUGCON, CONSOLE_PIO};

    /// A sink is identified by its port; those in `broken` fail after `n`
    /// bytes.
    #[derive(Default)]
    struct Fake {
        sent: [Vec<u8>; MAX_SINKS],
        waits: [usize; MAX_SINKS],
        broken: Option<(usize, usize)>,
    }

    impl Driver for &mut Fake {
        fn send(&mut self, sink: &SinkRaw, byte: Option<u8>) -> bool {
            let n = usize::from(sink.port);
            self.waits[n] += 1;
            if self.broken == Some((n, self.sent[n].len())) {
                return false;
            }
            self.sent[n].extend(byte);
            true
        }
    }

    fn sinks(kinds: [u32; MAX_SINKS]) -> [SinkRaw; MAX_SINKS] {
        core::array::from_fn(|n| SinkRaw {
            kind: kinds[n],
            port: n as u16,
            ..SinkRaw::NONE
        })
    }

    fn print(fake: &mut Fake, kinds: [u32; MAX_SINKS], dead: &mut u32) {
        let mut console = Sinks {
            sinks: &sinks(kinds),
            dead,
            driver: fake,
        };
        console.str("a\nb");
        console.drain();
    }

    const ALL: [u32; MAX_SINKS] = [CONSOLE_PIO, CONSOLE_MMIO, CONSOLE_DEBUGCON, CONSOLE_RAM_LOG];

    #[test]
    fn every_sink_gets_the_text_with_its_line_ending() {
        let (mut fake, mut dead) = (Fake::default(), 0);
        print(&mut fake, ALL, &mut dead);
        assert_eq!(dead, 0);
        for n in 0..3 {
            assert_eq!(fake.sent[n], b"a\r\nb");
        }
        assert_eq!(fake.sent[3], b"a\nb");
    }

    #[test]
    fn only_the_sink_that_fails_is_skipped_after_one_wait() {
        for broken in 0..MAX_SINKS {
            let (mut fake, mut dead) = (Fake::default(), 0);
            fake.broken = Some((broken, 1)); // on the second byte
            print(&mut fake, ALL, &mut dead);
            assert_eq!(dead, 1 << broken);
            assert_eq!(fake.waits[broken], 2, "one byte sent, one wait lost");
            assert_eq!(fake.sent[broken], b"a");
            for n in (0..MAX_SINKS).filter(|n| *n != broken) {
                assert!(fake.sent[n].ends_with(b"b"), "sink {n} with {broken} dead");
            }
        }
    }

    #[test]
    fn unused_and_unmapped_sinks_are_not_touched() {
        let (mut fake, mut dead) = (Fake::default(), UNMAPPED);
        let kinds = [CONSOLE_NONE, CONSOLE_MMIO, CONSOLE_PIO, CONSOLE_RAM_LOG];
        print(&mut fake, kinds, &mut dead);
        assert_eq!((fake.waits, dead), ([0, 0, 5, 0], UNMAPPED));
        assert!(!only_in_memory(&sinks(kinds)));
        let kinds = [CONSOLE_NONE, CONSOLE_MMIO, CONSOLE_NONE, CONSOLE_RAM_LOG];
        assert!(only_in_memory(&sinks(kinds)));
    }
}
