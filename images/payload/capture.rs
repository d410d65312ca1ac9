//! Layout of the words that `capture.S` stores, for guest and host.

/// Names of the words, in order, separated by bars. Of GDTR and IDTR the first
/// word holds the limit in its low 16 bits, above it and in the next the base.
pub const NAMES: &str = "rax|rcx|rdx|rbx|rsp|rbp|rsi|rdi|r8|r9|r10|r11|r12|r13|r14|r15|rflags|\
    cr0|cr2|cr3|cr4|efer|fs base|gs base|kernel gs base|cs|ds|es|fs|gs|ss|tr|ldtr|\
    gdtr|gdtr high|idtr|idtr high";
/// Number of words.
pub const WORDS: usize = 37;
