//! What every method said of the networks that it never saw, for those who want to look at it.

use super::Method;
use super::found::Found;
use crate::failure::{Failure, OrFail};
use crate::output::name;
use crate::record::write_whole;
use nas_core::Labelled;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What one method says of the rest: a column of `predictions.csv`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Said {
    /// The method; ` (score)` stands behind one that orders alone.
    name: String,
    values: Vec<f64>,
}

impl Said {
    pub(super) fn of(method: Method, transfer: bool, found: &Found) -> Option<Self> {
        let (values, kind) = match (&found.values, &found.scores) {
            (Some(values), _) => (values, ""),
            (None, Some(scores)) => (scores, " (score)"),
            (None, None) => return None,
        };
        let transfer = if transfer { " (transfer)" } else { "" };
        Some(Self { name: format!("{}{transfer}{kind}", name(&method)), values: values.clone() })
    }
}

/// `predictions.csv`: of the first split every row of the rest with its truth, and a column a method.
pub(super) fn write<A: ToString>(folder: &Path, rest: &Labelled<A>, said: &[Said]) -> Result<(), Failure> {
    let mut out = csv::Writer::from_writer(Vec::new());
    let names = said.iter().map(|said| said.name.as_str());
    out.write_record(["arch", "truth"].into_iter().chain(names)).or_failed()?;
    for (row, (arch, truth)) in rest.archs().iter().zip(rest.values()).enumerate() {
        let numbers = said.iter().map(|said| said.values[row].to_string());
        out.write_record([arch.to_string(), truth.to_string()].into_iter().chain(numbers)).or_failed()?;
    }
    write_whole(&folder.join("predictions.csv"), &out.into_inner().or_failed()?).or_failed()
}
