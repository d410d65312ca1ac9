use super::*;
use proptest::prelude::*;

/// Writes a tree.
#[derive(Default)]
struct Writer {
    structure: Vec<u8>,
    strings: Vec<u8>,
}

impl Writer {
    fn word(&mut self, word: u32) {
        self.structure.extend(word.to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.structure.extend(bytes);
        while !self.structure.len().is_multiple_of(4) {
            self.structure.push(0);
        }
    }

    fn begin(&mut self, name: &str) -> &mut Self {
        self.word(BEGIN_NODE);
        self.bytes(&[name.as_bytes(), b"\0"].concat());
        self
    }

    fn end(&mut self) -> &mut Self {
        self.word(END_NODE);
        self
    }

    fn property(&mut self, name: &str, value: &[u8]) -> &mut Self {
        self.word(PROPERTY);
        self.word(value.len() as u32);
        self.word(self.strings.len() as u32);
        self.strings.extend(name.as_bytes());
        self.strings.push(0);
        self.bytes(value);
        self
    }

    fn tree(&self) -> Vec<u8> {
        let structure = 40;
        let strings = structure + self.structure.len() as u32 + 4;
        let total = strings + self.strings.len() as u32;
        let mut tree: Vec<u8> = [MAGIC, total, structure, strings, 0, 17, 16, 0, 0, 0]
            .iter()
            .flat_map(|word| word.to_be_bytes())
            .collect();
        tree.extend(&self.structure);
        tree.extend(9_u32.to_be_bytes());
        tree.extend(&self.strings);
        tree
    }
}

/// Two UARTs, the second of which is below a bus with one address cell.
fn machine(stdout: Option<&str>) -> Vec<u8> {
    machine_with(stdout, Some(&[]), b"okay\0")
}

/// As [`machine`], with `ranges` of the bus and `status` of the first UART.
fn machine_with(stdout: Option<&str>, ranges: Option<&[u8]>, status: &[u8]) -> Vec<u8> {
    let mut w = Writer::default();
    w.begin("").property("#address-cells", &2_u32.to_be_bytes());
    w.begin("psci").property("method", b"smc\0").end();
    w.begin("aliases")
        .property("serial0", b"/bus/uart@9000\0")
        .end();
    w.begin("pl011@9000000");
    w.property("reg", &[0x1_0000_0001_u64.to_be_bytes(), [0; 8]].concat());
    w.property("compatible", b"arm,pl011\0arm,primecell\0")
        .property("status", status)
        .end();
    w.begin("bus")
        .property("#address-cells", &1_u32.to_be_bytes());
    if let Some(ranges) = ranges {
        w.property("ranges", ranges);
    }
    w.begin("timer").property("compatible", b"arm,pl031\0");
    w.property("reg", &[0, 0, 1, 0, 0, 0, 0, 1]).end();
    w.begin("uart@9000")
        .property("compatible", b"x\0arm,pl011\0");
    w.property("reg", &[0, 0, 0x90, 0, 0, 0, 0, 1]).end().end();
    if let Some(stdout) = stdout {
        w.begin("chosen").property("stdout-path", stdout.as_bytes());
        w.end();
    }
    w.end();
    w.tree()
}

#[test]
fn the_console_is_that_of_the_path_or_the_first() {
    for (stdout, expected) in [
        (None, 0x1_0000_0001),
        (Some("/pl011@9000000\0"), 0x1_0000_0001),
        (Some("/bus/uart@9000\0"), 0x9000),
        (Some("/bus/uart@9000:115200n8\0"), 0x9000),
        (Some("serial0\0"), 0x9000),
        (Some("serial0:115200\0"), 0x9000),
        (Some("serial7\0"), 0x1_0000_0001),
        (Some("/bus/timer\0"), 0x1_0000_0001),
    ] {
        let tree = machine(stdout);
        assert_eq!(size(&tree), Some(tree.len()));
        let facts = TreeFacts {
            pl011: Some(expected),
            psci: PSCI_SMC,
        };
        assert_eq!(find(&tree), facts, "{stdout:?}");
    }
}

#[test]
fn disabled_uarts_and_addresses_of_another_bus_are_not_used() {
    let first = Some(0x1_0000_0001);
    // as of a Raspberry Pi: addresses of the bus are not those of the CPUs
    for ranges in [
        None,
        Some(&[0x7e, 0, 0, 0, 0, 0, 0, 0, 0xfe, 0, 0, 0, 1, 0x80, 0, 0][..]),
    ] {
        let tree = machine_with(Some("/bus/uart@9000\0"), ranges, b"ok\0");
        assert_eq!(find(&tree).pl011, first);
        let tree = machine_with(Some("/bus/uart@9000\0"), ranges, b"disabled\0");
        assert_eq!(find(&tree).pl011, None);
    }
    let tree = machine_with(None, Some(&[]), b"disabled\0");
    assert_eq!(find(&tree).pl011, Some(0x9000));
}

#[test]
fn other_things_have_nothing() {
    let none = TreeFacts {
        pl011: None,
        psci: PSCI_NONE,
    };
    assert_eq!(find(&[]), none);
    assert_eq!(size(&[0; 40]), None);
    let mut large = machine(None);
    large[4..8].copy_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(size(&large), None);
    let mut w = Writer::default();
    w.begin("")
        .begin("psci")
        .property("method", b"hvc\0")
        .end()
        .end();
    let facts = TreeFacts {
        psci: PSCI_HVC,
        ..none
    };
    assert_eq!(find(&w.tree()), facts);
}

proptest! {
    #[test]
    fn no_damage_is_too_much(at in 0_usize..400, byte: u8, length in 0_usize..500) {
        let mut tree = machine(Some("serial0\0"));
        let length = length.min(tree.len());
        if let Some(hit) = tree.get_mut(at) {
            *hit = byte;
        }
        let _ = find(&tree[..length]);
    }
}
