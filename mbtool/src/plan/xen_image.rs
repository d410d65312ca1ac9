//! Whether an image is Xen.

use crate::image::{Image, Protocol};
use xen_shim::XenInfo;

/// Returns facts about `image` if it is Xen. A Linux image, known by its header, is not searched.
#[must_use]
pub fn xen_image(image: &Image) -> Option<XenInfo> {
    if let Protocol::DtXen(_, info) = &image.protocol {
        return Some(info.clone());
    }
    if image.protocol.is_linux() {
        return None;
    }
    xen_shim::recognize(&image.segments.first()?.data)
}
