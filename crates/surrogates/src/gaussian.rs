use crate::kernel::{CONSTANT, Kernel};
use crate::linear::Root;
use crate::part::Part;
use crate::rows::{Distinct, Rows, positive};
use crate::target::{Scale, Target};
use crate::{Block, SurrogateError};
use nalgebra::{DMatrix, DVector};
use nas_core::{Belief, Believe, Fit, Labelled, Predict, Rank, Seed, order_by_score, stats};
use rand::seq::index::sample;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

/// A Gaussian process on features of an architecture (Rasmussen and Williams, Gaussian Processes for Machine
/// Learning, 2006).
///
/// Covariance: a constant, noise, and for each [`Block`] of features a straight and a curved part. What these weigh
/// is chosen by the marginal likelihood of some drawn rows.
///
/// ```
/// use nas_core::{Believe, Fit, Labelled, Predict, Seed};
/// use surrogates::{GaussianProcess, GaussianSettings};
/// let archs: Vec<f64> = (0..30).map(f64::from).collect();
/// let labels = archs.iter().map(|x| (x / 5.0).sin()).collect();
/// let process = GaussianProcess::new(|x: &f64| vec![*x], GaussianSettings::value());
/// let model = process.fit(&Labelled::new(archs, labels)?, &Labelled::empty(), Seed(0))?;
/// assert!((model.predict(&[7.5])?[0] - 1.5_f64.sin()).abs() < 0.05);
/// // less is known far away
/// let known = model.believe(&[7.5, 60.0])?;
/// assert!(known[1].deviation > 3.0 * known[0].deviation);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct GaussianProcess<F> {
    /// The features of an architecture: finite, and as many for each.
    pub features: F,
    /// What they are, in their order; none at all are [`Kind::Numbers`](crate::Kind).
    pub blocks: Vec<Block>,
    /// How it is fitted.
    pub settings: GaussianSettings,
}

impl<F> GaussianProcess<F> {
    /// On features that are all numbers.
    pub fn new(features: F, settings: GaussianSettings) -> Self {
        Self { features, blocks: Vec::new(), settings }
    }
}

/// How a Gaussian process is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct GaussianSettings {
    /// What it is fitted to.
    pub target: Target,
    /// How the noise of a row depends on its label.
    pub noise: Noise,
    /// How rows that do not fit are taken.
    pub robust: Robust,
    /// The most rows that the kernel is chosen by; all are fitted to.
    pub rows: usize,
    /// Steps of that choice.
    pub steps: usize,
}

impl GaussianSettings {
    /// For ranks, which go well with accuracies.
    pub fn rank() -> Self {
        Self { target: Target::Rank, ..Self::value() }
    }

    /// For the label itself, with the same noise for all.
    pub fn value() -> Self {
        Self { target: Target::Value, noise: Noise::Even, robust: Robust::No, rows: 200, steps: 60 }
    }

    /// For positive costs whose relative error matters.
    pub fn cost() -> Self {
        Self { noise: Noise::Relative, rows: 250, ..Self::value() }
    }
}

/// How the noise of a row depends on its label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Noise {
    /// Not at all.
    Even,
    /// Its deviation is a share of the label, of at least a fifth of the median: labels are positive.
    Relative,
}

/// How rows that do not fit are taken: five times the noise of each row is set by what the others say of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Robust {
    /// As all others.
    No,
    /// Variance grows with the residual, as least absolute errors would have it.
    Absolute,
    /// Variance grows with its square: rows far off count for nothing.
    Cauchy,
}

/// How often residuals are looked at.
const REFITS: usize = 5;

/// The least deviation of relative noise, in medians of the label.
const FLOOR: f64 = 0.2;

/// A fitted [`GaussianProcess`].
#[derive(Debug, Clone)]
pub struct FittedGaussian<F> {
    features: F,
    width: usize,
    scale: Scale,
    kernel: Kernel,
    parts: Vec<Part>,
    targets: DVector<f64>,
    /// Of each training row, in that of the kernel.
    noise: Vec<f64>,
    /// The label whose noise is that of the kernel, where noise is relative.
    middle: Option<f64>,
    root: Root,
    /// Inverse covariance times targets.
    weights: DVector<f64>,
}

