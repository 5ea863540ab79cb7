use crate::draw::range;
use crate::error::ChartError;
use std::ops::Range;

/// A picture of numbers on two axes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Chart {
    /// What is seen, in a line.
    pub title: String,
    /// From left to right.
    pub x: Axis,
    /// From the bottom up.
    pub y: Axis,
    /// What is drawn, the last one on top.
    pub series: Vec<Series>,
    /// Whether to draw where both are equal.
    pub diagonal: bool,
}

/// An axis.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Axis {
    /// What it shows, with its unit.
    pub label: String,
    /// Whether every step multiplies.
    pub logarithmic: bool,
}

impl Axis {
    /// With equal steps.
    pub fn linear(label: impl Into<String>) -> Self {
        Self { label: label.into(), logarithmic: false }
    }

    /// With steps that multiply; all values are above 0, and no numbers stand at any below 1e-15.
    pub fn logarithmic(label: impl Into<String>) -> Self {
        Self { label: label.into(), logarithmic: true }
    }
}

/// How points are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Joined by a line, in their order.
    Line,
    /// Joined by a staircase, in their order: along x first, as a front is drawn.
    Steps,
    /// One by one.
    Points,
    /// Large, to be seen among others: what was chosen.
    Chosen,
}

/// Points that belong together.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// As the legend calls it; none where that is empty.
    pub name: String,
    /// How it is drawn.
    pub mark: Mark,
    /// Pairs of x and y.
    pub points: Vec<[f64; 2]>,
    /// At every point the lower and the upper end of a band in y; or none.
    pub band: Vec<[f64; 2]>,
    /// What stands at every point; or none.
    pub labels: Vec<String>,
}

impl Series {
    /// Of points alone.
    pub fn new(name: impl Into<String>, mark: Mark, points: impl IntoIterator<Item = [f64; 2]>) -> Self {
        let points = points.into_iter().collect();
        Self { name: name.into(), mark, points, band: Vec::new(), labels: Vec::new() }
    }

    /// With a band around its line, or a bar at every point.
    #[must_use]
    pub fn with_band(mut self, band: impl IntoIterator<Item = [f64; 2]>) -> Self {
        self.band = band.into_iter().collect();
        self
    }

    /// With a word at every point.
    #[must_use]
    pub fn with_labels(mut self, labels: impl IntoIterator<Item = String>) -> Self {
        self.labels = labels.into_iter().collect();
        self
    }

    /// All points, and the ends of the band, with the number of the point.
    fn numbered(&self) -> impl Iterator<Item = (usize, [f64; 2])> {
        let ends = self.points.iter().zip(&self.band).enumerate();
        let ends = ends.flat_map(|(at, (&[x, _], &[low, high]))| [(at, [x, low]), (at, [x, high])]);
        self.points.iter().copied().enumerate().chain(ends)
    }

    /// The same without the numbers.
    pub(crate) fn extent(&self) -> impl Iterator<Item = [f64; 2]> {
        self.numbered().map(|(_, point)| point)
    }
}

impl Chart {
    /// The chart as SVG of 720 by 440, for light and dark; the same chart gives the same bytes. O(points).
    ///
    /// # Errors
    /// No points, a number that is not finite, or not above 0 on a logarithmic axis, numbers whose distance is no number,
    /// and bands or labels that are not as many as the points.
    pub fn svg(&self) -> Result<String, ChartError> {
        self.check()?;
        Ok(crate::theme::both(&crate::draw::draw(self)?, &self.title))
    }

    fn check(&self) -> Result<(), ChartError> {
        if self.series.iter().all(|series| series.points.is_empty()) {
            return Err(ChartError::Empty { title: self.title.clone() });
        }
        for series in &self.series {
            for (what, found) in [("bands", series.band.len()), ("labels", series.labels.len())] {
                let points = series.points.len();
                if found != 0 && found != points {
                    return Err(ChartError::Length { series: series.name.clone(), points, what, found });
                }
            }
            for (point, [x, y]) in series.numbered() {
                let below = |axis: &Axis, value: f64| axis.logarithmic && value <= 0.0;
                let expected = if !(x.is_finite() && y.is_finite()) {
                    "a finite number on each axis"
                } else if below(&self.x, x) || below(&self.y, y) {
                    "more than 0 on a logarithmic axis"
                } else {
                    continue;
                };
                return Err(ChartError::Point { series: series.name.clone(), point, x, y, expected });
            }
        }
        for (at, axis) in [&self.x, &self.y].into_iter().enumerate() {
            let Range { start, end } = range(self, at);
            let wide = if axis.logarithmic { end / start } else { end - start };
            if !wide.is_finite() {
                return Err(ChartError::Range { axis: axis.label.clone(), start, end });
            }
        }
        Ok(())
    }
}
