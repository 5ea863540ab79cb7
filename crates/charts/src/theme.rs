use crate::error::ChartError;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};
use std::sync::{Arc, OnceLock};

/// What a picture is looked at on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// A white page.
    Light,
    /// A dark page.
    Dark,
}

/// Every colour on a light page and on a dark one: ground, ink and lines of the grid, then those of the series after
/// Okabe and Ito.
pub(crate) const COLOURS: [(&str, &str); 10] = [
    ("#FFFFFF", "#16181D"),
    ("#1A1A1A", "#E6E6E6"),
    ("#D9D9D9", "#3A3F47"),
    ("#0072B2", "#4DA3DB"),
    ("#D55E00", "#F08A4B"),
    ("#009E73", "#2FC79A"),
    ("#CC79A7", "#E3A5C7"),
    ("#E69F00", "#F2B93B"),
    ("#56B4E9", "#8CCBF2"),
    ("#6B6B6B", "#B0B0B0"),
];

/// Where the rules of a dark page begin and end.
const DARK: [&str; 2] = ["<style>@media (prefers-color-scheme: dark) {", "}</style>"];

/// The same picture for both, with a name for those who do not see it.
pub(crate) fn both(svg: &str, title: &str) -> String {
    let rule = |(light, dark): &(&str, &str)| {
        format!("[fill=\"{light}\"]{{fill:{dark}}}[stroke=\"{light}\"]{{stroke:{dark}}}")
    };
    let rules: String = COLOURS.iter().map(rule).collect();
    let name = escaped(title);
    let svg = svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{name}\" "), 1);
    match svg.split_once('>') {
        Some((head, rest)) => format!("{head}>\n{}{rules}{}{rest}", DARK[0], DARK[1]),
        None => svg,
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A picture with the colours of one page alone: rules for a dark page, as [`Chart::svg`](crate::Chart::svg) has them,
/// become all that counts, or go.
fn only(svg: &str, theme: Theme) -> String {
    let parts = svg.split_once(DARK[0]).and_then(|(head, rest)| {
        let (rules, tail) = rest.split_once(DARK[1])?;
        Some((head, rules, tail))
    });
    match (parts, theme) {
        (Some((head, _, tail)), Theme::Light) => format!("{head}{tail}"),
        (Some((head, rules, tail)), Theme::Dark) => format!("{head}<style>{rules}</style>{tail}"),
        (None, _) => svg.to_owned(),
    }
}

/// An SVG as PNG, `scale` times as large, with DejaVu Sans for all its texts. O(pixels).
///
/// Rules that an SVG has for dark pages, in a `<style>` as [`Chart::svg`](crate::Chart::svg) writes it, are applied or
/// left out by `theme`; one without them stays as it is.
///
/// # Errors
/// What is no SVG, and a size that is not between 1 and 20,000 pixels.
pub fn png(svg: &str, theme: Theme, scale: f32) -> Result<Vec<u8>, ChartError> {
    static FONTS: OnceLock<Arc<fontdb::Database>> = OnceLock::new();
    let fonts = FONTS.get_or_init(|| {
        let mut fonts = fontdb::Database::new();
        fonts.load_font_data(include_bytes!("../font/DejaVuSans-subset.ttf").to_vec());
        fonts.set_sans_serif_family("DejaVu Sans");
        fonts.set_monospace_family("DejaVu Sans");
        Arc::new(fonts)
    });
    let options = Options { fontdb: Arc::clone(fonts), ..Options::default() };
    let tree = Tree::from_str(&only(svg, theme), &options).map_err(|e| ChartError::Pixels(e.to_string()))?;
    let size = tree.size();
    let [wide, high] = [size.width(), size.height()].map(|length| (length * scale).ceil());
    if !(1.0..=20_000.0).contains(&wide) || !(1.0..=20_000.0).contains(&high) {
        let said = format!("{wide} by {high} pixels; 1 to 20,000 are expected");
        return Err(ChartError::Pixels(said));
    }
    let none = || ChartError::Pixels(format!("{wide} by {high} pixels have no room"));
    let mut pixels = Pixmap::new(wide as u32, high as u32).ok_or_else(none)?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| ChartError::Pixels(error.to_string()))
}
