use crate::SurrogateError;
use crate::costs::{above_nothing, smallest};
use crate::nonnegative::least_squares;
use crate::rows::positive;
use nalgebra::{DMatrix, DVector};
use nas_core::stats::{deviation, mean, quantile};
use nas_core::{Fit, Labelled, Predict, Seed};

/// Share of the noise in a source's latency when networks are chosen, beside a variance of 1.
const NOISE: f64 = 0.05;

/// How many of a pool are looked at when networks are chosen.
const POOL: usize = 600;

/// How strongly weights are held back, a training row.
const PENALTY: f64 = 0.02;

/// What is seen of an architecture.
#[derive(Debug, Clone, PartialEq)]
pub struct Described {
    /// Everything that the latency of a source, of which there are many rows, may depend on: operations by edge, what of
    /// them is live, products of counts.
    pub fine: Vec<f64>,
    /// The little that the latency of the new device is corrected by: counts of operations.
    pub coarse: Vec<f64>,
}

/// Latencies on a device of which only a few networks were measured, from other devices' tables.
///
/// A new device's latency is a sum, with weights that are not negative, of the other devices' latencies and of counts of
/// operations, fitted to relative errors. Sources are smoothed first, by a ridge regression on what is seen of an
/// architecture, because their noise is theirs alone. Which networks to measure is not left to chance:
/// [`choose`](Transfer::choose) takes those after which least is unknown of all others.
///
/// ```
/// use nas_core::{Fit, Labelled, Predict, Seed};
/// use surrogates::{Described, Transfer};
/// // two kinds of layers; the known devices weigh them 3 : 1 and 1 : 2, the new one 2 : 3, and it has an overhead
/// let archs: Vec<[f64; 2]> = (0..64).map(|i| [f64::from(i % 8), f64::from(i / 8)]).collect();
/// let on = |a: f64, b: f64, c: f64| {
///     Labelled::new(archs.clone(), archs.iter().map(|x| a * x[0] + b * x[1] + c).collect())
/// };
/// let describe = |x: &[f64; 2]| Described { fine: vec![1.0, x[0], x[1]], coarse: x.to_vec() };
/// let transfer = Transfer::new(describe, &[on(3.0, 1.0, 1.0)?, on(1.0, 2.0, 1.0)?])?;
/// let rows = transfer.choose(&archs, 6, Seed(0))?;
/// let new = on(2.0, 3.0, 20.0)?;
/// let few = Labelled::new(
///     rows.iter().map(|&row| archs[row]).collect(),
///     rows.iter().map(|&row| new.values()[row]).collect(),
/// )?;
/// let model = transfer.fit(&few, &Labelled::empty(), Seed(0))?;
/// let off = model.predict(&[[5.0, 2.0]])?[0] - 36.0;
/// assert!(off.abs() < 2.0, "{off}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The recipe was worked out on HELP's twelve devices; HELP (Lee et al., NeurIPS 2021) and NASFLAT (Akhauri and
/// Abdelfattah, 2024) train networks for it.
#[derive(Debug, Clone)]
pub struct Transfer<D> {
    describe: D,
    /// Of every source, the weights of what is fine.
    sources: Vec<DVector<f64>>,
    /// Of every column, mean and 1 / deviation over the sources' architectures; 0 where nothing differs.
    scales: Vec<(f64, f64)>,
}

/// A fitted [`Transfer`].
#[derive(Debug, Clone)]
pub struct FittedTransfer<D> {
    transfer: Transfer<D>,
    weights: DVector<f64>,
    offset: f64,
    /// The smallest label.
    least: f64,
}

impl<D> Transfer<D> {
    /// Learns the sources, each with as many rows as it likes; there may be none, and then counts alone are left. The
    /// architectures of all sources together are what a column is scaled on. O(rows d^2 + d^3) a source, `d` being the
    /// width of what is fine.
    ///
    /// # Errors
    /// A label that is not positive; what is seen of an architecture that is not finite, or of another width than of the
    /// others.
    pub fn new<A>(describe: D, sources: &[Labelled<A>]) -> Result<Self, SurrogateError>
    where
        D: Fn(&A) -> Described,
    {
        let mut transfer = Self { describe, sources: Vec::new(), scales: Vec::new() };
        let mut all = Vec::new();
        for source in sources {
            positive(source.values())?;
            let rows: Vec<Described> = source.archs().iter().map(&transfer.describe).collect();
            all.extend(rows.iter().cloned());
            transfer.check(&all)?;
            transfer.sources.push(smooth(&rows, source.values())?);
        }
        transfer.scales = transfer.scale(&all);
        Ok(transfer)
    }

