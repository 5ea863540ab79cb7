use crate::{LabelError, Seed};
use rand::seq::SliceRandom;

/// Architectures with one finite value each, in a fixed order.
///
/// ```
/// use nas_core::Labelled;
/// let data = Labelled::new(vec!["a", "b"], vec![1.0, 2.0])?;
/// assert_eq!(data.len(), 2);
/// assert!(Labelled::new(vec!["a"], vec![f64::NAN]).is_err());
/// # Ok::<(), nas_core::LabelError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Labelled<A> {
    archs: Vec<A>,
    values: Vec<f64>,
}

/// A random division of labelled architectures.
#[derive(Debug, Clone, PartialEq)]
pub struct Split<A> {
    /// To fit on.
    pub train: Labelled<A>,
    /// To stop by.
    pub validation: Labelled<A>,
    /// All the rest.
    pub test: Labelled<A>,
}

impl<A> Labelled<A> {
    /// Architectures and their values, row by row.
    ///
    /// # Errors
    /// Unequal lengths, or a value that is not finite.
    pub fn new(archs: Vec<A>, values: Vec<f64>) -> Result<Self, LabelError> {
        if archs.len() != values.len() {
            return Err(LabelError::Lengths { archs: archs.len(), values: values.len() });
        }
        if let Some(index) = values.iter().position(|v| !v.is_finite()) {
            return Err(LabelError::NotFinite { index, value: values[index] });
        }
        Ok(Self { archs, values })
    }

    /// No rows at all: for instance no validation set.
    pub fn empty() -> Self {
        Self { archs: Vec::new(), values: Vec::new() }
    }

    /// The architectures.
    pub fn archs(&self) -> &[A] {
        &self.archs
    }

    /// The values, in the unit of the label.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.archs.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.archs.is_empty()
    }

    /// Rows as pairs.
    pub fn iter(&self) -> impl Iterator<Item = (&A, f64)> {
        self.archs.iter().zip(self.values.iter().copied())
    }

    /// The rows at `indices`, in that order.
    pub fn select(&self, indices: &[usize]) -> Self
    where
        A: Clone,
    {
        Self {
            archs: indices.iter().map(|&i| self.archs[i].clone()).collect(),
            values: indices.iter().map(|&i| self.values[i]).collect(),
        }
    }

    /// A uniformly random division into `train`, `validation` and all other rows.
    ///
    /// # Errors
    /// [`LabelError::TooFew`] where `train + validation` exceeds the rows.
    pub fn split(&self, train: usize, validation: usize, seed: Seed) -> Result<Split<A>, LabelError>
    where
        A: Clone,
    {
        let wanted = train.checked_add(validation).filter(|&n| n <= self.len());
        let Some(wanted) = wanted else {
            return Err(LabelError::TooFew { train, validation, rows: self.len() });
        };
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.shuffle(&mut seed.stream("split"));
        Ok(Split {
            train: self.select(&order[..train]),
            validation: self.select(&order[train..wanted]),
            test: self.select(&order[wanted..]),
        })
    }
}
