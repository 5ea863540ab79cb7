//! Four strategies on a function and a space of one's own: hyper-parameters of a training, with a rough score that
//! costs nothing. `cargo run -p search --example own_function`

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use nas_core::{Decisions, Evaluation, ParseArchError, SearchSpace, Seed, Stream};
use rand::RngExt;
use search::{
    Domain, Evolution, EvolutionSettings, Moves, Random, Reinforce, ReinforceSettings, Run, SearchError,
    WarmUp, reached, running_best, side_by_side,
};
use std::fmt;

const NAMES: [&str; 4] = ["rate", "width", "depth", "decay"];
/// How many values each may take.
const COUNTS: [usize; 4] = [12, 10, 8, 10];

/// One setting: the number of the value of each.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Setting([usize; 4]);

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.0;
        write!(f, "{a},{b},{c},{d}")
    }
}

#[derive(Debug)]
struct Settings;

impl SearchSpace for Settings {
    type Arch = Setting;

    fn name(&self) -> &str {
        "settings"
    }

    fn len(&self) -> Option<u64> {
        Some(COUNTS.iter().map(|&count| count as u64).product())
    }

    fn sample(&self, rng: &mut Stream) -> Setting {
        Setting(COUNTS.map(|count| rng.random_range(0..count)))
    }

    fn mutate(&self, setting: &Setting, rng: &mut Stream) -> Setting {
        let near = self.neighbours(setting);
        near[rng.random_range(0..near.len())].clone()
    }

    fn neighbours(&self, setting: &Setting) -> Vec<Setting> {
        let other = |at: usize| {
            (0..COUNTS[at]).filter(move |&value| value != setting.0[at]).map(move |value| (at, value))
        };
        let change = |(at, value): (usize, usize)| {
            let mut changed = setting.clone();
            changed.0[at] = value;
            changed
        };
        (0..COUNTS.len()).flat_map(other).map(change).collect()
    }

    fn parse(&self, text: &str) -> Result<Setting, ParseArchError> {
        let numbers: Vec<usize> = text.split(',').filter_map(|number| number.parse().ok()).collect();
        self.arch_of(&numbers).ok_or_else(|| ParseArchError::at("settings", text, 0, "four numbers"))
    }

    fn enumerate(&self) -> Option<Box<dyn Iterator<Item = Setting> + '_>> {
        None
    }
}

impl Decisions for Settings {
    fn decisions(&self) -> Vec<usize> {
        COUNTS.to_vec()
    }

    fn choices_of(&self, setting: &Setting) -> Vec<usize> {
        setting.0.to_vec()
    }

    fn arch_of(&self, choices: &[usize]) -> Option<Setting> {
        let numbers: [usize; 4] = choices.try_into().ok()?;
        numbers.iter().zip(COUNTS).all(|(&number, count)| number < count).then_some(Setting(numbers))
    }
}

/// What a training would give; some diverge.
fn train(setting: &Setting) -> Result<Evaluation, std::io::Error> {
    let [rate, width, depth, decay] = setting.0.map(|number| number as f64);
    if rate > 9.0 && depth > 5.0 {
        return Err(std::io::Error::other("the loss is NaN"));
    }
    let fit = 90.0 - (rate - 6.0).powi(2) - 0.5 * (decay - 4.0).powi(2);
    Ok(Evaluation::of(fit + 1.5 * width + depth - 0.2 * width * depth))
}

/// Known without training: larger networks tend to be better, and extreme rates do not work.
fn guess(setting: &Setting) -> f64 {
    let [rate, width, depth, _] = setting.0.map(|number| number as f64);
    width + 0.5 * depth - (rate - 5.0).abs()
}

const BUDGET: usize = 80;

/// The best value so far, one curve a seed.
fn curves<S>(make: impl Fn(Seed) -> Result<S, SearchError> + Sync) -> Result<Vec<Vec<f64>>, SearchError>
where
    S: nas_core::Searcher<Setting>,
{
    let one = |repeat: usize| {
        let mut strategy = make(Seed(repeat as u64))?;
        let found = Run::new(BUDGET).search(&mut strategy, &train, &mut [])?;
        let value = |trial: &nas_core::Trial<Setting>| trial.result.as_ref().map_or(0.0, |known| known.value);
        Ok(running_best(found.trials.iter().map(value)))
    };
    side_by_side(20, 2, one).into_iter().collect()
}

fn main() -> Result<(), SearchError> {
    let domain = || Domain::of(&Settings);
    let warm = |seed: Seed| WarmUp::new(domain().sample(1000, &mut seed.stream("warm-up"))?, &guess);
    let (settings, standard) = (EvolutionSettings::published(), ReinforceSettings::standard());
    let moves = Moves::new(20, &guess)?;
    println!("the best of {NAMES:?}, mean of 20 seeds after {BUDGET} trainings, and trainings until 99:");
    let rows = [
        ("random", curves(|seed| Ok(Random::new(domain(), seed)))?),
        ("random, warm-up", curves(|seed| Ok(Random::new(domain(), seed).warm_up(&warm(seed)?)))?),
        ("evolution", curves(|seed| Evolution::new(domain(), settings, seed))?),
        ("evolution, moves", curves(|seed| Ok(Evolution::new(domain(), settings, seed)?.moves(moves)))?),
        ("reinforce", curves(|seed| Reinforce::new(domain(), standard, seed))?),
        ("reinforce, moves", curves(|seed| Ok(Reinforce::new(domain(), standard, seed)?.moves(moves)))?),
    ];
    for (name, curves) in rows {
        let last: f64 = curves.iter().filter_map(|curve| curve.last()).sum::<f64>() / curves.len() as f64;
        let reached = reached(&curves, 99.0).map_or("never".into(), |count| count.to_string());
        println!("{name:<20}{last:8.2}{reached:>8}");
    }
    Ok(())
}