impl<F: Clone> GaussianProcess<F> {
    /// One fit for each way of taking rows that do not fit, with one kernel; what the settings say of it is not
    /// looked at.
    pub(crate) fn fit_all<A>(
        &self,
        train: &Labelled<A>,
        ways: &[Robust],
        seed: Seed,
    ) -> Result<Vec<FittedGaussian<F>>, SurrogateError>
    where
        F: Fn(&A) -> Vec<f64>,
    {
        let table = Rows::to_learn(&self.features, train)?;
        let (n, labels) = (train.len(), train.values());
        let all = [Block::numbers(table.width)];
        let blocks = if self.blocks.is_empty() { &all[..] } else { &self.blocks };
        let described = blocks.iter().map(|block| block.width).sum();
        if described != table.width {
            return Err(SurrogateError::Blocks { described, features: table.width });
        }
        if self.settings.target == Target::Log {
            positive(labels)?;
        }
        let middle = match self.settings.noise {
            Noise::Even => None,
            Noise::Relative => {
                positive(labels)?;
                Some(stats::quantile(labels, 0.5))
            }
        };
        let noise: Vec<f64> = labels.iter().map(|&label| noise_of(label, middle).powi(2)).collect();
        let parts = Part::all(blocks, &table);
        let (scale, targets) = Scale::new(self.settings.target, labels);
        let targets = DVector::from_vec(targets);

        let mut rng = seed.stream("kernel");
        let mut drawn = sample(&mut rng, n, n.min(self.settings.rows.max(2))).into_vec();
        drawn.sort_unstable();
        let known = DVector::from_iterator(drawn.len(), drawn.iter().map(|&i| targets[i]));
        let known_noise: Vec<f64> = drawn.iter().map(|&i| noise[i]).collect();
        let refused = || SurrogateError::Covariance { rows: n };
        let kernel = Kernel::likeliest(&parts, &drawn, &known, &known_noise, self.settings.steps);
        let kernel = kernel.ok_or_else(refused)?;
        let rows: Vec<usize> = (0..n).collect();
        let among = kernel.among(&parts, &rows);
        let fit = |robust: &Robust| {
            let mut each = noise.clone();
            let solve = |noise: &[f64]| {
                let mut matrix = among.clone();
                (0..n).for_each(|i| matrix[(i, i)] += kernel.noise * noise[i]);
                let root = Root::new(&matrix)?;
                let weights = root.inverse.tr_mul(&(&root.inverse * &targets));
                Some((root, weights))
            };
            let (mut root, mut weights) = solve(&each).ok_or_else(refused)?;
            for _ in 0..if *robust == Robust::No { 0 } else { REFITS } {
                each = robust.noise(&noise, &residuals(&root, &weights));
                (root, weights) = solve(&each).ok_or_else(refused)?;
            }
            Ok(FittedGaussian {
                features: self.features.clone(),
                width: table.width,
                scale: scale.clone(),
                kernel: kernel.clone(),
                parts: parts.clone(),
                targets: targets.clone(),
                noise: each,
                middle,
                root,
                weights,
            })
        };
        ways.iter().map(fit).collect()
    }
}

/// The deviation of a label's noise in that of the kernel: 1 for the median, where it is relative.
fn noise_of(label: f64, middle: Option<f64>) -> f64 {
    middle.map_or(1.0, |middle| (label / middle).max(FLOOR))
}

/// Targets less what the others say of them (Rasmussen and Williams, equation 5.12).
fn residuals(root: &Root, weights: &DVector<f64>) -> Vec<f64> {
    let precision = |i: usize| root.inverse.column(i).norm_squared();
    (0..weights.len()).map(|i| weights[i] / precision(i)).collect()
}

impl Robust {
    /// The noise of each row after its residual.
    fn noise(self, before: &[f64], residuals: &[f64]) -> Vec<f64> {
        let off: Vec<f64> = residuals.iter().zip(before).map(|(r, noise)| r.abs() / noise.sqrt()).collect();
        let middle = stats::quantile(&off, 0.5);
        let middle = if middle > 0.0 { middle } else { 1.0 };
        let more = |off: &f64| match self {
            Self::No => 1.0,
            Self::Absolute => (off / middle).max(0.3),
            Self::Cauchy => (1.0 + (off / middle).powi(2)) / 2.0,
        };
        off.iter().zip(before).map(|(off, noise)| noise * more(off)).collect()
    }
}

