use crate::SearchError;
use nas_core::Trial;
use serde::{Deserialize, Serialize};

/// What a trial came to in two objectives: the value is to be large, the latency small.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// What the search maximises.
    pub value: f64,
    /// Measured latency; infinite where there is none, which is no worse than any other infinite one.
    pub latency_ms: f64,
}

impl Point {
    /// Of a trial that did not fail and whose value is a number.
    pub fn of<A>(trial: &Trial<A>) -> Option<Self> {
        let evaluation = trial.result.as_ref().ok().filter(|evaluation| evaluation.value.is_finite())?;
        let latency_ms = evaluation.latency_ms.filter(|ms| !ms.is_nan()).unwrap_or(f64::INFINITY);
        Some(Self { value: evaluation.value, latency_ms })
    }

    /// Whether the latency is known and at most `limit`; always, where there is none.
    pub fn meets(&self, limit: Option<f64>) -> bool {
        limit.is_none_or(|limit| self.latency_ms <= limit && self.latency_ms.is_finite())
    }

    /// Pareto dominance: at least as good in both objectives and better in one. Equal points do not dominate
    /// each other.
    ///
    /// ```
    /// use search::Point;
    /// let point = |value, latency_ms| Point { value, latency_ms };
    /// assert!(point(2.0, 5.0).dominates(&point(1.0, 5.0)));
    /// assert!(!point(2.0, 5.0).dominates(&point(2.0, 5.0)));
    /// assert!(!point(2.0, 5.0).dominates(&point(1.0, 4.0)));
    /// ```
    pub fn dominates(&self, other: &Self) -> bool {
        self.value >= other.value
            && self.latency_ms <= other.latency_ms
            && (self.value > other.value || self.latency_ms < other.latency_ms)
    }
}

/// Places of the points that no other dominates, from the fastest to the largest value; equal points are all
/// there, in their order. A point with a NaN is never there. O(n log n).
///
/// ```
/// use search::{Point, front};
/// let points = [(3.0, 9.0), (1.0, 2.0), (1.0, 4.0), (3.0, 9.0)].map(|(value, latency_ms)| Point { value, latency_ms });
/// assert_eq!(front(&points), [1, 0, 3]);
/// ```
pub fn front(points: &[Point]) -> Vec<usize> {
    let number = |p: &Point| !p.value.is_nan() && !p.latency_ms.is_nan();
    let mut order: Vec<usize> = (0..points.len()).filter(|&i| number(&points[i])).collect();
    // `+ 0.0` makes the two zeros one value
    let key = |i: usize| (points[i].latency_ms + 0.0, points[i].value + 0.0);
    order.sort_by(|&a, &b| {
        let ((la, va), (lb, vb)) = (key(a), key(b));
        la.total_cmp(&lb).then(vb.total_cmp(&va)).then(a.cmp(&b))
    });
    let mut front: Vec<usize> = Vec::new();
    for i in order {
        let better = front.last().is_none_or(|&last| points[i].value > points[last].value);
        if better || front.last().is_some_and(|&last| points[i] == points[last]) {
            front.push(i);
        }
    }
    front
}

/// The area between a front and a reference point that all of it should beat (Zitzler and Thiele, 1998): of all
/// pairs of value and latency better than `reference`, how much is dominated. What does not beat the reference
/// adds nothing; dominated points add nothing either. O(n log n).
///
/// ```
/// use search::{Point, hypervolume};
/// let points = [(3.0, 9.0), (1.0, 2.0)].map(|(value, latency_ms)| Point { value, latency_ms });
/// assert_eq!(hypervolume(&points, Point { value: 0.0, latency_ms: 10.0 }), 10.0);
/// ```
pub fn hypervolume(points: &[Point], reference: Point) -> f64 {
    let (mut area, mut above) = (0.0, reference.value);
    for i in front(points) {
        let Point { value, latency_ms } = points[i];
        if value > above && latency_ms < reference.latency_ms {
            area += (value - above) * (reference.latency_ms - latency_ms);
            above = value;
        }
    }
    area
}

/// Places of the trials on the front of value and latency.
///
/// # Errors
/// [`SearchError::EmptyFront`] where no trial has both.
pub fn trials_front<A>(trials: &[Trial<A>]) -> Result<Vec<usize>, SearchError> {
    let known: Vec<(usize, Point)> = trials
        .iter()
        .enumerate()
        .filter_map(|(i, trial)| Some((i, Point::of(trial)?)))
        .filter(|(_, point)| point.latency_ms.is_finite())
        .collect();
    if known.is_empty() {
        let failed = trials.iter().filter(|trial| trial.result.is_err()).count();
        return Err(SearchError::EmptyFront { trials: trials.len(), failed, without: trials.len() - failed });
    }
    let points: Vec<Point> = known.iter().map(|(_, point)| *point).collect();
    Ok(front(&points).into_iter().map(|place| known[place].0).collect())
}
