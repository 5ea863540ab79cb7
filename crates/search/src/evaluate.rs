use crate::SearchError;
use nas_core::{Evaluation, Objective};
use std::any::Any;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;

/// What an evaluation came to, or why it came to nothing.
pub(crate) type Outcome = Result<Evaluation, String>;

/// Evaluates `archs` on up to `threads` threads and hands the outcomes to `take` in their order, until it breaks.
///
/// `more` is asked before another evaluation begins; once it says no, what has begun is still handed on.
pub(crate) fn evaluate<A, O>(
    objective: &O,
    archs: &[A],
    threads: usize,
    retries: usize,
    more: &mut dyn FnMut() -> bool,
    take: &mut dyn FnMut(usize, Outcome) -> Result<ControlFlow<()>, SearchError>,
) -> Result<(), SearchError>
where
    A: Sync,
    O: Objective<A> + Sync,
{
    if threads.min(archs.len()) <= 1 {
        for (i, arch) in archs.iter().enumerate() {
            if !more() || take(i, one(objective, arch, retries))?.is_break() {
                break;
            }
        }
        return Ok(());
    }
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(!more()));
    let (sender, receiver) = channel();
    std::thread::scope(|scope| {
        for _ in 0..threads.min(archs.len()) {
            let (sender, next, stop) = (sender.clone(), &next, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(arch) = archs.get(i) else { break };
                    // nobody listens any more where the search has ended
                    if sender.send((i, one(objective, arch, retries))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let (mut waiting, mut due) = (BTreeMap::new(), 0);
        let mut result = Ok(());
        // a result that comes early waits for those before it, so that a record does not depend on threads
        for (i, outcome) in receiver {
            waiting.insert(i, outcome);
            while let Some(outcome) = waiting.remove(&due).filter(|_| result.is_ok()) {
                match take(due, outcome) {
                    Ok(ControlFlow::Continue(())) => due += 1,
                    Ok(ControlFlow::Break(())) => due = usize::MAX,
                    Err(error) => result = Err(error),
                }
            }
            if due == usize::MAX || result.is_err() || !more() {
                stop.store(true, Ordering::Relaxed);
            }
        }
        result
    })
}

/// One evaluation, tried again up to `retries` times. A panic and a value that is not finite are failures too.
fn one<A, O: Objective<A>>(objective: &O, arch: &A, retries: usize) -> Outcome {
    let mut outcome = attempt(objective, arch);
    for _ in 0..retries {
        if outcome.is_ok() {
            break;
        }
        outcome = attempt(objective, arch);
    }
    outcome
}

fn attempt<A, O: Objective<A>>(objective: &O, arch: &A) -> Outcome {
    let evaluation = match catch_unwind(AssertUnwindSafe(|| objective.evaluate(arch))) {
        Ok(result) => result.map_err(|error| error.to_string())?,
        Err(panic) => return Err(format!("the evaluation panicked: {}", said(&*panic))),
    };
    let Evaluation { value, latency_ms, cost_s } = evaluation;
    let numbers = [("value", Some(value)), ("latency", latency_ms), ("cost", cost_s)];
    match numbers.into_iter().find(|(_, number)| number.is_some_and(|number| !number.is_finite())) {
        Some((name, number)) => {
            Err(format!("the {name} is {}; an evaluation gives finite numbers", number.unwrap_or_default()))
        }
        None => Ok(evaluation),
    }
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it said nothing")
}
