//! Writes and reads records.

use super::read::{Dump, Integrity, Reader};
use super::*;
use crate::print::Print;
use proptest::prelude::*;

fn text_of(record: &Record<'_>) -> String {
    let mut out = Summed::new(String::new());
    write(&mut out, record);
    out.clone()
}

/// A page fault.
fn sample() -> Record<'static> {
    Record {
        vector: 14,
        error: Some(2),
        mode: Mode::Long,
        phase: 2,
        rip: 0x1234,
        rflags: 0x46,
        gpr: core::array::from_fn(|n| n as u64),
        sel: [0x10, 0x18, 0x18, 0x18, 0x18, 0x18],
        cr: [0x8000_0033, 0xdead_beef, 0x1000, 0x20],
        efer: 0xd01,
        dr6: 0xffff_0ff0,
        code: &[0x0f, 0x0b],
        stack: &[7],
    }
}

#[test]
fn text_of_a_page_fault() {
    let record = sample();
    let text = text_of(&record);
    assert_eq!(
        text,
        "[handoff] EXCEPTION vector 14 (#PF page fault) error 0x2 mode long phase verify format 1\n\
         [handoff] rip 0x0000000000001234 rflags 0x0000000000000046 cr2 0x00000000deadbeef\n\
         [handoff] rax 0x0000000000000000 rcx 0x0000000000000001 rdx 0x0000000000000002 rbx 0x0000000000000003\n\
         [handoff] rsp 0x0000000000000004 rbp 0x0000000000000005 rsi 0x0000000000000006 rdi 0x0000000000000007\n\
         [handoff] r8  0x0000000000000008 r9  0x0000000000000009 r10 0x000000000000000a r11 0x000000000000000b\n\
         [handoff] r12 0x000000000000000c r13 0x000000000000000d r14 0x000000000000000e r15 0x000000000000000f\n\
         [handoff] cs 0x0010 ds 0x0018 es 0x0018 fs 0x0018 gs 0x0018 ss 0x0018\n\
         [handoff] cr0 0x0000000080000033 cr3 0x0000000000001000 cr4 0x0000000000000020 efer 0x0000000000000d01 dr6 0x00000000ffff0ff0\n\
         [handoff] code 0f 0b\n\
         [handoff] stack 0x0000000000000007\n\
         [handoff] END OF DUMP 10 lines crc32 0x4c0474a4\n"
    );
    let short = Record {
        mode: Mode::Protected,
        code: &[],
        stack: &[],
        error: None,
        ..record
    };
    let text = text_of(&short);
    assert!(text.contains("[handoff] code unreadable\n[handoff] stack unreadable\n"));
    assert!(text.contains("rip 0x00001234 ") && !text.contains("r8 "));
}

/// A record that owns its lists.
#[derive(Clone, Debug)]
struct Owned {
    record: Record<'static>,
    code: Vec<u8>,
    stack: Vec<u64>,
}

impl Owned {
    fn record(&self) -> Record<'_> {
        Record {
            code: &self.code,
            stack: &self.stack,
            ..self.record
        }
    }

    fn text(&self) -> String {
        text_of(&self.record())
    }
}

prop_compose! {
    fn records()(
        (vector, error, long) in (any::<u8>(), any::<Option<u64>>(), any::<bool>()),
        phase in 0..7u32,
        words in any::<[u64; 24]>(),
        sel in any::<[u16; 6]>(),
        code in prop::collection::vec(any::<u8>(), 0..=CODE_BYTES),
        stack in prop::collection::vec(any::<u64>(), 0..=STACK_WORDS),
    ) -> Owned {
        let mask = if long { u64::MAX } else { 0xffff_ffff };
        let word = |n: usize| words[n] & mask;
        let shown = if long { 16 } else { 8 };
        Owned {
            record: Record {
                vector,
                error,
                mode: if long { Mode::Long } else { Mode::Protected },
                phase,
                rip: word(0),
                rflags: word(1),
                gpr: core::array::from_fn(|n| if n < shown { word(2 + n) } else { 0 }),
                sel,
                cr: core::array::from_fn(|n| word(18 + n)),
                efer: word(22),
                dr6: word(23),
                code: &[],
                stack: &[],
            },
            code,
            stack: stack.into_iter().map(|word| word & mask).collect(),
        }
    }
}

fn read(text: &str) -> Vec<Dump> {
    let mut reader = Reader::<Dump>::default();
    let mut dumps: Vec<_> = text.lines().flat_map(|line| reader.line(line)).collect();
    dumps.extend(reader.finish());
    dumps
}

