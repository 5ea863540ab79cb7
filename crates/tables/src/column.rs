use crate::TableError;
use nas_core::Labelled;
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::path::PathBuf;

/// Where the values of a column come from: part of every record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The file, as given.
    pub file: PathBuf,
    /// The name of the column.
    pub column: String,
    /// Rows with a value.
    pub rows: usize,
    /// Rows that were left out because they have no value.
    pub without_value: usize,
    /// SHA-256 of the bytes of the file as it lies on disk, in hexadecimal.
    pub sha256: String,
}

/// The values of one column by architecture, in the unit of the column; every value finite. What is read is never empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Column<A> {
    labelled: Labelled<A>,
    /// Rows by architecture.
    order: Vec<usize>,
    provenance: Provenance,
}

impl<A: Ord> Column<A> {
    /// Values that come from somewhere else than a file that this crate reads. O(n log n).
    pub fn new(labelled: Labelled<A>, provenance: Provenance) -> Self {
        let mut order: Vec<usize> = (0..labelled.len()).collect();
        order.sort_by(|&a, &b| labelled.archs()[a].cmp(&labelled.archs()[b]));
        Self { labelled, order, provenance }
    }

    /// The value of an architecture as the file has it, O(log n): the same in other words, as with nodes in another order,
    /// is another one.
    pub fn get(&self, arch: &A) -> Option<f64> {
        let archs = self.labelled.archs();
        let place = self.order.binary_search_by(|&row| archs[row].cmp(arch)).ok()?;
        Some(self.labelled.values()[self.order[place]])
    }

    /// The values of `archs`, in their order; O(m log n).
    ///
    /// # Errors
    /// [`TableError::Missing`] counts those without a value and names the first.
    pub fn values_of(&self, archs: &[A]) -> Result<Vec<f64>, TableError>
    where
        A: Display,
    {
        let values: Vec<f64> = archs.iter().filter_map(|arch| self.get(arch)).collect();
        match archs.iter().find(|arch| self.get(arch).is_none()) {
            None => Ok(values),
            Some(first) => Err(TableError::Missing {
                file: self.provenance.file.clone(),
                column: self.provenance.column.clone(),
                missing: archs.len() - values.len(),
                asked: archs.len(),
                first: first.to_string().chars().take(200).collect(),
            }),
        }
    }

    /// The values that `other` has for the architectures of this column, row by row of this column.
    ///
    /// # Errors
    /// [`TableError::Missing`] where `other` lacks some of them; it may have more.
    pub fn join(&self, other: &Self) -> Result<Vec<f64>, TableError>
    where
        A: Display,
    {
        other.values_of(self.labelled.archs())
    }

    /// Architectures and values, in the order of the file.
    pub fn labelled(&self) -> &Labelled<A> {
        &self.labelled
    }

    /// Where the values come from.
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }
}
