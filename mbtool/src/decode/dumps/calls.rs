//! Lines of call traces of Linux and Xen, of all eras.

use super::MAX_TEXT;
use crate::decode::found::CallText;

/// Reads `FUNCTION+0x7/0x30`, `[<ffff82d040216247>] R FUNCTION+0x7/0x30`,
/// ` ? FUNCTION+0x7/0x30 [module]`, `[<c0105000>] ? FUNCTION+0x7/0x30`.
pub(super) fn call(text: &str) -> Option<CallText> {
    let mut rest = text.trim();
    let mut address = None;
    // old kernels print the address twice
    while let Some((digits, behind)) = rest
        .strip_prefix("[<")
        .and_then(|rest| rest.split_once(">]"))
    {
        address = Some(u64::from_str_radix(digits, 16).ok()?);
        rest = behind.trim_start();
    }
    let mut uncertain = false;
    if let Some(behind) = rest.strip_prefix("? ") {
        uncertain = true;
        rest = behind.trim_start();
    }
    // Xen: from rip, from the stack, from a frame
    if address.is_some()
        && let Some(behind) = ["R ", "S ", "F "]
            .iter()
            .find_map(|mark| rest.strip_prefix(mark))
    {
        uncertain |= rest.starts_with('S');
        rest = behind.trim_start();
    }
    let name = rest
        .split_ascii_whitespace()
        .next()
        .filter(|word| place(word).is_some());
    if address.is_none() && (name.is_none() || rest.contains(':')) {
        return None;
    }
    Some(CallText {
        address,
        name: name.map(|name| name.chars().take(MAX_TEXT).collect()),
        uncertain,
    })
}

/// Function and offset of `FUNCTION+0x7/0x30`; Xen prints an offset of 0 without `0x`.
pub(super) fn place(word: &str) -> Option<(&str, u64)> {
    let (name, offset) = word.rsplit_once('+')?;
    let (offset, size) = offset.split_once('/')?;
    size.strip_prefix("0x")?;
    let offset = offset.strip_prefix("0x").unwrap_or(offset);
    Some((name, u64::from_str_radix(offset, 16).ok()?)).filter(|(name, _)| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_all_eras() {
        let read = |text| {
            let call = call(text)?;
            Some((call.address, call.name.unwrap_or_default(), call.uncertain))
        };
        let some = |address: Option<u64>, name: &str, uncertain| {
            Some((address, name.to_owned(), uncertain))
        };
        assert_eq!(
            read(" panic+0x118/0x2f4"),
            some(None, "panic+0x118/0x2f4", false)
        );
        assert_eq!(
            read(" ? _printk+0x68/0x83"),
            some(None, "_printk+0x68/0x83", true)
        );
        assert_eq!(
            read("do_it+0x1/0x2 [xenfs]"),
            some(None, "do_it+0x1/0x2", false)
        );
        assert_eq!(
            read("[<ffffffff80b9c196>] early_idt_handler+0x56/0x6a"),
            some(
                Some(0xffff_ffff_80b9_c196),
                "early_idt_handler+0x56/0x6a",
                false
            )
        );
        assert_eq!(
            read("[<c0105000>] [<c0105000>] ? rest_init+0x0/0x20"),
            some(Some(0xc010_5000), "rest_init+0x0/0x20", true)
        );
        assert_eq!(
            read("[<ffff82d040327a9f>] S arch/x86/setup.c#init_done+0x6f/0x1a0"),
            some(
                Some(0xffff_82d0_4032_7a9f),
                "arch/x86/setup.c#init_done+0x6f/0x1a0",
                true
            )
        );
        assert_eq!(
            read("[<0000000000000017>] R 0000000000000017"),
            some(Some(0x17), "", false)
        );
        for text in [
            "<TASK>",
            "",
            "RIP: 0033:0x47b7a0",
            "RIP: 0010:f+0x1/0x2",
            "a+b/c",
            "[<zz>] x",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(place("smp.c#f+0/0x37"), Some(("smp.c#f", 0)));
    }
}
