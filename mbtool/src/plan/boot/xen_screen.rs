//! Whether Xen has a screen.

use super::mbi;
use super::params::BootParams;
use crate::host::screen::{NoScreen, Screen};
use crate::plan::Request;
use xen_shim::XenInfo;
use xen_shim::cmdline::Cmdline;

/// Value of `console=` if it is not given.
const DEFAULT_CONSOLE: &str = "com1,vga";
/// The first Xen that takes a framebuffer from its boot loader.
const TAKES_FRAMEBUFFER: (u32, u32) = (4, 17);

/// Why Xen prints on no screen, although its command line asks for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DarkScreen {
    /// The screen is not known.
    #[error("Xen prints nothing on the screen: {0}; use a serial console (com1=)")]
    NoScreen(NoScreen),
    /// What VBE cannot express, Xen does not take.
    #[error(
        "Xen prints nothing on the screen ({0}): it takes no framebuffer above 4 GiB or with lines \
         of more than 64 KiB; use a serial console (com1=)"
    )]
    Framebuffer(Screen),
    /// An older Xen.
    #[error(
        "Xen {version} prints nothing on the screen ({screen}): only Xen 4.17 and later take a \
         framebuffer from the loader; use a serial console (com1=)"
    )]
    Old {
        /// Version of Xen.
        version: String,
        /// The screen.
        screen: Screen,
    },
}

/// Returns why Xen with these `params` would print nothing on the screen. `None` if it does, or is
/// not asked to, or if nothing is known about a screen.
pub(super) fn missing(
    params: &BootParams,
    request: &Request,
    screen: Result<Screen, NoScreen>,
) -> Option<DarkScreen> {
    let line = Cmdline::xen(&params.cmdline);
    let console = line.value("console").unwrap_or(DEFAULT_CONSOLE);
    // with BIOS calls Xen sets a mode by itself
    if request.real_mode || !console.split(',').any(|one| one == "vga") {
        return None;
    }
    match screen {
        Err(NoScreen::Unknown) | Ok(Screen::Text { .. }) => None,
        Err(why) => Some(DarkScreen::NoScreen(why)),
        Ok(screen) if !mbi::shown_by_xen(&screen) => Some(DarkScreen::Framebuffer(screen)),
        Ok(screen) => {
            let version = params.xen.as_ref().and_then(old)?;
            Some(DarkScreen::Old { version, screen })
        }
    }
}

/// Returns the version of a Xen that ignores a framebuffer.
fn old(xen: &XenInfo) -> Option<String> {
    let version = xen.version.as_deref()?;
    let mut numbers = version.split(|c: char| !c.is_ascii_digit());
    let mut next = || numbers.next()?.parse().ok();
    let found: (u32, u32) = (next()?, next()?);
    (found < TAKES_FRAMEBUFFER).then(|| version.to_owned())
}
