//! From a chart to SVG in the colours of a light page.

use crate::chart::{Axis, Chart, Mark, Series};
use crate::error::ChartError;
use crate::labels::placed;
use crate::theme::COLOURS;
use plotters::chart::SeriesAnno;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::ops::Range;

const SIZE: (u32, u32) = (720, 440);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Context<'a, 'b, X, Y> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<X, Y>>;

/// Colours of series in turn, as places of [`COLOURS`].
const FIRST_OF_SERIES: usize = 3;

fn colour(at: usize) -> RGBColor {
    let number = |from: usize| u8::from_str_radix(&COLOURS[at].0[from..from + 2], 16).unwrap_or(0);
    RGBColor(number(1), number(3), number(5))
}

fn of_series(number: usize) -> RGBColor {
    colour(FIRST_OF_SERIES + number % (COLOURS.len() - FIRST_OF_SERIES))
}

fn failed(error: impl std::fmt::Display) -> ChartError {
    ChartError::Drawing(error.to_string())
}

pub(crate) fn draw(chart: &Chart) -> Result<String, ChartError> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&colour(0)).map_err(failed)?;
        let ranges = [range(chart, 0), range(chart, 1)];
        let [x, y] = ranges.clone();
        match (chart.x.logarithmic, chart.y.logarithmic) {
            (false, false) => axes(chart, &ranges, &root, x, y)?,
            (true, false) => axes(chart, &ranges, &root, x.log_scale(), y)?,
            (false, true) => axes(chart, &ranges, &root, x, y.log_scale())?,
            (true, true) => axes(chart, &ranges, &root, x.log_scale(), y.log_scale())?,
        }
        root.present().map_err(failed)?;
    }
    Ok(svg)
}

/// From the least to the largest, and a little more on both sides; on a logarithmic axis to so many powers of ten that
/// two are on it, because these are what numbers stand at.
pub(crate) fn range(chart: &Chart, axis: usize) -> Range<f64> {
    let axes = [&chart.x, &chart.y];
    // both axes of a diagonal are of the same numbers
    let which = if chart.diagonal { [0, 1].as_slice() } else { std::slice::from_ref(&axis) };
    let values = chart.series.iter().flat_map(Series::extent);
    let (mut low, mut high) = (f64::MAX, f64::MIN);
    for value in values.flat_map(|point| which.iter().map(move |&axis| point[axis])) {
        (low, high) = (low.min(value), high.max(value));
    }
    if axes[axis].logarithmic {
        let more = (high / low).powf(0.04).max(1.05);
        let (low, high) = (low / more, high * more);
        let (first, last) = (low.log10().ceil(), high.log10().floor());
        return match last - first {
            // one inside: the next one is nearer on one side
            0.0 if high.log10() - last < first - low.log10() => 10_f64.powf(first - 1.0) / 1.001..high,
            0.0 => low..10_f64.powf(last + 1.0) * 1.001,
            1.0.. => low..high,
            _ => 10_f64.powf(last) / 1.001..10_f64.powf(first) * 1.001,
        };
    }
    // what rounding can tell apart
    let apart = high - low > 1e-9 * low.abs().max(high.abs());
    let more = if apart { 0.04 * (high - low) } else { 0.02 * high.abs().max(1.0) };
    low - more..high + more
}

