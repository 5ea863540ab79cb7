use crate::SearchError;
use nas_core::{Objective, Observe, Searcher, Trial};

/// The one loop: asks, evaluates, shows every trial to the observers, tells; until `budget` evaluations are
/// spent or the strategy is done. It counts evaluations, so no strategy can overspend.
///
/// An evaluation that fails is a trial that failed: it counts, the strategy is told, the search goes on.
///
/// # Errors
/// A strategy that fails, or an observer that cannot record.
///
/// ```
/// use nas_core::{Evaluation, Objective};
/// use search::{InOrder, run};
///
/// struct Square;
/// impl Objective<i32> for Square {
///     type Error = std::convert::Infallible;
///     fn evaluate(&self, x: &i32) -> Result<Evaluation, Self::Error> {
///         Ok(Evaluation::of(-f64::from((x - 3) * (x - 3))))
///     }
/// }
///
/// let trials = run(&mut InOrder::new(0..100), &Square, 10, &mut [])?;
/// assert_eq!(trials.len(), 10);
/// # Ok::<(), search::SearchError>(())
/// ```
pub fn run<A, S, O>(
    searcher: &mut S,
    objective: &O,
    budget: usize,
    observers: &mut [&mut dyn Observe<A>],
) -> Result<Vec<Trial<A>>, SearchError>
where
    S: Searcher<A>,
    O: Objective<A>,
{
    let mut trials: Vec<Trial<A>> = Vec::with_capacity(budget);
    let strategy = |error| SearchError::Strategy(Box::new(error));
    for iteration in 0.. {
        let room = budget - trials.len();
        if room == 0 {
            break;
        }
        let batch = searcher.ask(room).map_err(strategy)?;
        if batch.is_empty() {
            break;
        }
        let start = trials.len();
        for arch in batch.into_iter().take(room) {
            let result = objective.evaluate(&arch).map_err(|error| error.to_string());
            let trial = Trial { number: trials.len(), iteration, arch, result };
            observers.iter_mut().try_for_each(|observer| observer.on_trial(&trial))?;
            trials.push(trial);
        }
        searcher.tell(&trials[start..]).map_err(strategy)?;
    }
    Ok(trials)
}