impl<A, F: Fn(&A) -> Vec<f64> + Clone> Fit<A> for GaussianProcess<F> {
    type Model = FittedGaussian<F>;
    type Error = SurrogateError;

    /// Time O(steps drawn^2 (drawn + features) + rows^2 (rows + features)); `validation` is not looked at.
    fn fit(
        &self,
        train: &Labelled<A>,
        _: &Labelled<A>,
        seed: Seed,
    ) -> Result<FittedGaussian<F>, SurrogateError> {
        let mut models = self.fit_all(train, &[self.settings.robust], seed)?;
        models.pop().ok_or(SurrogateError::Covariance { rows: train.len() })
    }
}

impl<F> FittedGaussian<F> {
    /// The kernel that was chosen.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// The noise of each training row by its variance: that of the kernel, where none is taken for worse.
    pub fn row_noise(&self) -> impl Iterator<Item = f64> {
        self.noise.iter().map(|noise| noise * self.kernel.noise)
    }

    /// What the others say of each training architecture, on the standardised scale of the target: the process
    /// fitted with the same kernel to all but this one (Rasmussen and Williams, equation 5.12).
    pub fn leave_one_out(&self) -> Vec<Belief> {
        let residuals = residuals(&self.root, &self.weights);
        let of = |(i, residual): (usize, f64)| {
            let all = 1.0 / self.root.inverse.column(i).norm_squared();
            let noise = self.noise[i] * self.kernel.noise;
            let deviation = (all - noise).max(0.0).sqrt();
            Belief { mean: self.targets[i] - residual, deviation, noise: noise.sqrt() }
        };
        residuals.into_iter().enumerate().map(of).collect()
    }

    /// [`leave_one_out`](Self::leave_one_out) in the unit of the label.
    pub(crate) fn left_out_labels(&self) -> Vec<f64> {
        self.leave_one_out().into_iter().map(|belief| self.scale.undo(belief.mean)).collect()
    }

    /// What the others say of each row, in the unit of the label, when all rows of its part are left out together: as
    /// [`leave_one_out`](Self::leave_one_out), by blocks of the inverse covariance; NaN where a block has no inverse.
    /// O(rows size^2) for each part.
    pub(crate) fn left_out_together(&self, parts: &[Vec<usize>]) -> Vec<f64> {
        let mut said = vec![f64::NAN; self.targets.len()];
        for part in parts {
            let columns = self.root.inverse.select_columns(part);
            let weights = self.weights.select_rows(part);
            let Some(block) = columns.tr_mul(&columns).cholesky() else { continue };
            let residuals = block.solve(&weights);
            for (&i, residual) in part.iter().zip(&residuals) {
                said[i] = self.scale.undo(self.targets[i] - residual);
            }
        }
        said
    }

    /// Predicts the mean of two processes of one kernel and the same rows; all else is still of the first.
    pub(crate) fn with_mean_of(mut self, other: &Self) -> Self {
        self.weights = (&self.weights + &other.weights) / 2.0;
        self
    }

    pub(crate) fn rows<A>(&self, archs: &[A]) -> Result<Rows, SurrogateError>
    where
        F: Fn(&A) -> Vec<f64>,
    {
        Rows::new(&self.features, archs, Some(self.width))
    }

    /// The mean of each architecture on the standardised scale of the target: larger is better, no unit. Equal
    /// blocks of features are looked at once.
    ///
    /// # Errors
    /// Features that are not finite or of another number.
    pub fn scores<A>(&self, archs: &[A]) -> Result<Vec<f64>, SurrogateError>
    where
        F: Fn(&A) -> Vec<f64>,
    {
        Ok(self.means(&self.rows(archs)?))
    }

    pub(crate) fn means(&self, table: &Rows) -> Vec<f64> {
        let mut found = vec![CONSTANT * self.weights.sum(); table.len()];
        let weights: Vec<f64> = self.weights.iter().copied().collect();
        for (part, kernel) in self.parts.iter().zip(&self.kernel.parts) {
            let distinct = Distinct::new(table.iter().map(|row| part.scaled(row)).collect());
            let values = kernel.sums(part, &distinct.rows, &weights);
            found.iter_mut().zip(&distinct.places).for_each(|(sum, place)| *sum += values[*place]);
        }
        found
    }

    /// [`means`](Self::means) in the unit of the label.
    pub(crate) fn labels(&self, table: &Rows) -> Vec<f64> {
        self.means(table).into_iter().map(|score| self.scale.undo(score)).collect()
    }

