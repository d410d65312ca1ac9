//! Synthetic kernels that do not boot: a bzImage, an `Image` of Linux and of Xen.

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

/// Linux's `Image` for arm64, which takes `image_size` bytes of memory, with `text` after its header.
#[must_use]
pub fn arm64_image(image_size: u64, text: &[u8]) -> Vec<u8> {
    const LEN: usize = 0x3123;
    let mut file = b"MZ\0\0\0\0\0\0".to_vec();
    // little endian, 4 KiB pages, anywhere
    for field in [0, image_size, 0xa] {
        file.extend(field.to_le_bytes());
    }
    file.resize(0x38, 0);
    file.extend(b"ARM\x64\0\0\0\0");
    file.extend(text);
    file.resize(LEN.max(file.len()), 0xa5);
    file
}

/// A zImage of 32-bit ARM of `len` bytes, with the header of Debian's 6.12: it unpacks to `kernel` bytes and 0x6a62c zeroed
/// ones, 0x208000 from the start of RAM. The table of its sizes is at 0x40, the size at 0x60.
#[must_use]
pub fn zimage(len: u32, kernel: u32) -> Vec<u8> {
    let mut file = vec![0; len as usize];
    let header = [
        (0x24, 0x016f_2818),
        (0x2c, len),
        (0x30, 0x0403_0201),
        (0x34, 0x4545_4545),
        (0x38, 0x40),
        (0x40, 6),
        (0x44, 0x5a53_4c4b),
        (0x48, 0x60),
        (0x4c, 0x6_a62c),
        (0x50, 0x20_8000),
        (0x54, 0x1_0000),
        (0x60, kernel),
    ];
    for (at, word) in header {
        file[at..at + 4].copy_from_slice(&word.to_le_bytes());
    }
    file
}

/// An `Image` that is recognized as Xen 4.20.4.
#[must_use]
pub fn xen_arm64() -> Vec<u8> {
    let texts = "----[ Xen-%d.%d%s  %s\0Xen version %d.%d%s (%s %s)\0\
                 The DTB must be 8-byte aligned and must not exceed 2 MB in size.\n\0xen,xen-bootargs\0\
                 4.20.4-1\0aarch64-linux-gnu-gcc (Debian 14)\0";
    arm64_image(0x14_4000, texts.as_bytes())
}
