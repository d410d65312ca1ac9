//! Checks of the Multiboot headers of built images.

/// Magic within the first 32 KiB, 8-aligned, checksum right (specification
/// 3.1.1).
pub fn check_header(image: &[u8], name: &str) {
    let words = |at: usize| -> [u32; 4] {
        std::array::from_fn(|i| {
            u32::from_le_bytes(image[at + i * 4..at + i * 4 + 4].try_into().unwrap())
        })
    };
    let found = (0..image.len().min(32768) - 16).step_by(8).map(words);
    let header = found.into_iter().find(|header| header[0] == 0xe852_50d6);
    let header = header.unwrap_or_else(|| panic!("{name}: no Multiboot2 header"));
    let sum = header
        .iter()
        .fold(0_u32, |sum, &word| sum.wrapping_add(word));
    assert_eq!((header[1], sum), (0, 0), "{name}: {header:x?}");
}

/// Magic within the first 8 KiB, 4-aligned, checksum right (specification
/// 0.6.96, 3.1.1).
pub fn check_header1(image: &[u8], name: &str) {
    let words = |at: usize| -> [u32; 3] {
        std::array::from_fn(|i| {
            u32::from_le_bytes(image[at + i * 4..at + i * 4 + 4].try_into().unwrap())
        })
    };
    let mut found = (0..image.len().min(8192) - 12).step_by(4).map(words);
    let header = found.find(|header| header[0] == 0x1bad_b002);
    let header = header.unwrap_or_else(|| panic!("{name}: no Multiboot header"));
    let sum = header
        .iter()
        .fold(0_u32, |sum, &word| sum.wrapping_add(word));
    assert_eq!(sum, 0, "{name}: {header:x?}");
}
