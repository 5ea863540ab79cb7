//! What `predict` says of the fits of a run.

use super::found::{Agreement, Found, Raw, defined};
use super::{Method, Plan};
use crate::output::{Show, grid, name, number};
use crate::registry::{EncodingName, Space};
use nas_core::stats::{self, StatsError};
use serde::{Deserialize, Serialize};
use tables::TableRef;

/// How one fit did on the rows that it never saw.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Row {
    method: Method,
    encoding: EncodingName,
    transfer: bool,
    seed: u64,
    within_1pct: Option<f64>,
    within_5pct: Option<f64>,
    within_10pct: Option<f64>,
    /// As eagle counts: relative to the prediction.
    within_10pct_of_prediction: Option<f64>,
    kendall: Option<f64>,
    spearman: Option<f64>,
    mape: Option<f64>,
    mse: Option<f64>,
    r2: Option<f64>,
    epochs: Option<usize>,
    /// Over the repeats, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    half_width_95: Option<HalfWidths>,
    /// Percent of the rest within the interval that is believed to hold 50, 80 and 95 of 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    believed_50_80_95: Option<[f64; 3]>,
    /// What `ours` chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chosen: Option<String>,
    /// On the rows that it was fitted on, those to stop by, and those that a first stage accepts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_training: Option<Agreement>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_validation: Option<Agreement>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_accepted: Option<Agreement>,
    /// What the authors' comparator of a relation says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    raw: Option<Raw>,
    fit_s: f64,
    score_s: f64,
}

impl Row {
    pub(super) fn is_of(&self, method: Method, transfer: bool, seed: u64) -> bool {
        (self.method, self.transfer, self.seed) == (method, transfer, seed)
    }
}

/// Half of the 95 % interval of each mean (Student's t over the repeats); none where a number is not defined.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct HalfWidths {
    within_1pct: Option<f64>,
    within_5pct: Option<f64>,
    within_10pct: Option<f64>,
    within_10pct_of_prediction: Option<f64>,
    kendall: Option<f64>,
    spearman: Option<f64>,
}

/// What `predict` prints: at the top the means of the first row.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    space: Space,
    column: String,
    train: usize,
    validation: usize,
    test: usize,
    repeats: usize,
    #[serde(flatten)]
    first: Row,
    /// One a method, before it the transferred one: means over the runs.
    rows: Vec<Row>,
    runs: Vec<Row>,
}

/// The numbers of a fit; one that is not defined stays empty.
pub(super) fn judge(
    method: Method,
    encoding: EncodingName,
    transfer: bool,
    seed: u64,
    found: Found,
    truth: &[f64],
) -> Result<Row, StatsError> {
    let values = found.values.as_deref();
    let scores = found.scores.as_deref().or(values).unwrap_or_default();
    let of =
        |f: &dyn Fn(&[f64]) -> Result<f64, StatsError>| values.map_or(Ok(None), |values| defined(f(values)));
    Ok(Row {
        method,
        encoding,
        transfer,
        seed,
        within_1pct: of(&|v| stats::within(v, truth, 0.01))?,
        within_5pct: of(&|v| stats::within(v, truth, 0.05))?,
        within_10pct: of(&|v| stats::within(v, truth, 0.10))?,
        within_10pct_of_prediction: of(&|v| stats::within_of_prediction(v, truth, 0.10))?,
        kendall: defined(stats::kendall_tau_b(scores, truth))?,
        spearman: defined(stats::spearman(scores, truth))?,
        mape: of(&|v| stats::mape(v, truth))?,
        mse: of(&|v| stats::mse(v, truth))?,
        r2: of(&|v| stats::r2(v, truth))?,
        epochs: found.epochs,
        half_width_95: None,
        believed_50_80_95: found.believed,
        chosen: found.chosen,
        on_training: found.training,
        on_validation: found.validation,
        on_accepted: found.accepted,
        raw: found.raw,
        fit_s: found.fit_s,
        score_s: found.score_s,
    })
}