fn axes<X, Y>(
    chart: &Chart,
    [wide, high]: &[Range<f64>; 2],
    root: &Area<'_>,
    x: X,
    y: Y,
) -> Result<(), ChartError>
where
    X: AsRangedCoord<Value = f64>,
    Y: AsRangedCoord<Value = f64>,
    X::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let (ink, grid) = (colour(1), colour(2));
    let text = |size: u32| ("sans-serif", size).into_font().color(&ink);
    let mut context = ChartBuilder::on(root)
        .caption(&chart.title, text(16))
        .margin(10)
        .margin_right(22)
        .x_label_area_size(44)
        .y_label_area_size(62)
        .build_cartesian_2d(x, y)
        .map_err(failed)?;
    context
        .configure_mesh()
        .axis_style(ink)
        .bold_line_style(grid)
        .light_line_style(TRANSPARENT)
        .label_style(text(12))
        .axis_desc_style(text(13))
        .x_desc(&chart.x.label)
        .y_desc(&chart.y.label)
        .x_labels(8)
        .y_labels(7)
        .x_label_formatter(&|value| number(&chart.x, wide, *value))
        .y_label_formatter(&|value| number(&chart.y, high, *value))
        .draw()
        .map_err(failed)?;
    if chart.diagonal {
        let ends = [(wide.start, wide.start), (wide.end, wide.end)];
        context.draw_series(DashedLineSeries::new(ends, 5, 4, ink.stroke_width(1))).map_err(failed)?;
    }
    // no more than one word a point, so that all can keep away from each other
    let (mut points, mut words) = (Vec::new(), Vec::new());
    let mut named = 0;
    for (at, series) in chart.series.iter().enumerate() {
        let hue = of_series(at);
        let points_of = || series.points.iter().map(|&[x, y]| (x, y));
        if !series.band.is_empty() {
            band(&mut context, series, hue)?;
        }
        let line = hue.stroke_width(2);
        let drawn = match series.mark {
            Mark::Line | Mark::Steps => {
                let path: Vec<(f64, f64)> = match series.mark {
                    Mark::Steps => staircase(&series.points),
                    _ => points_of().collect(),
                };
                // a line from a point to itself is nothing
                if let Some(&first) = path.first().filter(|first| path.iter().all(|point| point == *first)) {
                    let dot = Circle::new(first, 3, hue.filled());
                    context.draw_series(std::iter::once(dot)).map_err(failed)?;
                }
                match at % 3 {
                    0 => context.draw_series(LineSeries::new(path, line)),
                    1 => context.draw_series(DashedLineSeries::new(path, 9, 4, line)),
                    _ => context.draw_series(DashedLineSeries::new(path, 3, 3, line)),
                }
            }
            Mark::Points => {
                let faint = hue.mix(if series.points.len() > 300 { 0.45 } else { 0.85 });
                match at % 3 {
                    0 => context.draw_series(points_of().map(|p| Circle::new(p, 3, faint.filled()))),
                    1 => context.draw_series(points_of().map(|p| TriangleMarker::new(p, 5, faint.filled()))),
                    _ => context.draw_series(points_of().map(|p| Cross::new(p, 3, faint.stroke_width(2)))),
                }
            }
            Mark::Chosen => context.draw_series(points_of().map(|p| {
                EmptyElement::at(p)
                    + Circle::new((0, 0), 9, hue.stroke_width(3))
                    + Circle::new((0, 0), 3, hue.filled())
            })),
        };
        let drawn = drawn.map_err(failed)?;
        if !series.name.is_empty() {
            named += 1;
            legend(drawn, series, at % 3, hue);
        }
        for (point, word) in points_of().zip(&series.labels) {
            points.push(context.backend_coord(&point));
            words.push(word.clone());
        }
    }
    let (pixels, _) = root.dim_in_pixel();
    for ((x, y), ((dx, dy), word)) in
        points.iter().zip(placed(&points, &words, pixels as i32).iter().zip(&words))
    {
        let style = text(11).pos(Pos::new(HPos::Left, VPos::Top));
        root.draw_text(word, &style, (x + dx, y + dy)).map_err(failed)?;
    }
    // one series is what the title says it is
    if named > 1 {
        let spots: Vec<(i32, i32)> = chart
            .series
            .iter()
            .flat_map(Series::extent)
            .map(|[x, y]| context.backend_coord(&(x, y)))
            .collect();
        let corner = corner(&spots, context.plotting_area().get_pixel_range());
        context
            .configure_series_labels()
            .position(corner)
            .background_style(colour(0).mix(0.85))
            .border_style(grid)
            .label_font(text(12))
            .margin(8)
            .draw()
            .map_err(failed)?;
    }
    Ok(())
}

/// Names a series in the legend, with a short line or the mark itself before it.
fn legend<'a, DB: DrawingBackend + 'a>(
    anno: &mut SeriesAnno<'a, DB>,
    series: &Series,
    kind: usize,
    hue: RGBColor,
) {
    let line = move |(x, y), from, to| PathElement::new([(x + from, y), (x + to, y)], hue.stroke_width(2));
    let together = || EmptyElement::at((0, 0));
    let middle = |(x, y)| (x + 9, y);
    let anno = anno.label(&series.name);
    match (series.mark, kind) {
        (Mark::Line | Mark::Steps, 0) => anno.legend(move |at| line(at, 0, 18)),
        (Mark::Line | Mark::Steps, 1) => {
            anno.legend(move |at| together() + line(at, 0, 8) + line(at, 11, 19))
        }
        (Mark::Line | Mark::Steps, _) => {
            anno.legend(move |at| together() + line(at, 0, 4) + line(at, 7, 11) + line(at, 14, 18))
        }
        (Mark::Points, 0) => anno.legend(move |at| Circle::new(middle(at), 3, hue.filled())),
        (Mark::Points, 1) => anno.legend(move |at| TriangleMarker::new(middle(at), 5, hue.filled())),
        (Mark::Points, _) => anno.legend(move |at| Cross::new(middle(at), 3, hue.stroke_width(2))),
        (Mark::Chosen, _) => anno.legend(move |at| Circle::new(middle(at), 6, hue.stroke_width(3))),
    };
}

