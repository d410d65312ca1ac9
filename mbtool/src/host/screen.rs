//! The screen as firmware has left it, and whether it still is.

use super::boot_facts::BootFacts;
use crate::abi::boot_params::ScreenInfo;
use zerocopy::{FromZeros, IntoBytes};

/// `orig_video_isVGA` of text mode.
const VGA_TEXT: u8 = 1;
/// Text mode in colors, and the monochrome one, with their memory.
const COLOR_TEXT: u64 = 0xb_8000;
const MONO_TEXT: u64 = 0xb_0000;
/// Number of the BIOS's monochrome text mode.
const MONO_MODE: u8 = 7;
/// `orig_video_isVGA` of a framebuffer that the BIOS has set up: its size is in units of 64 KiB.
pub(super) const VESA: u8 = 0x23;
/// `orig_video_isVGA` of EFI's framebuffer.
pub(super) const EFI: u8 = 0x70;

/// What an image can be told about the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// EGA text.
    Text {
        /// Physical address.
        addr: u64,
        /// Characters in a line.
        columns: u32,
        /// Number of lines.
        rows: u32,
    },
    /// Pixels.
    Rgb(Framebuffer),
}

/// A linear framebuffer with direct colors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framebuffer {
    /// Physical address.
    pub addr: u64,
    /// Bytes from one line to the next.
    pub pitch: u32,
    /// Pixels in a line.
    pub width: u32,
    /// Number of lines.
    pub height: u32,
    /// Bits of a pixel.
    pub bpp: u8,
    /// Red, green and blue: position of the lowest bit, number of bits.
    pub colors: [[u8; 2]; 3],
    /// Bytes of video memory, at least those of the lines.
    pub memory: u64,
}

impl std::fmt::Display for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text { columns, rows, .. } => write!(f, "text, {columns}x{rows}"),
            Self::Rgb(fb) => write!(f, "{}x{}x{}", fb.width, fb.height, fb.bpp),
        }
    }
}

/// Why an image cannot be told about a screen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoScreen {
    /// `screen_info` has none.
    #[error("the running kernel knows no screen from its start")]
    Unknown,
    /// The mode is another one by now.
    #[error("{0} has changed the mode that firmware had set")]
    Driver(String),
    /// The colors depend on a palette.
    #[error("its pixels of {0} bits need a palette, which the running kernel does not tell")]
    Palette(u16),
    /// The fields of `screen_info` are not those of a mode.
    #[error("screen_info describes no mode: {width}x{height}, {bpp} bits, {pitch} bytes per line")]
    Geometry {
        /// Pixels or columns.
        width: u16,
        /// Pixels or rows.
        height: u16,
        /// Bits of a pixel.
        bpp: u16,
        /// Bytes of a line.
        pitch: u16,
    },
}

impl BootFacts {
    /// Returns the screen, if it is as firmware has left it.
    ///
    /// # Errors
    ///
    /// When there is none, or it has changed, or its format is unknown.
    pub fn screen_left(&self) -> Result<Screen, NoScreen> {
        let mut info = ScreenInfo::new_zeroed();
        let len = self.screen.0.len().min(size_of::<ScreenInfo>());
        info.as_mut_bytes()[..len].copy_from_slice(&self.screen.0[..len]);
        let changed = |driver: &str| NoScreen::Driver(driver.to_owned());
        match info.orig_video_is_vga {
            VGA_TEXT => match self.screen_driver.as_deref() {
                // each of them uses pixels
                Some(driver) => Err(changed(driver)),
                None => text(&info),
            },
            VESA | EFI => match self.foreign_driver() {
                Some(driver) => Err(changed(driver)),
                None => pixels(&info),
            },
            _ => Err(NoScreen::Unknown),
        }
    }
}

fn text(info: &ScreenInfo) -> Result<Screen, NoScreen> {
    let (columns, rows) = (info.orig_video_cols, info.orig_video_lines);
    if !matches!(info.orig_video_mode, 0..=3 | MONO_MODE) || columns == 0 || rows == 0 {
        return Err(NoScreen::Geometry {
            width: columns.into(),
            height: rows.into(),
            bpp: 0,
            pitch: 0,
        });
    }
    Ok(Screen::Text {
        addr: match info.orig_video_mode {
            MONO_MODE => MONO_TEXT,
            _ => COLOR_TEXT,
        },
        columns: columns.into(),
        rows: rows.into(),
    })
}

fn pixels(info: &ScreenInfo) -> Result<Screen, NoScreen> {
    let (width, height) = (info.lfb_width.get(), info.lfb_height.get());
    let (depth, pitch) = (info.lfb_depth.get(), info.lfb_linelength.get());
    let colors = [
        [info.red_pos, info.red_size],
        [info.green_pos, info.green_size],
        [info.blue_pos, info.blue_size],
    ];
    let geometry = NoScreen::Geometry {
        width,
        height,
        bpp: depth,
        pitch,
    };
    let bytes = u64::from(width) * u64::from(depth.div_ceil(8));
    if width == 0 || height == 0 || info.base() == 0 || bytes > u64::from(pitch) {
        return Err(geometry);
    }
    let bpp = match u8::try_from(depth) {
        Ok(bpp @ 9..=64) => bpp,
        Ok(1..=8) => return Err(NoScreen::Palette(depth)),
        _ => return Err(geometry),
    };
    let inside = |[at, size]: [u8; 2]| size > 0 && u16::from(at) + u16::from(size) <= depth;
    if !colors.into_iter().all(inside) {
        return Err(geometry);
    }
    let unit = if info.orig_video_is_vga == VESA {
        0x1_0000
    } else {
        1
    };
    let lines = u64::from(pitch) * u64::from(height);
    Ok(Screen::Rgb(Framebuffer {
        addr: info.base(),
        pitch: pitch.into(),
        width: width.into(),
        height: height.into(),
        bpp,
        colors,
        memory: lines.max(u64::from(info.lfb_size.get()) * unit),
    }))
}

#[cfg(test)]
#[path = "screen_tests.rs"]
pub(crate) mod tests;
