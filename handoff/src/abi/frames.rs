//! The frames that the trap handlers save.

/// [`Frame32::vector`]: #DF by way of the task gate.
pub const VECTOR_DF_TASK: u32 = 0x108;
/// Maximum nesting of protected mode trap handlers; a deeper fault stops the
/// CPU.
pub const TRAP32_LEVELS: u32 = 3;
/// Bytes of [`Scratch::stack_trap32`](super::Scratch::stack_trap32) for each.
pub const TRAP32_LEVEL_SIZE: u32 = 1024;
/// Vectors that push an error code (Intel SDM vol. 3, table 6-1; AMD APM
/// vol. 2, table 8-1): #DF #TS #NP #SS #GP #PF #AC #CP #VC #SX.
pub const ERROR_CODE_VECTORS: u32 = 1 << 8
    | 1 << 10
    | 1 << 11
    | 1 << 12
    | 1 << 13
    | 1 << 14
    | 1 << 17
    | 1 << 21
    | 1 << 29
    | 1 << 30;

/// True for vectors whose frame starts with an error code.
#[must_use]
pub fn has_error_code(vector: u32) -> bool {
    vector < 32 && ERROR_CODE_VECTORS >> vector & 1 == 1
}

/// The frame of the protected mode trap handler, from the lowest address up.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Frame32 {
    /// As `sidt` stores it: 16-bit limit, then 32-bit base, packed.
    pub idtr: [u32; 2],
    /// As `sgdt` stores it.
    pub gdtr: [u32; 2],
    /// TR.
    pub tr: u32,
    /// EFER, low half first.
    pub efer: [u32; 2],
    /// CR0, CR2, CR3, CR4.
    pub cr: [u32; 4],
    /// DS ES FS GS SS.
    pub sel: [u32; 5],
    /// EDI ESI EBP ESP (of the handler) EBX EDX ECX EAX, as `pushad` leaves them.
    pub gpr: [u32; 8],
    /// Vector in the low byte, or [`VECTOR_DF_TASK`].
    pub vector: u32,
    /// ESP of the fault: points at the CPU's frame, if that reached memory.
    pub esp: u32,
}

/// The frame of the long mode trap handler, from the lowest address up. It is
/// followed by the return address that names the stub and the CPU's own frame.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Frame64 {
    /// CR0 and CR4, before the handler made SSE usable.
    pub cr: [u64; 2],
    /// rax rcx rdx rbx rsp (of the handler) rbp rsi rdi r8..r15.
    pub gpr: [u64; 16],
    /// Return address: names the stub.
    pub ret: u64,
}
