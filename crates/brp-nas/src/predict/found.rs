//! What a fit says of the rows that it never saw, and how that agrees with the truth.

use crate::host::Stopwatch;
use nas_core::stats::{self, StatsError};
use serde::{Deserialize, Serialize};

/// What a fit says of the rest.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// In the unit of the label; none of a method that orders alone.
    pub(super) values: Option<Vec<f64>>,
    /// What orders, larger first, where that is not the values.
    pub(super) scores: Option<Vec<f64>>,
    pub(super) epochs: Option<usize>,
    pub(super) believed: Option<[f64; 3]>,
    pub(super) chosen: Option<String>,
    /// On the rows that it was fitted on, and those to stop by.
    pub(super) training: Option<Agreement>,
    pub(super) validation: Option<Agreement>,
    /// On what a first stage accepts.
    pub(super) accepted: Option<Agreement>,
    /// Of a relation.
    pub(super) raw: Option<Raw>,
    pub(super) fit_s: f64,
    /// Of what orders.
    pub(super) score_s: f64,
}

impl Found {
    /// Values, which order too, of a fit that took so long.
    pub(super) fn of<E>(watch: &Stopwatch, values: impl FnOnce() -> Result<Vec<f64>, E>) -> Result<Self, E> {
        let fit_s = watch.cpu_s();
        let values = Some(values()?);
        Ok(Self { values, fit_s, score_s: watch.cpu_s() - fit_s, ..Self::default() })
    }

    /// What orders, of a fit that took so long.
    pub(super) fn of_scores<E>(
        watch: &Stopwatch,
        scores: impl FnOnce() -> Result<Vec<f64>, E>,
    ) -> Result<Self, E> {
        let Self { values, fit_s, score_s, .. } = Self::of(watch, scores)?;
        Ok(Self { scores: values, fit_s, score_s, ..Self::default() })
    }
}

/// How far a relation is from an order, asked pair by pair as the authors do: how many pairs contradict themselves when
/// they are swapped, how many triples go in a circle, and how a sort by it goes with the truth.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Raw {
    pub(super) contradictions_pct: f64,
    pub(super) cycles_pct: f64,
    pub(super) kendall: Option<f64>,
}

impl Raw {
    /// The mean of several.
    pub(super) fn mean(all: &[Self]) -> Self {
        let of = |number: fn(&Self) -> f64| stats::mean(&all.iter().map(number).collect::<Vec<_>>());
        let kendall: Option<Vec<f64>> = all.iter().map(|raw| raw.kendall).collect();
        Self {
            contradictions_pct: of(|raw| raw.contradictions_pct),
            cycles_pct: of(|raw| raw.cycles_pct),
            kendall: kendall.map(|all| stats::mean(&all)),
        }
    }
}

/// Scores whose order is this one, best first.
pub(super) fn by_place(order: &[usize]) -> Vec<f64> {
    let mut scores = vec![0.0; order.len()];
    order.iter().enumerate().for_each(|(place, &i)| scores[i] = -(place as f64));
    scores
}

/// A number that may not be defined, as a correlation with what is constant.
pub(super) fn defined(result: Result<f64, StatsError>) -> Result<Option<f64>, StatsError> {
    match result {
        Err(StatsError::Constant(_) | StatsError::TooFew { .. }) => Ok(None),
        other => other.map(Some),
    }
}

/// How predictions agree with labels, as the Neural Predictor's paper counts it; none where a number is not defined.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Agreement {
    /// How many rows.
    pub(super) rows: f64,
    pub(super) mse: Option<f64>,
    pub(super) r2: Option<f64>,
    pub(super) kendall: Option<f64>,
}

impl Agreement {
    pub(super) fn of(values: &[f64], labels: &[f64]) -> Result<Self, StatsError> {
        Ok(Self {
            rows: values.len() as f64,
            mse: defined(stats::mse(values, labels))?,
            r2: defined(stats::r2(values, labels))?,
            kendall: defined(stats::kendall_tau_b(values, labels))?,
        })
    }

    /// The mean of several.
    pub(super) fn mean(all: &[Self]) -> Self {
        let mean = |of: &dyn Fn(&Self) -> Option<f64>| {
            let values: Option<Vec<f64>> = all.iter().map(of).collect();
            values.filter(|values| !values.is_empty()).map(|values| stats::mean(&values))
        };
        Self {
            rows: mean(&|one| Some(one.rows)).unwrap_or(0.0),
            mse: mean(&|one| one.mse),
            r2: mean(&|one| one.r2),
            kendall: mean(&|one| one.kendall),
        }
    }
}