impl Report {
    pub(super) fn new(
        space: Space,
        table: &TableRef,
        plan: &Plan,
        test: usize,
        repeats: usize,
        methods: &[Method],
        runs: Vec<Row>,
    ) -> Self {
        let kinds = methods.iter().flat_map(|&method| [(method, true), (method, false)]);
        let rows: Vec<Row> = kinds
            .filter_map(|(method, transfer)| {
                let group = runs.iter().filter(|run| run.method == method && run.transfer == transfer);
                let group: Vec<&Row> = group.collect();
                let mean = |of: &dyn Fn(&Row) -> Option<f64>| {
                    let values: Option<Vec<f64>> = group.iter().map(|run| of(run)).collect();
                    values.map(|values| stats::mean(&values))
                };
                let half = |of: &dyn Fn(&Row) -> Option<f64>| {
                    let values: Option<Vec<f64>> = group.iter().map(|run| of(run)).collect();
                    stats::half_width(&values?, 0.95)
                };
                let half_widths = HalfWidths {
                    within_1pct: half(&|r| r.within_1pct),
                    within_5pct: half(&|r| r.within_5pct),
                    within_10pct: half(&|r| r.within_10pct),
                    within_10pct_of_prediction: half(&|r| r.within_10pct_of_prediction),
                    kendall: half(&|r| r.kendall),
                    spearman: half(&|r| r.spearman),
                };
                let sure = |of: &dyn Fn(&Row) -> f64| mean(&|run| Some(of(run))).unwrap_or(0.0);
                let first: Row = (*group.first()?).clone();
                Some(Row {
                    within_1pct: mean(&|r| r.within_1pct),
                    within_5pct: mean(&|r| r.within_5pct),
                    within_10pct: mean(&|r| r.within_10pct),
                    within_10pct_of_prediction: mean(&|r| r.within_10pct_of_prediction),
                    kendall: mean(&|r| r.kendall),
                    spearman: mean(&|r| r.spearman),
                    mape: mean(&|r| r.mape),
                    mse: mean(&|r| r.mse),
                    r2: mean(&|r| r.r2),
                    half_width_95: (group.len() > 1).then_some(half_widths),
                    believed_50_80_95: first.believed_50_80_95.map(|_| {
                        [0, 1, 2].map(|i| sure(&|r| r.believed_50_80_95.map_or(f64::NAN, |held| held[i])))
                    }),
                    chosen: counted(&group),
                    on_training: agreed(&group, |run| run.on_training),
                    on_validation: agreed(&group, |run| run.on_validation),
                    on_accepted: agreed(&group, |run| run.on_accepted),
                    raw: group
                        .iter()
                        .map(|run| run.raw)
                        .collect::<Option<Vec<_>>>()
                        .map(|all| Raw::mean(&all)),
                    epochs: first.epochs.filter(|_| group.len() == 1),
                    fit_s: sure(&|r| r.fit_s),
                    score_s: sure(&|r| r.score_s),
                    ..first
                })
            })
            .collect();
        Self {
            space,
            column: table.column.clone(),
            train: plan.train,
            validation: plan.validation,
            test,
            repeats,
            first: rows[0].clone(),
            rows,
            runs,
        }
    }

    /// Says which methods order no better than chance.
    fn noise(&self) -> String {
        let chance = |row: &&Row| {
            let half = row.half_width_95.and_then(|half| half.kendall);
            row.kendall.zip(half).is_some_and(|(kendall, half)| kendall.abs() <= half)
        };
        let named: Vec<String> = self.rows.iter().filter(chance).map(label).collect();
        if named.is_empty() {
            return String::new();
        }
        format!("the interval of kendall includes 0, as for chance: {}\n", named.join(", "))
    }
}

/// The method, and whether it started from another network.
fn label(row: &Row) -> String {
    name(&row.method) + if row.transfer { " (transfer)" } else { "" }
}

/// A mean, and half of its interval where there is one.
fn about(value: Option<f64>, half: Option<f64>, decimals: usize) -> String {
    let half = half.map(|half| format!(" ±{half:.decimals$}")).unwrap_or_default();
    value.map_or_else(String::new, |value| format!("{value:.decimals$}{half}"))
}

/// The mean of what every run has; none where one has nothing.
fn agreed(runs: &[&Row], of: impl Fn(&Row) -> Option<Agreement>) -> Option<Agreement> {
    let all: Option<Vec<Agreement>> = runs.iter().map(|run| of(run)).collect();
    all.map(|all| Agreement::mean(&all))
}

