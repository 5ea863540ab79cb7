//! The tables of a search, as columns over the space.

use super::args::{Args, LimitBy, Source};
use super::settings::{Plan, Settings};
use crate::benchmark;
use crate::failure::{Failure, OrFail};
use crate::features::Features;
use crate::named_scores::{Proxies, Scores};
use crate::score::Scoring;
use anyhow::anyhow;
use nas_core::SearchSpace;
use serde_json::Value;
use spaces::NasBench201;
use spaces::nas_bench_201::Cell;
use std::path::PathBuf;
use std::sync::OnceLock;
use tables::{Column, TableRef};

/// What is known of the space.
pub(super) struct Data {
    /// All architectures there are, as the accuracy table lists them.
    pub(super) space: Vec<Cell>,
    pub(super) accuracy: Option<Column<Cell>>,
    pub(super) test: Option<Column<Cell>>,
    pub(super) latency: Option<Column<Cell>>,
    /// Seconds that a training costs.
    pub(super) cost: Option<Column<Cell>>,
    /// What the predictor is pre-trained on, where that is a table.
    pub(super) source: Option<Column<Cell>>,
    /// Scores without training, where a part needs them.
    pub(super) scores: Option<Scores>,
    /// The tables that scores come from.
    columns: Vec<Column<Cell>>,
    /// What surrogates see, where one is used.
    pub(super) features: Option<Features<Cell>>,
    rows: OnceLock<Vec<Vec<f64>>>,
    /// Where all of it comes from.
    pub(super) provenance: Vec<Value>,
}

impl Data {
    /// Reads each file once, however many columns of it are named.
    pub(super) fn read(
        args: &Args,
        proxy: Option<&Proxies>,
        features: Option<&Proxies>,
    ) -> Result<Self, Failure> {
        let space = args.space.unwrap_or_default().cells().or_input()?;
        let source = match &args.transfer_from {
            Some(Source::Table(table)) => Some(table.clone()),
            _ => None,
        };
        let proxies: Vec<&TableRef> = proxy.into_iter().flat_map(Proxies::tables).collect();
        let seen: Vec<&TableRef> = features.into_iter().flat_map(Proxies::tables).collect();
        let named = [&args.accuracy, &args.test, &args.latency, &args.cost, &source];
        let wanted: Vec<&TableRef> =
            named.into_iter().flatten().chain(proxies.iter().chain(&seen).copied()).collect();
        let mut known: Vec<(&TableRef, Column<Cell>)> = Vec::new();
        for table in &wanted {
            if known.iter().any(|(name, _)| name == table) {
                continue;
            }
            let mut names: Vec<&TableRef> = Vec::new();
            for other in wanted.iter().filter(|other| other.file == table.file) {
                if !names.contains(other) {
                    names.push(other);
                }
            }
            let columns: Vec<&str> = names.iter().map(|name| name.column.as_str()).collect();
            let read = benchmark::read_columns(&space, &table.file, &columns)?;
            known.extend(names.into_iter().zip(read));
        }
        let one = |name: &TableRef| known.iter().find(|(known, _)| *known == name).map(|(_, c)| c.clone());
        let find = |name: &Option<TableRef>| name.as_ref().and_then(&one);
        let accuracy = find(&args.accuracy);
        let all = match &accuracy {
            Some(column) => column.labelled().archs().to_vec(),
            None => space.enumerate().into_iter().flatten().collect(),
        };
        let columns: Vec<Column<Cell>> = proxies.iter().filter_map(|name| one(name)).collect();
        // what is computed has to wait for the run folder
        let known = proxy.filter(|proxy| !proxy.compute());
        let scores = known.map(|proxy| Scores::known(proxy, &columns, &all)).transpose()?;
        let seen: Vec<Column<Cell>> = seen.iter().filter_map(|name| one(name)).collect();
        let features =
            features.map(|proxies| Features::of_accuracies(&space, &all, proxies, &seen)).transpose()?;
        let (test, latency, cost, source) =
            (find(&args.test), find(&args.latency), find(&args.cost), find(&source));
        let parts =
            [&accuracy, &test, &latency, &source, &cost].into_iter().flatten().chain(&columns).chain(&seen);
        let provenance = parts.map(|column| serde_json::to_value(column.provenance()));
        let provenance = provenance.collect::<Result<_, _>>().or_failed()?;
        Ok(Self {
            space: all,
            accuracy,
            test,
            latency,
            cost,
            source,
            scores,
            columns,
            features,
            rows: OnceLock::new(),
            provenance,
        })
    }