    /// Which of a pool to measure first, `count` of them or all: one after another the one after which the mean variance
    /// of all others is least, if latencies vary as the sources' and the counts do (A-optimal design, Atkinson, Donev and
    /// Tobias 2007, chapter 10). Of a larger pool 600 are looked at, drawn from the seed, and what is wanted beyond these is
    /// drawn too. O(600^3).
    ///
    /// # Errors
    /// What is seen of an architecture that is not finite, or of another width than of the others.
    pub fn choose<A>(&self, pool: &[A], count: usize, seed: Seed) -> Result<Vec<usize>, SurrogateError>
    where
        D: Fn(&A) -> Described,
    {
        let mut stream = seed.stream("choose");
        let most = pool.len().min(POOL.max(count));
        let drawn = rand::seq::index::sample(&mut stream, pool.len(), most).into_vec();
        let (looked_at, others) = drawn.split_at(most.min(POOL));
        let rows: Vec<Described> = looked_at.iter().map(|&row| (self.describe)(&pool[row])).collect();
        let known = self.known(&rows)?;
        let width = known.columns.ncols().max(1) as f64;
        let mut covariance = &known.columns * known.columns.transpose() / width;
        let mut chosen: Vec<usize> = Vec::new();
        for _ in 0..count.min(rows.len()) {
            let gain = |row: usize| covariance.column(row).norm_squared() / (covariance[(row, row)] + NOISE);
            let open = (0..rows.len()).filter(|row| !chosen.contains(row));
            let Some(best) = open.max_by(|&a, &b| gain(a).total_cmp(&gain(b)).then(b.cmp(&a))) else { break };
            chosen.push(best);
            let column = covariance.column(best).into_owned();
            covariance -= &column * column.transpose() / (column[best] + NOISE);
        }
        Ok(chosen.into_iter().map(|row| looked_at[row]).chain(others.iter().copied()).collect())
    }

    /// Every row's sources and counts, scaled.
    fn known(&self, rows: &[Described]) -> Result<Known, SurrogateError> {
        self.check(rows)?;
        let scales = if self.scales.is_empty() { self.scale(rows) } else { self.scales.clone() };
        let columns = self.columns(rows);
        let columns = DMatrix::from_fn(columns.nrows(), columns.ncols(), |i, j| {
            (columns[(i, j)] - scales[j].0) * scales[j].1
        });
        Ok(Known { columns, scales })
    }

    fn columns(&self, rows: &[Described]) -> DMatrix<f64> {
        let coarse = rows.first().map_or(0, |row| row.coarse.len());
        DMatrix::from_fn(rows.len(), self.sources.len() + coarse, |i, j| match self.sources.get(j) {
            Some(weights) => rows[i].fine.iter().zip(weights.iter()).map(|(x, w)| x * w).sum(),
            None => rows[i].coarse[j - self.sources.len()],
        })
    }

    fn scale(&self, rows: &[Described]) -> Vec<(f64, f64)> {
        let columns = self.columns(rows);
        let scale = |column: &[f64]| {
            let (middle, spread) = (mean(column), deviation(column));
            (middle, if spread > 1e-9 * (1.0 + middle.abs()) { 1.0 / spread } else { 0.0 })
        };
        columns.column_iter().map(|column| scale(column.into_owned().as_slice())).collect()
    }

    fn check(&self, rows: &[Described]) -> Result<(), SurrogateError> {
        let first = rows.first().map_or((0, 0), |row| (row.fine.len(), row.coarse.len()));
        let fine = self.sources.first().map_or(first.0, DVector::len);
        let coarse = if self.scales.is_empty() { first.1 } else { self.scales.len() - self.sources.len() };
        for (index, row) in rows.iter().enumerate() {
            for (found, expected) in [(row.fine.len(), fine), (row.coarse.len(), coarse)] {
                if found != expected {
                    return Err(SurrogateError::Width { index, found, expected });
                }
            }
            let mut values = row.fine.iter().chain(&row.coarse).enumerate();
            if let Some((feature, &value)) = values.find(|(_, value)| !value.is_finite()) {
                return Err(SurrogateError::Feature { index, feature, value });
            }
        }
        Ok(())
    }
}

