use crate::SurrogateError;
use nas_core::Labelled;
use std::cmp::Ordering;

/// Features of architectures: one row each, all finite and of one width.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    pub(crate) width: usize,
    values: Vec<f64>,
}

impl Rows {
    pub(crate) fn new<A>(
        features: impl Fn(&A) -> Vec<f64>,
        archs: &[A],
        width: Option<usize>,
    ) -> Result<Self, SurrogateError> {
        let mut expected = width;
        let mut values = Vec::new();
        for (index, arch) in archs.iter().enumerate() {
            let row = features(arch);
            let (found, expected) = (row.len(), *expected.get_or_insert(row.len()));
            if found != expected {
                return Err(SurrogateError::Width { index, found, expected });
            }
            if let Some(feature) = row.iter().position(|x| !x.is_finite()) {
                return Err(SurrogateError::Feature { index, feature, value: row[feature] });
            }
            values.reserve(if index == 0 { archs.len() * found } else { 0 });
            values.extend(row);
        }
        Ok(Self { width: expected.unwrap_or(0), values })
    }

    /// The rows of what is to be learned from, with at least one feature that differs.
    pub(crate) fn to_learn<A>(
        features: impl Fn(&A) -> Vec<f64>,
        train: &Labelled<A>,
    ) -> Result<Self, SurrogateError> {
        let (found, needed) = (train.len(), 2);
        if found < needed {
            return Err(SurrogateError::TooFew { found, needed });
        }
        let value = train.values()[0];
        if train.values().iter().all(|other| *other == value) {
            return Err(SurrogateError::Constant { rows: found, value });
        }
        let rows = Self::new(features, train.archs(), None)?;
        if rows.varied().is_empty() {
            return Err(SurrogateError::NoFeature { features: rows.width, rows: found });
        }
        Ok(rows)
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        // a width of 0 gives no chunks, and there is nothing to say of such rows
        self.values.chunks_exact(self.width.max(1))
    }

    pub(crate) fn column(&self, feature: usize) -> impl Iterator<Item = f64> {
        self.iter().map(move |row| row[feature])
    }

    /// The features that differ between rows.
    pub(crate) fn varied(&self) -> Vec<usize> {
        let first: Vec<f64> = self.iter().next().unwrap_or_default().to_vec();
        (0..self.width).filter(|&j| self.column(j).any(|x| x != first[j])).collect()
    }
}

/// Where all labels must be costs.
pub(crate) fn positive(labels: &[f64]) -> Result<(), SurrogateError> {
    match labels.iter().position(|label| label.is_nan() || *label <= 0.0) {
        Some(index) => Err(SurrogateError::NotPositive { index, value: labels[index] }),
        None => Ok(()),
    }
}

/// Rows without repetition, and where each is found.
pub(crate) struct Distinct {
    pub(crate) rows: Vec<Vec<f64>>,
    /// For each row that was given.
    pub(crate) places: Vec<usize>,
}

impl Distinct {
    /// O(n log n).
    pub(crate) fn new(rows: Vec<Vec<f64>>) -> Self {
        let compare = |a: &[f64], b: &[f64]| {
            let mut pairs = a.iter().zip(b).map(|(x, y)| x.total_cmp(y));
            pairs.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        };
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by(|&a, &b| compare(&rows[a], &rows[b]));
        let mut found = Self { rows: Vec::new(), places: vec![0; rows.len()] };
        for i in order {
            if found.rows.last().is_none_or(|last| compare(last, &rows[i]).is_ne()) {
                found.rows.push(rows[i].clone());
            }
            found.places[i] = found.rows.len() - 1;
        }
        found
    }
}
