//! How well scores order architectures, against a column of a table.

use crate::output::{grid, number};
use nas_core::{Seed, stats};
use proxies::{AZ_NAS, log_rank_sum, ordered_pairs, vote};
use serde::Serialize;

/// Draws of the bootstrap.
const DRAWS: usize = 1_000;

/// Votes compare every pair with every other: no more architectures than this.
const MOST_PAIRS: usize = 16_384;

/// How a score goes with the column.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Compared {
    /// A proxy or a combination.
    pub(crate) score: String,
    /// Architectures that the table knows and that have a score.
    pub(crate) architectures: usize,
    pub(crate) spearman: Option<f64>,
    /// Ends of the 95 % bootstrap interval of Spearman's correlation.
    pub(crate) spearman_low: Option<f64>,
    pub(crate) spearman_high: Option<f64>,
    pub(crate) kendall: Option<f64>,
    /// Share of pairs ordered right, for votes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ordered_pairs: Option<f64>,
}

/// Scores of architectures with their truth, and how often the vote orders a pair right.
type Combined = (String, Vec<f64>, Option<f64>);

/// Scores by name, of all architectures whose truth is known, in the same order.
pub(crate) fn compare(scores: &[(&str, Vec<f64>)], values: &[f64], seed: Seed) -> Vec<Compared> {
    let column =
        |name: &str| scores.iter().find(|(known, _)| *known == name).map(|(_, column)| column.clone());
    let columns = |names: &[&str]| names.iter().map(|name| column(name)).collect::<Option<Vec<Vec<f64>>>>();
    let mut combined: Vec<Combined> =
        scores.iter().map(|(name, column)| ((*name).to_owned(), column.clone(), None)).collect();
    if let Some(votes) = columns(&["synflow", "jacob_cov", "snip"]).filter(|_| values.len() <= MOST_PAIRS)
        && let (Ok(wins), pairs) = (vote(&votes), ordered_pairs(&votes, values).ok())
    {
        combined.push(("vote of synflow, jacob_cov, snip".into(), wins, pairs));
    }
    for (name, parts) in [
        ("az_nas", &AZ_NAS[..]),
        ("jacov + params", &["jacov", "params"][..]),
        ("nwot + jacov + params", &["nwot", "jacov", "params"][..]),
    ] {
        if let Some(Ok(sums)) = columns(parts).map(|scores| log_rank_sum(&scores)) {
            combined.push((name.into(), sums, None));
        }
    }
    combined.into_iter().map(|(name, scores, pairs)| one(name, &scores, values, pairs, seed)).collect()
}

/// What [`compared_cells`] are.
pub(crate) const COMPARED: [&str; 6] =
    ["score", "Spearman", "95 %", "Kendall", "pairs right", "architectures"];

pub(crate) fn compared_cells(row: &Compared) -> Vec<String> {
    let interval = match (row.spearman_low, row.spearman_high) {
        (Some(low), Some(high)) => format!("{low:.3} to {high:.3}"),
        _ => String::new(),
    };
    vec![
        row.score.clone(),
        number(row.spearman, 3),
        interval,
        number(row.kendall, 3),
        number(row.ordered_pairs, 3),
        row.architectures.to_string(),
    ]
}

pub(crate) fn compared_grid(compared: &[Compared]) -> String {
    grid(&COMPARED, compared.iter().map(compared_cells))
}

fn one(score: String, scores: &[f64], truth: &[f64], pairs: Option<f64>, seed: Seed) -> Compared {
    let kept: Vec<(f64, f64)> =
        scores.iter().copied().zip(truth.iter().copied()).filter(|(score, _)| !score.is_nan()).collect();
    // what has no finite value takes part by its rank
    let ranked = |rows: &[usize]| -> (Vec<f64>, Vec<f64>) {
        let column: Vec<f64> = rows.iter().map(|&row| kept[row].0).collect();
        (stats::average_ranks(&column), rows.iter().map(|&row| kept[row].1).collect())
    };
    let all: Vec<usize> = (0..kept.len()).collect();
    let (x, y) = ranked(&all);
    let spearman = |rows: &[usize]| {
        let (x, y) = ranked(rows);
        stats::spearman(&x, &y).ok()
    };
    let interval = stats::bootstrap(kept.len(), DRAWS, 0.95, seed.derive("bootstrap"), spearman).ok();
    Compared {
        score,
        architectures: kept.len(),
        spearman: stats::spearman(&x, &y).ok(),
        spearman_low: interval.map(|interval| interval.low),
        spearman_high: interval.map(|interval| interval.high),
        kendall: stats::kendall_tau_b(&x, &y).ok(),
        ordered_pairs: pairs,
    }
}
