//! Describes machine check banks of a dump (Intel SDM vol. 3, 17.3.2 and 17.9;
//! AMD APM vol. 2, 9.3.2 and 9.5).

/// Flags of a bank's status about severity.
const FLAGS: [(u32, &str); 4] = [
    (61, "uncorrected"),
    (57, "the CPU's state is lost"),
    (62, "earlier errors overwritten"),
    (55, "action required"),
];

/// Describes the lines `mc bank ...` of a dump, one sentence each.
#[must_use]
pub fn describe(more: &[String]) -> Vec<String> {
    more.iter().filter_map(|line| bank(line)).collect()
}

fn bank(line: &str) -> Option<String> {
    let mut words = line.strip_prefix("mc bank ")?.split(' ');
    let number: u32 = words.next()?.parse().ok()?;
    let (mut status, mut addr) = (None, None);
    while let (Some(name), Some(value)) = (words.next(), words.next()) {
        let value = u64::from_str_radix(value.strip_prefix("0x")?, 16).ok()?;
        match name {
            "status" => status = Some(value),
            "addr" => addr = Some(value),
            _ => {}
        }
    }
    let status = status?;
    let mut parts = vec![class(status as u16)];
    let set = FLAGS.iter().filter(|(bit, _)| status >> bit & 1 == 1);
    parts.extend(set.map(|(_, name)| (*name).to_owned()));
    if let Some(addr) = addr {
        parts.push(format!("at {addr:#x}"));
    }
    Some(format!("bank {number}: {}", parts.join(", ")))
}

/// The class of an MCA error code.
fn class(code: u16) -> String {
    let level = ["level 0", "level 1", "level 2", "generic level"][usize::from(code & 3)];
    match code & 0xefff {
        0 => "no error".to_owned(),
        1 => "unclassified error".to_owned(),
        2 => "microcode ROM parity error".to_owned(),
        3 => "external error".to_owned(),
        5 => "internal parity error".to_owned(),
        0x400 => "internal timer error".to_owned(),
        0x401..=0x7ff => "internal error".to_owned(),
        c if c & 0xff80 == 0x80 => format!("memory controller error, channel {}", c & 15),
        c if c & 0xfff0 == 0x10 => format!("TLB error, {level}"),
        c if c & 0xff00 == 0x100 => format!("cache error, {level}"),
        c if c & 0xf800 == 0x800 => format!("bus or interconnect error, {level}"),
        _ => format!("error code {code:#06x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn banks_are_described() {
        let more = [
            "mcg status 0x0000000000000005 banks 10",
            "mc bank 1 status 0xbe00000000800400 addr 0x0000000012345000 misc 0x000000000000008c",
            "mc bank 9 status 0x8400000000000091",
            "mc bank x status 1",
            "mc bank 2",
        ];
        let found = describe(&more.map(str::to_owned));
        assert_eq!(
            found,
            [
                "bank 1: internal timer error, uncorrected, the CPU's state is lost, at 0x12345000",
                "bank 9: memory controller error, channel 1",
            ]
        );
        assert_eq!(class(0x0135), "cache error, level 1");
        assert_eq!(class(0x0e0f), "bus or interconnect error, generic level");
    }
}
