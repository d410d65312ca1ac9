use super::*;
use crate::host::screen::tests::{framebuffer, text_mode};
use crate::image::{ConsoleRequest, InfoRequest};

fn new() -> Available {
    Available {
        sections: false,
        rsdp_revision: Some(2),
        screen: Err(NoScreen::Unknown),
        smbios: false,
    }
}

fn requests(tag: u32, required: bool) -> Requirements {
    Requirements {
        info_requests: vec![InfoRequest { tag, required }],
        ..Default::default()
    }
}

#[test]
fn always_available_tags_are_granted() {
    for tag in [1, 2, 3, 4, 6, 14, 15, 21] {
        assert!(check(&requests(tag, true), &new()).is_ok(), "{tag}");
    }
    let all = Available {
        sections: true,
        smbios: true,
        screen: framebuffer(0x70).screen_left(),
        ..new()
    };
    for tag in [8, 9, 13] {
        assert!(check(&requests(tag, true), &all).is_ok(), "{tag}");
        assert_eq!(check(&requests(tag, false), &all).unwrap().1.len(), 0);
    }
}

#[test]
fn unavailable_tags_are_refused_if_required_or_noted() {
    for (tag, why) in [
        (5, Missing::BootDevice),
        (7, Missing::Bios),
        (8, Missing::Screen(NoScreen::Unknown)),
        (9, Missing::Sections),
        (10, Missing::Bios),
        (11, Missing::EfiTables),
        (12, Missing::EfiTables),
        (13, Missing::Smbios),
        (16, Missing::Network),
        (17, Missing::EfiMap),
        (18, Missing::BootServices),
        (19, Missing::BootServices),
        (20, Missing::BootServices),
        (22, Missing::Unknown),
        (0x7777, Missing::Unknown),
    ] {
        let error = check(&requests(tag, true), &new()).unwrap_err();
        assert_eq!(error, RequestError::Info(tag, why));
        let (_, unsatisfied) = check(&requests(tag, false), &new()).unwrap();
        assert!(
            unsatisfied[0].contains(&format!("information tag {tag} (")),
            "{unsatisfied:?}"
        );
    }
    let why = |rsdp_revision| {
        check(
            &requests(15, true),
            &Available {
                rsdp_revision,
                ..new()
            },
        )
    };
    assert_eq!(why(None), Err(RequestError::Info(15, Missing::Rsdp)));
    assert_eq!(why(Some(0)), Err(RequestError::Info(15, Missing::Acpi1)));
}

#[test]
fn rsdp_tags_depend_on_the_revision_and_the_request() {
    let none = Requirements::default();
    let tags = |header: &Requirements, rsdp_revision| {
        let available = Available {
            rsdp_revision,
            ..new()
        };
        let tags = check(header, &available).unwrap().0;
        (tags.v1, tags.v2)
    };
    assert_eq!(tags(&none, None), (false, false));
    assert_eq!(tags(&none, Some(0)), (true, false));
    assert_eq!(tags(&none, Some(2)), (false, true));
    assert_eq!(tags(&requests(14, false), Some(2)), (true, true));
}

fn console(flags: u32, required: bool) -> Option<ConsoleRequest> {
    Some(ConsoleRequest {
        flags: ConsoleFlags::from_bits_retain(flags),
        required,
    })
}

fn video(width: u32, height: u32, depth: u32, required: bool) -> Option<FramebufferRequest> {
    Some(FramebufferRequest {
        width,
        height,
        depth,
        required,
    })
}

fn with(screen: Result<Screen, NoScreen>) -> Available {
    Available { screen, ..new() }
}

#[test]
fn consoles_and_framebuffers_without_a_screen() {
    let header = |console, framebuffer| Requirements {
        console,
        framebuffer,
        ..Default::default()
    };
    let unknown = || NoConsole::Screen(NoScreen::Unknown);
    let check = |console, framebuffer| check(&header(console, framebuffer), &new());
    assert_eq!(
        check(console(3, true), None),
        Err(RequestError::Console(unknown()))
    );
    assert_eq!(check(console(3, false), None).unwrap().1.len(), 1);
    assert_eq!(check(console(2, true), None).unwrap().1.len(), 0);
    assert_eq!(
        check(None, video(0, 0, 0, true)),
        Err(RequestError::Framebuffer(unknown()))
    );
    assert!(check(None, video(0, 0, 0, false)).is_ok());
}

#[test]
fn a_screen_satisfies_what_the_image_supports() {
    let header = |console, framebuffer| Requirements {
        console,
        framebuffer,
        ..Default::default()
    };
    let text = || text_mode().screen_left();
    let pixels = || framebuffer(0x23).screen_left();
    let warnings = |header: &Requirements, screen| {
        check(header, &with(screen)).map(|(_, unsatisfied)| unsatisfied.len())
    };
    let required = header(console(1, true), video(0, 0, 0, true));
    assert_eq!(warnings(&required, pixels()), Ok(0));
    let other = NoConsole::Other(text().unwrap());
    assert_eq!(
        warnings(&required, text()),
        Err(RequestError::Console(other.clone()))
    );
    assert_eq!(
        warnings(&header(None, video(0, 0, 0, true)), text()),
        Err(RequestError::Framebuffer(other))
    );
    let only_text = header(console(3, true), None);
    assert_eq!(warnings(&only_text, text()), Ok(0));
    let other = NoConsole::Other(pixels().unwrap());
    assert_eq!(
        warnings(&only_text, pixels()),
        Err(RequestError::Console(other))
    );
    let both = header(console(3, true), video(0, 0, 0, true));
    assert_eq!(warnings(&both, text()), Ok(0));
}

#[test]
fn another_mode_is_a_warning() {
    for (mode, count) in [
        (video(0, 0, 0, true), 0),
        (video(1280, 800, 32, true), 0),
        (video(1280, 0, 0, true), 0),
        (video(1024, 768, 32, true), 1),
        (video(1280, 800, 24, false), 1),
    ] {
        let header = Requirements {
            framebuffer: mode,
            ..Default::default()
        };
        let (_, unsatisfied) = check(&header, &with(framebuffer(0x70).screen_left())).unwrap();
        assert_eq!(unsatisfied.len(), count, "{mode:?}: {unsatisfied:?}");
    }
}
