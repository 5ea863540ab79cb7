//! A search as a chart: `cargo run -p charts --example search -- FOLDER` writes `search.svg`, and `search.png` and
//! `search-dark.png` of it.

use charts::{Axis, Chart, Mark, Series, Theme, png};
use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let folder: PathBuf = std::env::args_os().nth(1).ok_or("name a folder")?.into();
    let curve = |name: &str, gain: f64| {
        let points: Vec<[f64; 2]> =
            (1..=100).map(|x| [f64::from(x), 66.0 + gain * f64::from(x).ln()]).collect();
        let band: Vec<[f64; 2]> =
            points.iter().map(|[x, y]| [y - 3.0 / x.sqrt(), y + 3.0 / x.sqrt()]).collect();
        Series::new(name, Mark::Line, points).with_band(band)
    };
    let chart = Chart {
        title: "Largest test accuracy so far, mean and deviation of 20 runs".into(),
        x: Axis::linear("networks trained"),
        y: Axis::linear("test accuracy, %"),
        series: vec![
            curve("random", 1.0),
            curve("evolution", 1.2),
            curve("BRP-NAS", 1.5),
            Series::new("the best of the space", Mark::Chosen, [[100.0, 73.5]]),
            Series::new("published", Mark::Points, [[20.0, 70.0], [40.0, 71.2], [42.0, 71.3]])
                .with_labels(["a", "b", "c, which is long"].map(String::from)),
        ],
        diagonal: false,
    };
    let svg = chart.svg()?;
    std::fs::write(folder.join("search.svg"), &svg)?;
    std::fs::write(folder.join("search.png"), png(&svg, Theme::Light, 1.0)?)?;
    std::fs::write(folder.join("search-dark.png"), png(&svg, Theme::Dark, 1.0)?)?;
    Ok(())
}
