//! A synthetic bzImage that does not boot.

/// A bzImage by protocol 2.15: boot sector and three sectors of setup code, a
/// protected-mode part of 0x3000 bytes, and 0x100 bytes of signature. Its
/// `init_size` is 8 MiB and its `pref_address` 16 MiB.
#[must_use]
pub fn bzimage() -> Vec<u8> {
    let mut file = vec![0; 0x800];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"MZ");
    put(0x1f1, &[3]);
    put(0x1f4, &0x300_u32.to_le_bytes());
    put(0x1fe, &[0x55, 0xaa, 0xeb, 0x6a]);
    put(0x202, b"HdrS");
    put(0x206, &0x20f_u16.to_le_bytes());
    put(0x20e, &0x400_u16.to_le_bytes());
    put(0x211, &[1]);
    put(0x22c, &0x7fff_ffff_u32.to_le_bytes());
    put(0x230, &0x20_0000_u32.to_le_bytes());
    // relocatable, min_alignment 2^21
    put(0x234, &[1, 21]);
    put(0x236, &0x7f_u16.to_le_bytes());
    put(0x238, &2047_u32.to_le_bytes());
    put(0x248, &0x300_u32.to_le_bytes());
    put(0x24c, &0x1000_u32.to_le_bytes());
    put(0x258, &0x100_0000_u64.to_le_bytes());
    put(0x260, &0x80_0000_u32.to_le_bytes());
    put(0x600, b"6.1.0-test (somebody) #1 SMP\0");
    file.extend((0..0x3000).map(|at| (at % 251) as u8 + 1));
    file.extend([0xee; 0x100]);
    file
}
