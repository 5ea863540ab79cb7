//! What every method said of the networks that it never saw, for those who want to look at it.

use super::Method;
use super::found::Found;
use crate::failure::{Failure, OrFail};
use crate::output::word;
use crate::record::write_whole;
use nas_core::Labelled;
use std::path::Path;

/// `predictions.csv`: of the first split every row of the rest with its truth, and a column a method; ` (score)` stands
/// behind the name of one that orders alone.
pub(super) struct Predictions {
    archs: Vec<String>,
    header: Vec<String>,
    columns: Vec<Vec<f64>>,
}

impl Predictions {
    pub(super) fn of<A: ToString>(rest: &Labelled<A>) -> Self {
        Self {
            archs: rest.archs().iter().map(ToString::to_string).collect(),
            header: vec!["arch".into(), "truth".into()],
            columns: vec![rest.values().to_vec()],
        }
    }

    pub(super) fn add(&mut self, method: Method, transfer: bool, found: &Found) {
        let (column, kind) = match (&found.values, &found.scores) {
            (Some(values), _) => (values, ""),
            (None, Some(scores)) => (scores, " (score)"),
            (None, None) => return,
        };
        let transfer = if transfer { " (transfer)" } else { "" };
        self.header.push(format!("{}{transfer}{kind}", word(&method)));
        self.columns.push(column.clone());
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), Failure> {
        let mut out = csv::Writer::from_writer(Vec::new());
        out.write_record(&self.header).or_failed()?;
        for (row, arch) in self.archs.iter().enumerate() {
            let numbers = self.columns.iter().map(|column| column[row].to_string());
            out.write_record(std::iter::once(arch.clone()).chain(numbers)).or_failed()?;
        }
        write_whole(&folder.join("predictions.csv"), &out.into_inner().or_failed()?).or_failed()
    }
}