/// The area between the ends around a line, a bar at every other mark.
fn band<X, Y>(context: &mut Context<'_, '_, X, Y>, series: &Series, hue: RGBColor) -> Result<(), ChartError>
where
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    let ends = series.points.iter().zip(&series.band).map(|(&[x, _], &[low, high])| (x, low, high));
    if series.mark == Mark::Line {
        let above = ends.clone().map(|(x, _, high)| (x, high));
        let below = ends.rev().map(|(x, low, _)| (x, low));
        let around: Vec<(f64, f64)> = above.chain(below).collect();
        context.draw_series([Polygon::new(around, hue.mix(0.2).filled())]).map_err(failed)?;
    } else {
        let bars = ends.map(|(x, low, high)| PathElement::new([(x, low), (x, high)], hue.mix(0.6)));
        context.draw_series(bars).map_err(failed)?;
    }
    Ok(())
}

/// Along x to the next point, then along y.
fn staircase(points: &[[f64; 2]]) -> Vec<(f64, f64)> {
    let mut path: Vec<(f64, f64)> = Vec::new();
    for &[x, y] in points {
        if let Some(&(_, before)) = path.last() {
            path.push((x, before));
        }
        path.push((x, y));
    }
    path
}

/// The corner of the area with the fewest points in its quarter.
fn corner(spots: &[(i32, i32)], area: (Range<i32>, Range<i32>)) -> SeriesLabelPosition {
    let middle = ((area.0.start + area.0.end) / 2, (area.1.start + area.1.end) / 2);
    let count = |left: bool, upper: bool| {
        spots.iter().filter(|(x, y)| (*x < middle.0) == left && (*y < middle.1) == upper).count()
    };
    [
        (count(false, false), SeriesLabelPosition::LowerRight),
        (count(false, true), SeriesLabelPosition::UpperRight),
        (count(true, true), SeriesLabelPosition::UpperLeft),
        (count(true, false), SeriesLabelPosition::LowerLeft),
    ]
    .into_iter()
    .min_by_key(|(count, _)| *count)
    .map_or(SeriesLabelPosition::LowerRight, |(_, corner)| corner)
}

/// A number at an axis: as many digits as tell it from its neighbours, and a power of ten where it is large or small.
fn number(axis: &Axis, range: &Range<f64>, value: f64) -> String {
    let (size, largest) = (value.abs(), range.start.abs().max(range.end.abs()));
    let span = range.end - range.start;
    if !axis.logarithmic && size < 1e-9 * span {
        return "0".into();
    }
    let short = |text: &str| -> String {
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text.into() }
    };
    // decimals that say a hundredth of the axis
    let digits = if axis.logarithmic { 3 } else { (2.0 - span.log10()).ceil() as i32 };
    let usual = 1e-3..1e6;
    if usual.contains(if axis.logarithmic { &size } else { &largest }) {
        return short(&format!("{value:.*}", digits.clamp(0, 17) as usize));
    }
    let power = size.log10().floor() as i32;
    let digits = if axis.logarithmic { 0 } else { (digits + power).clamp(0, 17) };
    let text = format!("{value:.*e}", digits as usize);
    let (front, power) = text.split_once('e').unwrap_or((&text, "0"));
    format!("{}e{power}", short(front))
}

#[cfg(test)]
mod tests {
    use super::{Axis, number};

    #[test]
    fn numbers_are_told_from_their_neighbours() {
        let all = |range: super::Range<f64>, values: &[f64]| -> Vec<String> {
            values.iter().map(|value| number(&Axis::linear("x"), &range, *value)).collect()
        };
        assert_eq!(all(0.9e6..2.3e6, &[1e6, 1.2e6, 1.4e6, 2e6]), ["1e6", "1.2e6", "1.4e6", "2e6"]);
        assert_eq!(all(0.5..0.50005, &[0.5, 0.50001, 0.50002]), ["0.5", "0.50001", "0.50002"]);
        assert_eq!(all(-0.4..10.4, &[-1e-16, 2.5, 10.0]), ["0", "2.5", "10"]);
        assert_eq!(all(0.0..0.0005, &[0.0, 0.0001, 0.00025]), ["0", "1e-4", "2.5e-4"]);
        assert_eq!(all(90.0..700.0, &[100.0, 300.00000000000006]), ["100", "300"]);
        let powers = [0.01, 1.0, 1e4, 1e7].map(|value| number(&Axis::logarithmic("x"), &(0.01..1e7), value));
        assert_eq!(powers, ["0.01", "1", "10000", "1e7"]);
    }
}