    /// Has scores computed that no table knows, into a store of their own.
    pub(super) fn compute(&mut self, proxy: &Proxies, scoring: Scoring, store: PathBuf, threads: usize) {
        self.scores = Some(Scores::computed(proxy, self.columns.clone(), scoring, store, threads));
    }

    /// All architectures that every table of a result knows, in index order. Latencies that a predictor is fitted to
    /// need not be there.
    pub(super) fn candidates(&self, settings: &Settings) -> Result<Vec<Cell>, Failure> {
        let predicted = settings.max_latency.is_some() && settings.limit_by == LimitBy::Predictor;
        let known = |column: &Option<Column<Cell>>, arch: &Cell| {
            column.as_ref().is_none_or(|column| column.get(arch).is_some())
        };
        let mut archs = self.space.clone();
        archs.retain(|arch| (predicted || known(&self.latency, arch)) && known(&self.cost, arch));
        archs.sort_by_cached_key(|cell| cell.index());
        let dropped = self.space.len() - archs.len();
        if dropped > 0 {
            eprintln!("{dropped} architectures have an accuracy but no latency or cost and are left out");
        }
        let count = archs.len();
        for (flag, wanted) in [("--budget", Some(settings.budget)), ("--warmup", asked(settings))] {
            if let Some(wanted) = wanted.filter(|&wanted| wanted > count) {
                return Err(anyhow!("{flag} is {wanted}, but the tables know only {count} architectures"))
                    .or_input();
            }
        }
        Ok(archs)
    }

    /// The features of every cell by its index, made once; none where no surrogate is used.
    pub(super) fn rows(&self) -> &[Vec<f64>] {
        let row = |features: &Features<Cell>| {
            NasBench201.enumerate().into_iter().flatten().map(|cell| features.of(&cell)).collect()
        };
        self.rows.get_or_init(|| self.features.as_ref().map(row).unwrap_or_default())
    }

    /// Whether the latency of a cell was measured.
    pub(super) fn measured(&self, cell: &Cell) -> bool {
        self.latency.as_ref().is_some_and(|column| column.get(cell).is_some())
    }

    /// The largest accuracy of those that meet the limit, where the tables know all of them.
    pub(super) fn optimum(&self, candidates: &[Cell], limit: f64) -> Option<f64> {
        let (accuracy, latency) = (self.accuracy.as_ref()?, self.latency.as_ref()?);
        let known = candidates.iter().map(|cell| Some((latency.get(cell)?, accuracy.get(cell)?)));
        let known: Option<Vec<(f64, f64)>> = known.collect();
        known?.into_iter().filter(|(ms, _)| *ms <= limit).map(|(_, value)| value).reduce(f64::max)
    }

    /// The largest latency there is: what a front is measured from.
    pub(super) fn slowest(&self) -> Option<f64> {
        let latency = self.latency.as_ref()?;
        latency.labelled().values().iter().copied().reduce(f64::max)
    }
}

/// The warm-up that somebody asked for.
fn asked(settings: &Settings) -> Option<usize> {
    settings.plans.iter().filter_map(|plan| plan.warmup).filter(|&count| count != usize::MAX).max()
}

/// Says once what has no score.
pub(super) fn note_unscored(data: &Data, settings: &Settings) {
    if let (Some(scores), Some(proxy)) = (&data.scores, &settings.proxy)
        && scores.unscored() > 0
    {
        let (unscored, all) = (scores.unscored(), data.space.len());
        eprintln!(
            "{unscored} of {all} architectures are not scored by {proxy}: a warm-up leaves them out, a move takes \
             them last"
        );
    }
}

/// A warm-up of everything becomes as many as there are.
pub(super) fn fit_plans(plans: &mut [Plan], candidates: usize) {
    for plan in plans {
        plan.warmup = plan.warmup.map(|count| if count == usize::MAX { candidates } else { count });
    }
}