struct Known {
    columns: DMatrix<f64>,
    scales: Vec<(f64, f64)>,
}

/// A ridge regression of relative errors; labels below a fifth of the median count as that.
fn smooth(rows: &[Described], labels: &[f64]) -> Result<DVector<f64>, SurrogateError> {
    let (count, width) = (rows.len(), rows.first().map_or(0, |row| row.fine.len()));
    if count == 0 {
        return Err(SurrogateError::TooFew { found: 0, needed: 1 });
    }
    let least = 0.2 * quantile(labels, 0.5);
    let weight = |row: usize| 1.0 / labels[row].max(least);
    let x = DMatrix::from_fn(count, width, |i, j| rows[i].fine[j] * weight(i));
    let y = DVector::from_fn(count, |i, _| labels[i] * weight(i));
    let mut square = x.transpose() * &x;
    let penalty = 1e-3 * square.trace() / width.max(1) as f64;
    for j in 0..width {
        square[(j, j)] += penalty;
    }
    let root = square.cholesky().ok_or(SurrogateError::Covariance { rows: count })?;
    Ok(root.solve(&(x.transpose() * y)))
}

impl<A, D: Fn(&A) -> Described + Clone> Fit<A> for Transfer<D> {
    type Model = FittedTransfer<D>;
    type Error = SurrogateError;

    /// Ten rows are enough; nothing is random, and `validation` is not looked at.
    ///
    /// # Errors
    /// Fewer than two rows, equal labels, or labels that are not positive.
    fn fit(
        &self,
        train: &Labelled<A>,
        _: &Labelled<A>,
        _: Seed,
    ) -> Result<FittedTransfer<D>, SurrogateError> {
        let labels = train.values();
        if labels.len() < 2 {
            return Err(SurrogateError::TooFew { found: labels.len(), needed: 2 });
        }
        positive(labels)?;
        if labels.iter().all(|label| *label == labels[0]) {
            return Err(SurrogateError::Constant { rows: labels.len(), value: labels[0] });
        }
        let rows: Vec<Described> = train.archs().iter().map(&self.describe).collect();
        let known = self.known(&rows)?;
        let middle = quantile(labels, 0.5);
        // relative errors count, those of the fastest half as if they took half of the median
        let weights: Vec<f64> = labels.iter().map(|label| 1.0 / (label / middle).max(0.5)).collect();
        let total: f64 = weights.iter().map(|w| w * w).sum();
        let centre = |value: &dyn Fn(usize) -> f64| {
            weights.iter().enumerate().map(|(row, w)| w * w * value(row)).sum::<f64>() / total
        };
        let label_mean = centre(&|row| labels[row] / middle);
        let means: Vec<f64> =
            (0..known.columns.ncols()).map(|j| centre(&|row| known.columns[(row, j)])).collect();
        let x =
            DMatrix::from_fn(rows.len(), means.len(), |i, j| (known.columns[(i, j)] - means[j]) * weights[i]);
        let y = DVector::from_fn(rows.len(), |i, _| (labels[i] / middle - label_mean) * weights[i]);
        let found = least_squares(&x, &y, PENALTY * rows.len() as f64) * middle;
        let offset = label_mean * middle - found.iter().zip(&means).map(|(w, m)| w * m).sum::<f64>();
        let mut transfer = self.clone();
        transfer.scales = known.scales;
        Ok(FittedTransfer { transfer, weights: found, offset, least: smallest(labels) })
    }
}

impl<D> FittedTransfer<D> {
    /// How much of each source, and of each count after them, is in the new device's latency, all scaled to deviation 1.
    pub fn weights(&self) -> &[f64] {
        self.weights.as_slice()
    }
}

/// In the unit of the label.
impl<A, D: Fn(&A) -> Described> Predict<A> for FittedTransfer<D> {
    type Error = SurrogateError;

    fn predict(&self, archs: &[A]) -> Result<Vec<f64>, SurrogateError> {
        let rows: Vec<Described> = archs.iter().map(&self.transfer.describe).collect();
        let known = self.transfer.known(&rows)?;
        // row by row, so that none depends on its company
        let value = |i: usize| {
            let sum: f64 = known.columns.row(i).iter().zip(self.weights.iter()).map(|(x, w)| x * w).sum();
            above_nothing(self.offset + sum, self.least)
        };
        Ok((0..rows.len()).map(value).collect())
    }
}
