//! Charts as they are read: what is on them, in both themes, and what has no place on them.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use charts::{Axis, Chart, ChartError, Mark, Series, Theme, png};

fn curve(name: &str, slope: f64) -> Series {
    let points: Vec<[f64; 2]> = (1..=20).map(|x| [f64::from(x), slope * f64::from(x).ln() + 60.0]).collect();
    let band: Vec<[f64; 2]> = points.iter().map(|[_, y]| [y - 1.0, y + 1.0]).collect();
    Series::new(name, Mark::Line, points).with_band(band)
}

fn chart() -> Chart {
    Chart {
        title: "Searches & <their> means".into(),
        x: Axis::linear("networks trained"),
        y: Axis::linear("test accuracy, %"),
        series: vec![curve("random", 2.0), curve("evolution", 3.0), curve("BRP-NAS", 4.0)],
        diagonal: false,
    }
}

#[test]
fn a_chart_says_what_it_shows() {
    let svg = chart().svg().unwrap();
    for said in [
        "random",
        "evolution",
        "BRP-NAS",
        "networks trained",
        "test accuracy, %",
        "aria-label=\"Searches &amp; &lt;their&gt; means\"",
    ] {
        assert!(svg.contains(said), "{said}: {svg}");
    }
    assert_eq!(svg, chart().svg().unwrap(), "the same chart gives the same bytes");
}

#[test]
fn one_series_has_no_legend() {
    let one = Chart { series: vec![curve("random", 2.0)], ..chart() };
    assert!(!one.svg().unwrap().contains("random"));
}

/// The pixel in the middle of the upper edge, which is ground.
fn ground(bytes: &[u8]) -> [u8; 3] {
    let pixels = resvg::tiny_skia::Pixmap::decode_png(bytes).unwrap();
    let pixel = pixels.pixel(pixels.width() / 2, 1).unwrap();
    [pixel.red(), pixel.green(), pixel.blue()]
}

#[test]
fn pixels_have_the_colours_of_their_theme_and_letters() {
    let svg = chart().svg().unwrap();
    let (light, dark) = (png(&svg, Theme::Light, 1.0).unwrap(), png(&svg, Theme::Dark, 1.0).unwrap());
    assert_eq!((ground(&light), ground(&dark)), ([255; 3], [0x16, 0x18, 0x1d]));
    // without the words there are fewer dark pixels
    let ink = |svg: &str| {
        let pixels = resvg::tiny_skia::Pixmap::decode_png(&png(svg, Theme::Light, 1.0).unwrap()).unwrap();
        pixels.pixels().iter().filter(|pixel| pixel.red() < 80 && pixel.green() < 80).count()
    };
    let bare = svg.split("<text").next().unwrap().to_owned() + "</svg>";
    assert!(ink(&svg) > ink(&bare) + 200);
    let twice = resvg::tiny_skia::Pixmap::decode_png(&png(&svg, Theme::Light, 2.0).unwrap()).unwrap();
    assert_eq!((twice.width(), twice.height()), (1440, 880));
}

#[test]
fn every_mark_and_axis_is_drawn() {
    let points = [[1.0, 10.0], [10.0, 100.0], [100.0, 1_000.0]];
    for mark in [Mark::Line, Mark::Steps, Mark::Points, Mark::Chosen] {
        for (x, y) in [(false, false), (true, false), (false, true), (true, true)] {
            let axis = |logarithmic| Axis { label: "size".into(), logarithmic };
            let several = (0..4).map(|number| {
                let labels = ["a", "b", "c"].map(String::from);
                let band = points.map(|[_, y]| [0.9 * y, 1.1 * y]);
                Series::new(format!("s{number}"), mark, points).with_labels(labels).with_band(band)
            });
            let chart = Chart {
                title: "all".into(),
                x: axis(x),
                y: axis(y),
                series: several.collect(),
                diagonal: x == y,
            };
            let svg = chart.svg().unwrap();
            png(&svg, Theme::Dark, 0.5).unwrap();
            assert!(svg.contains("s3"), "{svg}");
        }
    }
}

