//! A search that is cut off and goes on from its record, with a closure as the evaluation and a clock of the
//! program. `cargo run -p search --example go_on`

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use nas_core::{Evaluation, Observe, Seed, Trial};
use rand::seq::SliceRandom;
use search::{Budget, InOrder, Run, SearchError, summarise};
use std::cell::Cell;

/// A record in memory; a program would write a line a trial.
#[derive(Debug, Default)]
struct Record(Vec<Trial<u32>>);

impl Observe<u32> for Record {
    fn on_trial(&mut self, trial: &Trial<u32>) -> std::io::Result<()> {
        self.0.push(trial.clone());
        Ok(())
    }
}

fn main() -> Result<(), SearchError> {
    let evaluated = Cell::new(0);
    let shuffled = |seed: Seed| {
        let mut all: Vec<u32> = (0..1000).collect();
        all.shuffle(&mut seed.stream("order"));
        InOrder::new(all)
    };
    // odd numbers cannot be evaluated: those trials fail, and the search goes on
    let value = |number: &u32| match number % 2 {
        0 => Ok(Evaluation::of(f64::from(*number))),
        _ => Err(std::io::Error::other("odd")),
    };
    // here every look at the clock takes a second
    let clock = || {
        evaluated.set(evaluated.get() + 1);
        f64::from(evaluated.get())
    };
    let mut record = Record::default();
    let budget = Budget { wall_s: Some(20.0), ..Budget::trials(50) };
    let cut = Run::new(budget).clock(&clock).search(&mut shuffled(Seed(1)), &value, &mut [&mut record])?;
    println!("stopped by {:?} after {} trials", cut.stopped, cut.trials.len());

    let whole = Run::new(50).go_on_from(record.0).search(&mut shuffled(Seed(1)), &value, &mut [])?;
    let uninterrupted = Run::new(50).search(&mut shuffled(Seed(1)), &value, &mut [])?;
    assert_eq!(whole, uninterrupted);
    let summary = summarise(&whole.trials, None);
    println!("{} trials, {} failed, the same as uninterrupted", whole.trials.len(), summary.failed);
    Ok(())
}
