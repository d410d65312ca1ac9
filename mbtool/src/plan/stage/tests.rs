use super::*;

#[test]
fn carved_pages_are_ram_and_the_rest_stays() {
    let r = |start, end| PhysRange::new(start, end).unwrap();
    let mut areas = vec![(r(0, 0x10000), 2), (r(0x10000, 0x20000), 1)];
    carve(&mut areas, r(0x4000, 0x6000));
    let want = [
        (r(0, 0x4000), 2),
        (r(0x4000, 0x6000), 1),
        (r(0x6000, 0x10000), 2),
        (r(0x10000, 0x20000), 1),
    ];
    assert_eq!(areas, want);
    carve(&mut areas, r(0x10000, 0x11000));
    assert_eq!(areas, want, "RAM already");
}
