//! SVG picture of a plan: each segment as a bar, from high to low addresses.

use crate::plan::Plan;
use crate::sys::size::Size;
use std::fmt::Write;

const ROW: usize = 26;
const WIDTH: usize = 900;

/// Draws the plan's segments in address order, gaps marked, as an SVG document.
#[must_use]
pub fn draw(plan: &Plan) -> String {
    let rows = plan.segments.len() * 2 + 1;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{}\" \
         font-family=\"monospace\" font-size=\"13\">\n",
        rows * ROW
    );
    let mut y = 4;
    let mut last = 0;
    for segment in &plan.segments {
        if segment.dest.start > last {
            row(
                &mut out,
                &mut y,
                "#ffffff",
                &format!("gap of {}", Size(segment.dest.start - last)),
            );
        }
        let fill = if segment.data.is_empty() {
            "#dddddd"
        } else {
            "#bfe3bf"
        };
        let text = format!(
            "{} {} {}",
            segment.dest,
            Size(segment.dest.len()),
            segment.name
        );
        row(&mut out, &mut y, fill, &text);
        last = segment.dest.end;
    }
    out.push_str("</svg>\n");
    out
}

fn row(out: &mut String, y: &mut usize, fill: &str, text: &str) {
    let text = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let _ = writeln!(
        out,
        "<rect x=\"4\" y=\"{y}\" width=\"{}\" height=\"{}\" fill=\"{fill}\" stroke=\"#888888\"/>\
         <text x=\"12\" y=\"{}\">{text}</text>",
        WIDTH - 8,
        ROW - 4,
        *y + 16
    );
    *y += ROW;
}
