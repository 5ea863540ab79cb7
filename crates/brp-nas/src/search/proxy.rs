//! Scores of the whole space without training, for warm-up and moves.

use crate::failure::{Failure, OrFail};
use crate::kept_scores;
use crate::registry::Proxy;
use anyhow::anyhow;
use nas_core::Scorer;
use proxies::log_rank_sum;
use serde::{Deserialize, Serialize};
use spaces::nas_bench_201::Cell;
use std::path::PathBuf;
use std::str::FromStr;
use tables::{Column, TableRef};

/// Where a score comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// The program knows how to work it out.
    Known(Proxy),
    /// A column of a table.
    Table(TableRef),
}

/// One or several scores, written with commas between them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Proxies(pub(crate) Vec<Part>);

impl Default for Proxies {
    fn default() -> Self {
        Self(vec![Part::Known(Proxy::Params)])
    }
}

impl FromStr for Proxies {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut file: Option<PathBuf> = None;
        let mut parts = Vec::new();
        for name in text.split(',').map(str::trim) {
            let part = match (Proxy::known(name), name.parse::<TableRef>(), &file) {
                (Some(known), ..) => Part::Known(known),
                (None, Ok(table), _) => {
                    file = Some(table.file.clone());
                    Part::Table(table)
                }
                (None, Err(_), Some(file)) if !name.is_empty() => {
                    Part::Table(TableRef { file: file.clone(), column: name.into() })
                }
                _ => {
                    let known = Proxy::names().join(", ");
                    return Err(format!("`{name}` is no proxy: expected {known}, or a table as FILE:COLUMN"));
                }
            };
            parts.push(part);
        }
        Ok(Self(parts))
    }
}

impl TryFrom<String> for Proxies {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Proxies> for String {
    fn from(proxies: Proxies) -> Self {
        proxies.to_string()
    }
}

impl std::fmt::Display for Proxies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, part) in self.0.iter().enumerate() {
            f.write_str(if place > 0 { "," } else { "" })?;
            match part {
                Part::Known(known) => f.write_str(known.name())?,
                Part::Table(table) => write!(f, "{table}")?,
            }
        }
        Ok(())
    }
}

impl Proxies {
    /// What is known of nearly all of the space without a table: for features.
    pub(crate) fn complete() -> Self {
        let costs = [Proxy::Params, Proxy::Flops];
        let kept = kept_scores::complete().map(Proxy::Kept);
        Self(costs.into_iter().chain(kept).map(Part::Known).collect())
    }

    pub(crate) fn tables(&self) -> impl Iterator<Item = &TableRef> {
        self.0.iter().filter_map(|part| match part {
            Part::Table(table) => Some(table),
            Part::Known(_) => None,
        })
    }
}

/// The scores of a space, looked up.
#[derive(Debug, Clone)]
pub(crate) struct Scores {
    /// By architecture.
    sorted: Vec<(Cell, f64)>,
    /// How many of the space have none.
    pub(crate) unscored: usize,
}

impl Scores {
    /// Of all `archs`. Several scores are combined by the sum of log ranks, log(rank / n) with rank 1 for the
    /// smallest, which punishes a single bad one, among the architectures that all of them score.
    pub(crate) fn new(proxies: &Proxies, columns: &[Column<Cell>], archs: &[Cell]) -> Result<Self, Failure> {
        let mut columns = columns.iter();
        let mut each: Vec<Vec<Option<f64>>> = Vec::new();
        for part in &proxies.0 {
            each.push(match part {
                Part::Known(known) => archs.iter().map(|cell| known.score(cell)).collect(),
                Part::Table(table) => {
                    let column = columns.next().ok_or_else(|| anyhow!("{table} was not read")).or_failed()?;
                    archs.iter().map(|cell| column.get(cell)).collect()
                }
            });
        }
        let full: Vec<usize> = (0..archs.len()).filter(|&i| each.iter().all(|s| s[i].is_some())).collect();
        if full.is_empty() {
            return Err(anyhow!("--proxy {proxies} scores none of the {} architectures", archs.len()))
                .or_input();
        }
        let mut kept: Vec<Vec<f64>> =
            each.iter().map(|scores| full.iter().filter_map(|&i| scores[i]).collect()).collect();
        let sums = match kept.len() {
            1 => kept.remove(0),
            _ => log_rank_sum(&kept).or_failed()?,
        };
        let mut sorted: Vec<(Cell, f64)> = full.iter().map(|&i| archs[i]).zip(sums).collect();
        sorted.sort_by_key(|(cell, _)| *cell);
        Ok(Self { unscored: archs.len() - sorted.len(), sorted })
    }

    fn get(&self, cell: &Cell) -> Option<f64> {
        let place = self.sorted.binary_search_by_key(cell, |(known, _)| *known).ok()?;
        Some(self.sorted[place].1)
    }
}

impl Scorer<Cell> for Scores {
    fn scores(&self, cells: &[Cell]) -> Vec<Result<f64, String>> {
        let score = |cell: &Cell| self.get(cell).ok_or_else(|| format!("{cell} is not scored"));
        cells.iter().map(score).collect()
    }
}
