/// Why there is no chart.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ChartError {
    /// There is nothing to show.
    #[error("the chart `{title}` has no points: leave it out")]
    Empty {
        /// Of the chart.
        title: String,
    },
    /// A number that has no place on an axis.
    #[error("point {point} of `{series}` is ({x}, {y}); {expected} is expected")]
    Point {
        /// Of which series.
        series: String,
        /// From 0.
        point: usize,
        /// As it is.
        x: f64,
        /// As it is.
        y: f64,
        /// What would have one.
        expected: &'static str,
    },
    /// Numbers that are too far apart for one axis.
    #[error("`{axis}` would go from {start} to {end}, which is too far for an axis: leave some points out")]
    Range {
        /// What it shows.
        axis: String,
        /// Where it would begin.
        start: f64,
        /// Where it would end.
        end: f64,
    },
    /// A band or labels of another length than the points.
    #[error("`{series}` has {points} points and {found} {what}: as many, or none, are expected")]
    Length {
        /// Of which series.
        series: String,
        /// How many points.
        points: usize,
        /// Bands or labels.
        what: &'static str,
        /// How many.
        found: usize,
    },
    /// What the drawing library refuses.
    #[error("the chart cannot be drawn: {0}")]
    Drawing(String),
    /// An SVG that cannot be made a PNG of.
    #[error("the picture cannot be turned into pixels: {0}")]
    Pixels(String),
}
