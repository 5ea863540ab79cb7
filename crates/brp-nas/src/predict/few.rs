//! Few rows of a new device, beside the tables of others.

use super::found::Found;
use crate::columns;
use crate::failure::{Failure, OrFail};
use crate::host::Stopwatch;
use crate::predictable::Predictable;
use anyhow::{Context, anyhow};
use nas_core::{Fit, Labelled, Predict, SearchSpace, Seed, Split};
use surrogates::{Described, SurrogateError, Transfer};
use tables::{Column, TableRef};

/// What is known of other devices.
pub(super) type Known<'a, S> = Transfer<Describe<'a, S>>;

/// Columns with their names.
pub(super) type Sources<S> = Vec<(TableRef, Column<<S as SearchSpace>::Arch>)>;

/// How an architecture is described.
pub(super) type Describe<'a, S> = &'a (dyn Fn(&<S as SearchSpace>::Arch) -> Described + Sync);

fn mine(error: SurrogateError) -> Failure {
    Failure::Input(error.into())
}

/// The columns that `--sources` names; one without a file is of the file before it.
pub(super) fn columns<S: Predictable>(space: &S, names: &[String]) -> Result<Sources<S>, Failure> {
    let mut found: Sources<S> = Vec::new();
    for name in names {
        let before = found.last().map(|(before, _)| before.file.clone());
        let table = match before {
            Some(file) if !name.contains(':') => TableRef { file, column: name.clone() },
            _ => name.parse().map_err(|error| anyhow!("--sources {name}: {error}")).or_input()?,
        };
        let column = columns::read_column(space, &table)?;
        found.push((table, column));
    }
    Ok(found)
}

/// Learns the tables of other devices.
pub(super) fn learn<'a, S: Predictable>(
    describe: Describe<'a, S>,
    sources: &Sources<S>,
) -> Result<Known<'a, S>, Failure> {
    let tables: Vec<Labelled<S::Arch>> =
        sources.iter().map(|(_, column)| column.labelled().clone()).collect();
    for ((name, _), table) in sources.iter().zip(&tables) {
        // one by one, so that the one that is wrong is named
        Transfer::new(describe, std::slice::from_ref(table))
            .with_context(|| format!("--sources {name}"))
            .or_input()?;
    }
    Transfer::new(describe, &tables).map_err(mine)
}

/// The rows to measure, and all others.
pub(super) fn split<S: Predictable>(
    known: &Known<'_, S>,
    column: &Labelled<S::Arch>,
    rows: usize,
    seed: Seed,
) -> Result<Split<S::Arch>, Failure> {
    let chosen = known.choose(column.archs(), rows, seed).map_err(mine)?;
    let pick = |rows: &[usize]| {
        let (archs, values) = (column.archs(), column.values());
        let part = rows.iter().map(|&row| (archs[row].clone(), values[row])).unzip();
        let (archs, values): (Vec<S::Arch>, Vec<f64>) = part;
        Labelled::new(archs, values).or_failed()
    };
    let rest: Vec<usize> = (0..column.len()).filter(|row| !chosen.contains(row)).collect();
    Ok(Split { train: pick(&chosen)?, validation: Labelled::empty(), test: pick(&rest)? })
}

pub(super) fn fit<S: Predictable>(
    known: Option<&Known<'_, S>>,
    split: &Split<S::Arch>,
    seed: Seed,
    watch: &Stopwatch,
) -> Result<Found, Failure> {
    let known = known.context("no other device is known").or_failed()?;
    let model = known.fit(&split.train, &Labelled::empty(), seed).map_err(mine)?;
    Found::of(watch, || model.predict(split.test.archs())).map_err(mine)
}
