use crate::SearchError;
use nas_core::Predict;

/// The architectures that are predicted to meet a limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Limited<A> {
    /// Those that meet it, in their order.
    pub archs: Vec<A>,
    /// What is predicted of each of them.
    pub predicted: Vec<f64>,
    /// How many there were before.
    pub of: usize,
}

/// Keeps the architectures whose predicted latency is at most `limit` (in the predictor's unit, ms).
///
/// Predictions err: what is kept has to be measured when it is trained, and [`summarise`](crate::summarise)
/// counts those that turn out slower.
///
/// # Errors
/// A limit that is not a positive number, a predictor that fails, and [`SearchError::NothingMeets`] with the
/// lowest prediction where nothing is left.
pub fn within_limit<A, P: Predict<A>>(
    archs: Vec<A>,
    predictor: &P,
    limit: f64,
) -> Result<Limited<A>, SearchError> {
    if !(limit > 0.0 && limit.is_finite()) {
        let expected = "a latency limit is a positive number of milliseconds".into();
        return Err(SearchError::Setting { name: "max-latency", value: limit, expected });
    }
    let of = archs.len();
    let predicted = predictor.predict(&archs).map_err(SearchError::predictor)?;
    let lowest = predicted.iter().copied().fold(f64::INFINITY, f64::min);
    let (archs, predicted): (Vec<A>, Vec<f64>) =
        archs.into_iter().zip(predicted).filter(|(_, p)| *p <= limit).unzip();
    if archs.is_empty() {
        return Err(SearchError::NothingMeets { limit, lowest, candidates: of });
    }
    Ok(Limited { archs, predicted, of })
}