    /// What training labels became.
    pub(crate) fn targets(&self) -> &[f64] {
        self.targets.as_slice()
    }

    /// The columns of a row by part.
    fn own(&self, row: &[f64]) -> Vec<Vec<f64>> {
        self.parts.iter().map(|part| part.scaled(row)).collect()
    }

    /// The covariance of a row with all training rows.
    fn shared(&self, own: &[Vec<f64>]) -> DVector<f64> {
        let mut shared = DVector::from_element(self.weights.len(), CONSTANT);
        for ((part, weights), own) in self.parts.iter().zip(&self.kernel.parts).zip(own) {
            let each = shared.iter_mut().enumerate();
            each.for_each(|(i, sum)| *sum += weights.of(part, own, part.row(i)));
        }
        shared
    }

    /// The covariance of two rows, without noise.
    fn between(&self, a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
        let parts = self.parts.iter().zip(&self.kernel.parts).zip(a.iter().zip(b));
        CONSTANT + parts.map(|((part, weights), (a, b))| weights.of(part, a, b)).sum::<f64>()
    }
}

/// On the standardised scale of the target.
impl<A, F: Fn(&A) -> Vec<f64>> Believe<A> for FittedGaussian<F> {
    type Error = SurrogateError;

    /// Time O(training rows^2) for each architecture whose features are not those of another.
    fn believe(&self, archs: &[A]) -> Result<Vec<Belief>, SurrogateError> {
        let distinct = Distinct::new(self.rows(archs)?.iter().map(<[f64]>::to_vec).collect());
        let of = |row: &Vec<f64>| {
            let own = self.own(row);
            let shared = self.shared(&own);
            let known = (&self.root.inverse * &shared).norm_squared();
            let deviation = (self.between(&own, &own) - known).max(0.0).sqrt();
            let mean = shared.dot(&self.weights);
            let noise = self.kernel.noise.sqrt() * noise_of(self.scale.undo(mean), self.middle);
            Belief { mean, deviation, noise }
        };
        let found: Vec<Belief> = distinct.rows.iter().map(of).collect();
        Ok(distinct.places.into_iter().map(|place| found[place]).collect())
    }

    fn scaled(&self, label: f64) -> f64 {
        self.scale.apply(label)
    }

    /// Time O(architectures^3): for a short list.
    fn draw(&self, archs: &[A], seed: Seed) -> Result<Vec<f64>, SurrogateError> {
        let table = self.rows(archs)?;
        let own: Vec<Vec<Vec<f64>>> = table.iter().map(|row| self.own(row)).collect();
        let n = own.len();
        let (mut known, mut means) = (DMatrix::zeros(self.weights.len(), n), Vec::with_capacity(n));
        for (mut column, own) in known.column_iter_mut().zip(&own) {
            let shared = self.shared(own);
            means.push(shared.dot(&self.weights));
            column.copy_from(&(&self.root.inverse * shared));
        }
        let mut left = -known.tr_mul(&known);
        for j in 0..n {
            for i in j..n {
                left[(i, j)] += self.between(&own[i], &own[j]);
            }
            // equal architectures have equal values, which a root of a matrix cannot have exactly
            left[(j, j)] += 1e-6 + 1e-3 * self.kernel.noise;
        }
        let root = left.cholesky().ok_or(SurrogateError::Covariance { rows: n })?.unpack();
        let mut rng = seed.stream("draw");
        let normal = DVector::from_iterator(n, (0..n).map(|_| StandardNormal.sample(&mut rng)));
        let moved: DVector<f64> = root * normal;
        Ok(means.iter().zip(&moved).map(|(mean, moved)| mean + moved).collect())
    }
}

/// The label whose target is the mean.
impl<A, F: Fn(&A) -> Vec<f64>> Predict<A> for FittedGaussian<F> {
    type Error = SurrogateError;

    fn predict(&self, archs: &[A]) -> Result<Vec<f64>, SurrogateError> {
        Ok(self.labels(&self.rows(archs)?))
    }
}

/// Larger means first: for accuracy.
impl<A, F: Fn(&A) -> Vec<f64>> Rank<A> for FittedGaussian<F> {
    type Error = SurrogateError;