#[test]
fn numbers_that_are_equal_still_have_an_axis() {
    let flat = Series::new("flat", Mark::Line, [[0.0, 5.0], [1.0, 5.0]]);
    let point = Series::new("one", Mark::Points, [[0.5, 5.0]]);
    for series in [vec![flat.clone()], vec![point], vec![flat]] {
        Chart { series, ..chart() }.svg().unwrap();
    }
}

#[test]
fn a_line_of_one_point_is_a_dot() {
    let circles = |points: Vec<[f64; 2]>| {
        let series = vec![Series::new("s", Mark::Steps, points)];
        Chart { series, ..chart() }.svg().unwrap().matches("<circle").count()
    };
    let longer = circles(vec![[1.0, 5.0], [2.0, 6.0]]);
    assert_eq!(circles(vec![[1.0, 5.0]]), longer + 1);
    assert_eq!(circles(vec![[1.0, 5.0]; 3]), longer + 1);
}

#[test]
fn what_has_no_place_is_named() {
    let with = |series: Vec<Series>| Chart { series, ..chart() }.svg().unwrap_err();
    assert_eq!(with(vec![]), ChartError::Empty { title: "Searches & <their> means".into() });
    let said = with(vec![Series::new("s", Mark::Points, [[0.0, 1.0], [f64::NAN, 1.0]])]).to_string();
    assert!(said.contains("point 1 of `s`") && said.contains("finite"), "{said}");
    let said = with(vec![curve("s", 1.0).with_band([[0.0, 1.0]])]).to_string();
    assert!(said.contains("20 points and 1 bands"), "{said}");
    let logarithmic = Chart { x: Axis::logarithmic("ms"), ..chart() };
    let zero = Series::new("s", Mark::Points, [[0.0, 1.0]]);
    let said = Chart { series: vec![zero], ..logarithmic }.svg().unwrap_err().to_string();
    assert!(said.contains("more than 0"), "{said}");
    assert!(matches!(png("no picture", Theme::Light, 1.0), Err(ChartError::Pixels(_))));
    assert!(matches!(png(&chart().svg().unwrap(), Theme::Light, 1e3), Err(ChartError::Pixels(_))));
}

/// Numbers stand at powers of ten, and one alone says nothing of the scale.
#[test]
fn a_logarithmic_axis_has_two_numbers() {
    for ([low, high], numbers) in
        [([0.02, 0.08], ["0.01", "0.1"]), ([0.3, 1.5], ["0.1", "1"]), ([0.9, 4.0], ["1", "10"])]
    {
        let seconds = Series::new("s", Mark::Points, [[low, 50.0], [high, 60.0]]);
        let svg = Chart { x: Axis::logarithmic("seconds"), series: vec![seconds], ..chart() }.svg().unwrap();
        for number in numbers {
            assert!(svg.contains(&format!("\n{number}\n")), "{number}: {svg}");
        }
    }
}

#[test]
fn what_is_too_far_apart_is_refused() {
    let of = |x: Axis, low: f64, high: f64| {
        let series = vec![Series::new("s", Mark::Points, [[low, 1.0], [high, 2.0]])];
        Chart { x, series, ..chart() }.svg()
    };
    for (axis, low, high) in [
        (Axis::logarithmic("ms"), 1e-200, 1e200),
        (Axis::logarithmic("ms"), 5e-324, 1.0),
        (Axis::logarithmic("ms"), 1.0, 1.7e308),
        (Axis::linear("ms"), -1e308, 1e308),
        (Axis::linear("ms"), f64::MAX, f64::MAX),
    ] {
        assert!(matches!(of(axis, low, high), Err(ChartError::Range { .. })), "{low} {high}");
    }
    // so near each other that no tick would be between them
    of(Axis::linear("ms"), 1e16, 1e16 + 2.0).unwrap();
    of(Axis::logarithmic("ms"), 1e-3, 1e-3).unwrap();
}
