//! A virtual machine of `kvm-monitor` on riscv64: where its memory, its files and its UART are.

/// Prefix of each line of the monitor: `end=REASON key=value...`, `redirected ...`, `FAIL ...`.
pub const MARKER: &str = "KVM-MONITOR ";

/// First address of memory.
pub const RAM: u64 = 0x8000_0000;

/// Load address and entry point of the kernel.
pub const KERNEL: u64 = RAM + (2 << 20);

/// Load address of the device tree.
pub const TREE: u64 = RAM + (48 << 20);

/// Load address of the initial RAM disk.
pub const INITRD: u64 = RAM + (64 << 20);

/// First register of an NS16550A without interrupt: what is written there is printed.
pub const UART: u64 = 0x1000_0000;

/// Bytes of its registers, and of the reserved range.
pub const UART_LEN: u64 = 0x100;