    fn rank(&self, archs: &[A]) -> Result<Vec<usize>, SurrogateError> {
        Ok(order_by_score(&self.scores(archs)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    #[test]
    fn what_is_left_out_is_what_a_fit_without_it_says() {
        let mut rng = Seed(1).stream("rows");
        let archs: Vec<[f64; 4]> =
            (0..25).map(|_| [0; 4].map(|_: i32| rng.random_range(-1.0..1.0))).collect();
        let labels = archs.iter().map(|a| 3.0 + a[0] * a[1] + a[2] + rng.random_range(-0.1..0.1)).collect();
        let data = Labelled::new(archs, labels).unwrap();
        for settings in [
            GaussianSettings::value(),
            GaussianSettings { robust: Robust::Cauchy, ..GaussianSettings::cost() },
        ] {
            let process = GaussianProcess::new(|a: &[f64; 4]| a.to_vec(), settings);
            let model = process.fit(&data, &Labelled::empty(), Seed(0)).unwrap();
            let rows: Vec<usize> = (0..25).collect();
            let mut whole = model.kernel.among(&model.parts, &rows);
            whole.fill_upper_triangle_with_lower_triangle();
            let noise: Vec<f64> = model.row_noise().collect();
            (0..25).for_each(|i| whole[(i, i)] += noise[i]);
            for (i, found) in model.leave_one_out().into_iter().enumerate() {
                let rest: Vec<usize> = (0..25).filter(|j| *j != i).collect();
                let known = DMatrix::from_fn(24, 24, |a, b| whole[(rest[a], rest[b])]);
                let shared = DVector::from_iterator(24, rest.iter().map(|&j| whole[(i, j)]));
                let targets = DVector::from_iterator(24, rest.iter().map(|&j| model.targets[j]));
                let inverse = known.try_inverse().unwrap();
                let left = whole[(i, i)] - shared.dot(&(&inverse * &shared));
                assert!((found.mean - shared.dot(&(inverse * targets))).abs() < 1e-7);
                assert!((found.of_label() - left.sqrt()).abs() < 1e-7);
            }
            // one part at a time, against the mean of those that stay
            let parts: Vec<Vec<usize>> = [0..9, 9..10, 10..25].map(Iterator::collect).to_vec();
            let together = model.left_out_together(&parts);
            for part in &parts {
                let rest: Vec<usize> = (0..25).filter(|i| !part.contains(i)).collect();
                let n = rest.len();
                let known = DMatrix::from_fn(n, n, |a, b| whole[(rest[a], rest[b])]);
                let targets = DVector::from_iterator(n, rest.iter().map(|&j| model.targets[j]));
                let weights = known.try_inverse().unwrap() * targets;
                for &i in part {
                    let shared = DVector::from_iterator(n, rest.iter().map(|&j| whole[(i, j)]));
                    let expected = model.scale.undo(shared.dot(&weights));
                    assert!((together[i] - expected).abs() < 1e-7, "{} for {expected}", together[i]);
                }
            }
        }
    }

    #[test]
    fn draws_have_the_mean_and_the_deviation_that_is_believed() {
        let archs: Vec<f64> = (0..12).map(f64::from).collect();
        let labels = archs.iter().map(|x| (x / 3.0).sin()).collect();
        let process = GaussianProcess::new(|x: &f64| vec![*x], GaussianSettings::value());
        let model = process.fit(&Labelled::new(archs, labels).unwrap(), &Labelled::empty(), Seed(0)).unwrap();
        let asked = [2.5, 20.0, 20.1];
        let believed = model.believe(&asked).unwrap();
        let draws: Vec<Vec<f64>> = (0..2000).map(|n| model.draw(&asked, Seed(n)).unwrap()).collect();
        for (i, belief) in believed.iter().enumerate() {
            let drawn: Vec<f64> = draws.iter().map(|draw| draw[i]).collect();
            let mean = stats::mean(&drawn);
            let squares: Vec<f64> = drawn.iter().map(|x| (x - mean) * (x - mean)).collect();
            assert!((mean - belief.mean).abs() < 0.1 * belief.deviation + 1e-3);
            assert!((stats::mean(&squares).sqrt() / belief.deviation.hypot(2e-3) - 1.0).abs() < 0.25);
        }
        // neighbours move together
        let apart = draws.iter().map(|draw| (draw[1] - draw[2]).abs()).fold(0.0, f64::max);
        assert!(apart < believed[1].deviation);
    }
}
