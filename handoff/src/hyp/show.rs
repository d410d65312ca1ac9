//! Prints replies and what they mean.

use super::answer::{HypAnswer, HypReply, HypVerdict};
use crate::names::nth;
use crate::print::Print;

/// Names of verdicts, in their order.
const VERDICTS: &str = "stub|old-stub|kvm|conduit|absent|ignores|foreign";
/// Names of answers, in their order.
const ANSWERS: &str =
    "success|stub-error|not-supported|old-stub-error|unchanged|undefined|exception|other";

/// Prints the name of a verdict.
pub fn verdict(out: &mut impl Print, verdict: HypVerdict) {
    out.bytes(nth(VERDICTS, verdict as u32).unwrap_or_default());
}

/// Prints the name of an answer, and its value if it has one.
pub fn answer(out: &mut impl Print, answer: HypAnswer) {
    let number = match answer {
        HypAnswer::Success => 0,
        HypAnswer::StubError => 1,
        HypAnswer::NotSupported => 2,
        HypAnswer::OldStubError => 3,
        HypAnswer::Unchanged => 4,
        HypAnswer::Undefined => 5,
        HypAnswer::Exception(_) => 6,
        HypAnswer::Other(_) => 7,
    };
    out.bytes(nth(ANSWERS, number).unwrap_or_default());
    match answer {
        HypAnswer::Exception(exception) => {
            out.str(" ").addr(exception.syndrome);
        }
        HypAnswer::Other(value) => {
            out.str(" ").addr(value);
        }
        _ => {}
    }
}

/// Prints registers 0 to 3 of a reply, or its exception.
pub fn reply(out: &mut impl Print, reply: &HypReply) {
    if let Some(exception) = reply.exception {
        out.str("exception ").addr(exception.syndrome);
        out.str(" at ").addr(exception.pc);
        return;
    }
    for (number, value) in (0..).zip(reply.registers) {
        if number > 0 {
            out.str(" ");
        }
        out.str("r").dec(number).str(" ").addr(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hyp::answer::HypException;

    #[test]
    fn every_variant_has_its_name() {
        for (value, name) in [
            (HypVerdict::Stub, "stub"),
            (HypVerdict::OldStub, "old-stub"),
            (HypVerdict::Kvm, "kvm"),
            (HypVerdict::Conduit, "conduit"),
            (HypVerdict::Absent, "absent"),
            (HypVerdict::Ignores, "ignores"),
            (HypVerdict::Foreign, "foreign"),
        ] {
            let mut out = String::new();
            verdict(&mut out, value);
            assert_eq!(out, name);
        }
        let exception = HypException {
            syndrome: 0x5a00_0000,
            pc: 8,
        };
        for (value, name) in [
            (HypAnswer::Success, "success"),
            (HypAnswer::StubError, "stub-error"),
            (HypAnswer::NotSupported, "not-supported"),
            (HypAnswer::OldStubError, "old-stub-error"),
            (HypAnswer::Unchanged, "unchanged"),
            (HypAnswer::Undefined, "undefined"),
            (HypAnswer::Exception(exception), "exception 0x5a000000"),
            (HypAnswer::Other(0x12), "other 0x12"),
        ] {
            let mut out = String::new();
            answer(&mut out, value);
            assert_eq!(out, name);
        }
    }
}