proptest! {
    #[test]
    fn a_written_record_is_read_back(owned in records()) {
        let dumps = read(&owned.text());
        prop_assert_eq!(dumps.len(), 1);
        prop_assert_eq!(dumps[0].integrity, Integrity::Whole);
        prop_assert_eq!(dumps[0].format, Some(FORMAT));
        prop_assert_eq!(dumps[0].record(), Some(owned.record()));
    }

    #[test]
    fn every_changed_byte_is_detected(owned in records(), at in any::<prop::sample::Index>(), to in 0x20..0x7fu8) {
        let mut bytes = owned.text().into_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != to && bytes[at] != b'\n');
        bytes[at] = to;
        let text = String::from_utf8(bytes).unwrap();
        for dump in read(&text) {
            prop_assert!(dump.integrity != Integrity::Whole, "{}", text);
        }
    }

    #[test]
    fn noise_between_lines_changes_nothing(
        owned in records(),
        noise in prop::collection::vec("(\\[ *[0-9]{1,3}\\.[0-9]{6}\\] |\\(XEN\\) )?[ -Z^-~]{0,40}", 12),
        stamp in "[0-9:. ]{0,20}",
    ) {
        let mut text = String::new();
        for (line, noise) in owned.text().lines().zip(&noise) {
            text.str(noise).str("\r\n").str(&stamp).str(line).str("\r\n");
        }
        let dumps = read(&text);
        prop_assert_eq!(dumps.len(), 1);
        prop_assert_eq!(dumps[0].integrity, Integrity::Whole);
        prop_assert_eq!(dumps[0].record(), Some(owned.record()));
    }

    #[test]
    fn intact_lines_of_a_damaged_dump_are_read(owned in records(), keep in any::<u32>()) {
        let text = owned.text();
        let count = text.lines().count();
        let kept = |n: usize| n == 0 || n == 1 || keep >> n & 1 == 1;
        let lines: Vec<_> = text.lines().enumerate().filter(|(n, _)| kept(*n)).map(|(_, line)| line).collect();
        let dumps = read(&lines.join("\n"));
        let record = owned.record();
        prop_assert_eq!(dumps.len(), 1);
        let dump = &dumps[0];
        prop_assert_eq!((dump.vector, dump.rip), (Some(record.vector), Some(record.rip)));
        prop_assert_eq!(dump.integrity == Integrity::Whole, lines.len() == count);
        prop_assert_eq!(dump.integrity == Integrity::Truncated, !kept(count - 1));
        prop_assert_eq!(dump.record().is_some(), (0..count - 1).all(kept));
    }

    #[test]
    fn arbitrary_text_is_handled(lines in prop::collection::vec(
        "(\\[handoff\\] )?(EXCEPTION|END OF DUMP|rip 0x|cs|stack|code|r8)?[ -~\u{80}-\u{fff}]{0,60}", 0..40)
    ) {
        read(&lines.join("\n"));
    }
}

#[test]
fn several_dumps_and_lost_ends() {
    let owned = Owned {
        record: Record {
            vector: 6,
            error: None,
            mode: Mode::Protected,
            phase: 6,
            rip: 0x1020_0010,
            rflags: 2,
            gpr: [0; 16],
            sel: [8; 6],
            cr: [0x11, 0, 0, 0],
            efer: 0,
            dr6: 0,
            code: &[],
            stack: &[],
        },
        code: vec![0x0f, 0x0b],
        stack: vec![],
    };
    let text = owned.text();
    let (cut, _) = text.split_once("[handoff] END").unwrap();
    let (first, headless) = text.split_once('\n').unwrap();
    let states = |text: &str| read(text).iter().map(|d| d.integrity).collect::<Vec<_>>();
    use Integrity::{Damaged, Truncated, Whole};
    assert_eq!(states(&format!("{text}{text}")), [Whole, Whole]);
    assert_eq!(states(&format!("{cut}{text}")), [Truncated, Whole]);
    assert_eq!(states(&format!("{cut}{headless}")), [Truncated, Damaged]);
    assert_eq!(
        states(&format!(
            "{cut}[handoff] halted (--on-fault halt)\n{headless}"
        )),
        [Truncated, Damaged]
    );
    assert_eq!(states(first), [Truncated]);
    // the width indicates the mode
    assert_eq!(read(headless)[0].mode, Some(Mode::Protected));
    // a lost line end does not matter
    assert_eq!(states(&text.replace('\n', "")), [Whole]);
    // nor does an endless line
    let endless = format!("{first}\n{}", "[handoff] more\n".repeat(500));
    assert_eq!(read(&endless)[0].more.len() as u32, read::MAX_LINES - 1);
}

#[test]
fn other_lines_of_a_dump_are_kept_and_checksummed() {
    let mut text = Summed::new(String::new());
    let record = Record {
        code: &[],
        stack: &[],
        ..sample()
    };
    write_with(&mut text, &record, |out: &mut Summed<String>| {
        out.str("[handoff] bank 0 status ").hex(5, 16).str("\n");
    });
    let dumps = read(&text[..]);
    assert_eq!(dumps[0].integrity, Integrity::Whole);
    assert_eq!(dumps[0].more, ["bank 0 status 0x0000000000000005"]);
    assert_eq!(dumps[0].record(), Some(record));
}
