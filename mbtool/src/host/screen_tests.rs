use super::*;
use crate::host::boot_facts::Raw;
use zerocopy::FromBytes;

/// `screen_info` of a framebuffer of 1280x800x32 at 0x80000000.
pub(crate) fn framebuffer(kind: u8) -> BootFacts {
    let mut info = ScreenInfo::new_zeroed();
    info.orig_video_is_vga = kind;
    info.lfb_width.set(1280);
    info.lfb_height.set(800);
    info.lfb_depth.set(32);
    info.lfb_base.set(0x8000_0000);
    info.lfb_linelength.set(5120);
    info.lfb_size.set(match kind {
        VESA => 0x100,
        _ => 0x3e_8000,
    });
    (info.red_size, info.red_pos) = (8, 16);
    (info.green_size, info.green_pos) = (8, 8);
    info.blue_size = 8;
    BootFacts {
        screen: Raw::new(info.as_bytes()),
        ..BootFacts::default()
    }
}

/// Text mode of 80x25.
pub(crate) fn text_mode() -> BootFacts {
    let mut info = ScreenInfo::new_zeroed();
    info.orig_video_is_vga = VGA_TEXT;
    info.orig_video_mode = 3;
    (info.orig_video_cols, info.orig_video_lines) = (80, 25);
    BootFacts {
        screen: Raw::new(info.as_bytes()),
        ..BootFacts::default()
    }
}

/// [`framebuffer`] with a change of one field.
fn changed(change: impl Fn(&mut ScreenInfo)) -> Result<Screen, NoScreen> {
    let mut facts = framebuffer(EFI);
    let mut bytes = facts.screen.0;
    bytes.resize(size_of::<ScreenInfo>(), 0);
    change(ScreenInfo::mut_from_bytes(&mut bytes).unwrap());
    facts.screen = Raw(bytes);
    facts.screen_left()
}

#[test]
fn framebuffers_of_efi_and_vesa() {
    for (kind, memory) in [(EFI, 5120 * 800), (VESA, 0x100_0000)] {
        let Ok(Screen::Rgb(found)) = framebuffer(kind).screen_left() else {
            panic!("{kind:#x}");
        };
        let want = Framebuffer {
            addr: 0x8000_0000,
            pitch: 5120,
            width: 1280,
            height: 800,
            bpp: 32,
            colors: [[16, 8], [8, 8], [0, 8]],
            memory,
        };
        assert_eq!(found, want);
    }
    let high = changed(|info| {
        info.capabilities.set(2);
        info.ext_lfb_base.set(0x40);
    });
    assert!(matches!(high, Ok(Screen::Rgb(fb)) if fb.addr == 0x40_8000_0000));
}

#[test]
fn text_mode_has_the_memory_of_its_mode() {
    let text = |addr| {
        Ok(Screen::Text {
            addr,
            columns: 80,
            rows: 25,
        })
    };
    let mut facts = text_mode();
    assert_eq!(facts.screen_left(), text(0xb_8000));
    facts.screen.0[6] = 7;
    assert_eq!(facts.screen_left(), text(0xb_0000));
    facts.screen.0[6] = 0x12;
    assert!(matches!(
        facts.screen_left(),
        Err(NoScreen::Geometry {
            width: 80,
            height: 25,
            ..
        })
    ));
}

#[test]
fn a_changed_mode_is_not_told() {
    let driven = |mut facts: BootFacts, driver: &str| {
        facts.screen_driver = Some(driver.to_owned());
        facts.screen_left()
    };
    let changed = |driver: &str| Err(NoScreen::Driver(driver.to_owned()));
    assert!(driven(framebuffer(EFI), "EFI VGA").is_ok());
    assert_eq!(driven(framebuffer(EFI), "i915drmfb"), changed("i915drmfb"));
    assert_eq!(
        driven(text_mode(), "bochs-drmdrmfb"),
        changed("bochs-drmdrmfb")
    );
    assert_eq!(BootFacts::default().screen_left(), Err(NoScreen::Unknown));
}

#[test]
fn fields_that_are_no_mode_are_refused() {
    let geometry = |change: fn(&mut ScreenInfo)| {
        assert!(matches!(changed(change), Err(NoScreen::Geometry { .. })));
    };
    geometry(|info| info.lfb_width.set(0));
    geometry(|info| info.lfb_base.set(0));
    geometry(|info| info.lfb_linelength.set(5119));
    geometry(|info| info.red_size = 0);
    geometry(|info| info.red_pos = 25);
    geometry(|info| info.lfb_depth.set(0));
    assert_eq!(
        changed(|info| info.lfb_depth.set(8)),
        Err(NoScreen::Palette(8))
    );
}
