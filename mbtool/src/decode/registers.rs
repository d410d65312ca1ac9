//! Names of the general-purpose registers.

/// Names of the general-purpose registers in the CPU's order.
pub(super) const GPR: [&str; 16] = [
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
    "r14", "r15",
];