/// How often each was chosen; none where nothing is.
fn counted(runs: &[&Row]) -> Option<String> {
    let mut chosen: Vec<&str> = runs.iter().filter_map(|run| run.chosen.as_deref()).collect();
    chosen.sort_unstable();
    let times = |same: &[&str]| match (same.len(), runs.len()) {
        (_, 1) => same[0].to_owned(),
        (count, _) => format!("{count} times {}", same[0]),
    };
    let counts: Vec<String> = chosen.chunk_by(|a, b| a == b).map(times).collect();
    (!counts.is_empty()).then(|| counts.join("; "))
}

impl Show for Report {
    fn table(&self) -> String {
        let header =
            ["method", "encoding", "within 1 %", "5 %", "10 %", "kendall", "spearman", "fit s", "score s"];
        let rows = self.rows.iter().map(|row| {
            let half = |of: &dyn Fn(HalfWidths) -> Option<f64>| row.half_width_95.and_then(of);
            vec![
                label(row),
                name(&row.encoding),
                about(row.within_1pct, half(&|h| h.within_1pct), 1),
                about(row.within_5pct, half(&|h| h.within_5pct), 1),
                about(row.within_10pct, half(&|h| h.within_10pct), 1),
                about(row.kendall, half(&|h| h.kendall), 4),
                about(row.spearman, half(&|h| h.spearman), 4),
                number(Some(row.fit_s), 1),
                number(Some(row.score_s), 2),
            ]
        });
        let Self { column, train, validation, test, repeats, .. } = self;
        let mean = if *repeats > 1 { format!(", mean of {repeats}") } else { String::new() };
        let several = self.rows.len() > 1;
        let more = |row: &Row| -> Vec<String> {
            let held = row
                .believed_50_80_95
                .map(|[a, b, c]| format!("intervals of 50, 80 and 95 % hold {a:.1}, {b:.1} and {c:.1} %\n"));
            let parts = [
                ("training", row.on_training),
                ("validation", row.on_validation),
                ("accepted", row.on_accepted),
            ];
            let parts = parts
                .into_iter()
                .filter_map(|(name, held)| Some((name, held.filter(|held| held.rows > 0.0)?)));
            let parts = parts.map(|(name, Agreement { rows, mse, r2, kendall })| {
                let numbers = [number(mse, 3), number(r2, 3), number(kendall, 4)];
                format!(
                    "on {rows:.0} {name} rows: MSE {}, R2 {}, Kendall {}\n",
                    numbers[0], numbers[1], numbers[2]
                )
            });
            let test = [number(row.mse, 3), number(row.r2, 3)];
            let rest = row.on_training.map(|_| format!("on the rest: MSE {}, R2 {}\n", test[0], test[1]));
            let all = held
                .into_iter()
                .chain(row.chosen.iter().map(|text| format!("chosen: {text}\n")))
                .chain(parts)
                .chain(rest);
            all.map(|line| if several { format!("{}: {line}", label(row)) } else { line }).collect()
        };
        let more: String = self.rows.iter().flat_map(more).collect();
        format!(
            "{}{more}{}{column}: {train} to fit on, {validation} to stop by, judged on the other {test}{mean}\n",
            grid(&header, rows),
            self.noise()
        )
    }

    fn rows(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let header = ["method", "encoding", "transfer", "seed", "within_1pct", "within_5pct", "within_10pct"];
        let more = ["kendall", "spearman", "mape", "mse", "r2", "fit_s", "score_s"];
        let text = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        let rows = self.runs.iter().map(|r| {
            let mut row =
                vec![name(&r.method), name(&r.encoding), r.transfer.to_string(), r.seed.to_string()];
            let numbers = [r.within_1pct, r.within_5pct, r.within_10pct, r.kendall, r.spearman, r.mape];
            row.extend(numbers.into_iter().chain([r.mse, r.r2, Some(r.fit_s), Some(r.score_s)]).map(text));
            row
        });
        (header.iter().chain(&more).map(ToString::to_string).collect(), rows.collect())
    }
}
