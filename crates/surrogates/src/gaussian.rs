use crate::SurrogateError;
use crate::rows::Rows;
use crate::target::{Scale, Target};
use nalgebra::{Cholesky, DMatrix, DVector, Dyn};
use nas_core::{Fit, Labelled, Predict, Rank, Seed, order_by_score, stats};
use rand::seq::index::sample;
use serde::{Deserialize, Serialize};

/// The most rows that the kernel is chosen by; all are fitted to.
const CHOOSE_BY: usize = 200;

/// How often the likelihood is looked at.
const STEPS: usize = 70;

/// Variance of the unknown mean, in that of the curved part.
const CONSTANT: f64 = 1.0;

/// A Gaussian process on features of an architecture (Rasmussen and Williams, Gaussian Processes for Machine
/// Learning, 2006).
///
/// Covariance: Matérn 5/2 of the distance between features scaled to mean 0 and deviation 1, over the root of their
/// number, plus a linear part, a constant and noise. What these weigh is chosen by the marginal likelihood of 200
/// drawn rows.
///
/// ```
/// use nas_core::{Fit, Labelled, Predict, Seed};
/// use surrogates::{GaussianProcess, Target};
/// let archs: Vec<f64> = (0..30).map(f64::from).collect();
/// let labels = archs.iter().map(|x| (x / 5.0).sin()).collect();
/// let process = GaussianProcess { features: |x: &f64| vec![*x], target: Target::Value };
/// let model = process.fit(&Labelled::new(archs, labels)?, &Labelled::empty(), Seed(0))?;
/// assert!((model.predict(&[7.5])?[0] - 1.5_f64.sin()).abs() < 0.05);
/// // less is known far away
/// let known = model.posterior(&[7.5, 60.0])?;
/// assert!(known[1].deviation > 3.0 * known[0].deviation);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct GaussianProcess<F> {
    /// The features of an architecture: finite, and as many for each.
    pub features: F,
    /// What it is fitted to; ranks go well with accuracies.
    pub target: Target,
}

/// What the parts of the covariance weigh, each relative to the curved part.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Kernel {
    /// Distance over which the curved part bends.
    pub length: f64,
    /// Variance of the linear part.
    pub linear: f64,
    /// Variance of the noise.
    pub noise: f64,
    /// Variance of the curved part itself, in that of the target.
    pub variance: f64,
}

impl Kernel {
    /// Of two rows with their squared lengths and product, over the number of features.
    fn of(&self, own: f64, other: f64, product: f64) -> f64 {
        let squared = (own + other - 2.0 * product).max(0.0);
        let r = (5.0 * squared).sqrt() / self.length;
        (1.0 + r + r * r / 3.0) * (-r).exp() + self.linear * product + CONSTANT
    }
}

/// What is believed of one value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Normal {
    /// Mean.
    pub mean: f64,
    /// Standard deviation, noise included.
    pub deviation: f64,
}

/// A fitted [`GaussianProcess`].
#[derive(Debug, Clone)]
pub struct FittedGaussian<F> {
    features: F,
    width: usize,
    scale: Scale,
    kernel: Kernel,
    /// Feature, mean and 1 / deviation of those that differ in training.
    columns: Vec<(usize, f64, f64)>,
    /// The scaled training rows, one after another, and their squared lengths.
    rows: Vec<f64>,
    squares: Vec<f64>,
    targets: DVector<f64>,
    root: Cholesky<f64, Dyn>,
    inverse: DMatrix<f64>,
    weights: DVector<f64>,
}

/// The product of two rows over their length. Eight sums, so that the compiler can keep them in vectors.
fn product(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a_parts, b_parts) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a_parts.remainder().iter().zip(b_parts.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a_parts.zip(b_parts) {
        for lane in 0..8 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    (sums.iter().sum::<f64>() + rest) / a.len() as f64
}

/// Covariance with noise among rows with these products.
fn covariance(kernel: &Kernel, products: &DMatrix<f64>) -> DMatrix<f64> {
    let n = products.nrows();
    DMatrix::from_fn(n, n, |i, j| {
        let noise = if i == j { kernel.noise } else { 0.0 };
        kernel.of(products[(i, i)], products[(j, j)], products[(i, j)]) + noise
    })
}

/// The kernel of three logarithms, its variance the likeliest, and how unlikely it is.
fn judge(theta: [f64; 3], products: &DMatrix<f64>, targets: &DVector<f64>) -> (f64, Kernel) {
    let [length, linear, noise] = theta.map(f64::exp);
    let kernel = Kernel { length, linear, noise: noise + 1e-6, variance: 1.0 };
    let Some(root) = Cholesky::new(covariance(&kernel, products)) else { return (f64::INFINITY, kernel) };
    let n = targets.len() as f64;
    let variance = (targets.dot(&root.solve(targets)) / n).max(1e-300);
    let determinant: f64 = root.l_dirty().diagonal().iter().map(|x| x.ln()).sum();
    // a broad normal prior on each logarithm
    let prior: f64 = theta.iter().zip(START).map(|(t, start)| (t - start) * (t - start) / 8.0).sum();
    (0.5 * n * variance.ln() + determinant + prior, Kernel { variance, ..kernel })
}

/// Logarithms of length, linear part and noise to begin with.
const START: [f64; 3] = [0.0, -1.0, -2.0];

/// The least of `cost` by the simplex of Nelder and Mead (1965).
fn least(mut cost: impl FnMut([f64; 3]) -> f64) -> [f64; 3] {
    let mut simplex = vec![(cost(START), START)];
    for axis in 0..3 {
        let mut corner = START;
        corner[axis] += 1.0;
        simplex.push((cost(corner), corner));
    }
    let between = |a: [f64; 3], b: [f64; 3], t: f64| [0, 1, 2].map(|i| a[i] + t * (b[i] - a[i]));
    for _ in 0..STEPS / 2 {
        simplex.sort_by(|a, b| a.0.total_cmp(&b.0));
        let worst = simplex[3];
        let centre = [0, 1, 2].map(|i| simplex[..3].iter().map(|(_, at)| at[i]).sum::<f64>() / 3.0);
        let mut at = |t: f64| {
            let place = between(centre, worst.1, t);
            (cost(place), place)
        };
        let reflected = at(-1.0);
        let new = if reflected.0 < simplex[0].0 {
            let further = at(-2.0);
            if further.0 < reflected.0 { further } else { reflected }
        } else if reflected.0 < simplex[2].0 {
            reflected
        } else {
            at(if reflected.0 < worst.0 { -0.5 } else { 0.5 })
        };
        if new.0 < worst.0 {
            simplex[3] = new;
        } else {
            let best = simplex[0].1;
            for corner in &mut simplex[1..] {
                let place = between(best, corner.1, 0.5);
                *corner = (cost(place), place);
            }
        }
    }
    simplex.sort_by(|a, b| a.0.total_cmp(&b.0));
    simplex[0].1
}

impl<A, F: Fn(&A) -> Vec<f64> + Clone> Fit<A> for GaussianProcess<F> {
    type Model = FittedGaussian<F>;
    type Error = SurrogateError;

    /// Time O(rows^2 (rows + features)); `validation` is not looked at.
    fn fit(
        &self,
        train: &Labelled<A>,
        _: &Labelled<A>,
        seed: Seed,
    ) -> Result<FittedGaussian<F>, SurrogateError> {
        let table = Rows::to_learn(&self.features, train)?;
        let n = train.len();
        let columns: Vec<(usize, f64, f64)> = table
            .varied()
            .into_iter()
            .map(|feature| {
                let column: Vec<f64> = table.column(feature).collect();
                let mean = stats::mean(&column);
                let variance = column.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n as f64;
                (feature, mean, if variance > 0.0 { 1.0 / variance.sqrt() } else { 0.0 })
            })
            .collect();
        let width = columns.len();
        let rows: Vec<f64> = table.iter().flat_map(|row| scaled(&columns, row)).collect();
        let row = |i: usize| &rows[i * width..(i + 1) * width];
        let mut products = DMatrix::zeros(n, n);
        for i in 0..n {
            for j in 0..=i {
                products[(i, j)] = product(row(i), row(j));
                products[(j, i)] = products[(i, j)];
            }
        }
        let (scale, targets) = Scale::new(self.target, train.values());
        let targets = DVector::from_vec(targets);

        let mut rng = seed.stream("kernel");
        let mut drawn = sample(&mut rng, n, n.min(CHOOSE_BY)).into_vec();
        drawn.sort_unstable();
        let part = DMatrix::from_fn(drawn.len(), drawn.len(), |i, j| products[(drawn[i], drawn[j])]);
        let known = DVector::from_iterator(drawn.len(), drawn.iter().map(|&i| targets[i]));
        let (_, mut kernel) = judge(least(|theta| judge(theta, &part, &known).0), &part, &known);
        let root =
            Cholesky::new(covariance(&kernel, &products)).ok_or(SurrogateError::Covariance { rows: n })?;
        let weights = root.solve(&targets);
        kernel.variance = (targets.dot(&weights) / n as f64).max(1e-300);
        Ok(FittedGaussian {
            features: self.features.clone(),
            width: table.width,
            scale,
            kernel,
            squares: (0..n).map(|i| products[(i, i)]).collect(),
            columns,
            rows,
            targets,
            inverse: root.inverse(),
            root,
            weights,
        })
    }
}

fn scaled<'a>(columns: &'a [(usize, f64, f64)], row: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
    columns.iter().map(|(feature, mean, factor)| (row[*feature] - mean) * factor)
}

impl<F> FittedGaussian<F> {
    /// The kernel that was chosen.
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// What the others say of each training architecture, on the standardised scale of the target: the process
    /// fitted with the same kernel to all but this one (Rasmussen and Williams, equation 5.12).
    pub fn leave_one_out(&self) -> Vec<Normal> {
        let of = |i: usize| {
            let precision = self.inverse[(i, i)];
            let mean = self.targets[i] - self.weights[i] / precision;
            Normal { mean, deviation: (self.kernel.variance / precision).sqrt() }
        };
        (0..self.targets.len()).map(of).collect()
    }

    /// Calls `say` with the squared length of each architecture and its covariance with all training rows.
    fn each<A>(&self, archs: &[A], mut say: impl FnMut(f64, &DVector<f64>)) -> Result<(), SurrogateError>
    where
        F: Fn(&A) -> Vec<f64>,
    {
        let table = Rows::new(&self.features, archs, Some(self.width))?;
        let width = self.columns.len();
        let (mut own, mut shared) = (vec![0.0; width], DVector::zeros(self.targets.len()));
        for row in table.iter() {
            own.iter_mut().zip(scaled(&self.columns, row)).for_each(|(x, value)| *x = value);
            let square = product(&own, &own);
            let rows = self.rows.chunks_exact(width).zip(&self.squares);
            for (shared, (row, other)) in shared.iter_mut().zip(rows) {
                *shared = self.kernel.of(square, *other, product(&own, row));
            }
            say(square, &shared);
        }
        Ok(())
    }

    /// The mean of each architecture on the standardised scale of the target: larger is better, no unit.
    ///
    /// # Errors
    /// Features that are not finite or of another number.
    pub fn scores<A>(&self, archs: &[A]) -> Result<Vec<f64>, SurrogateError>
    where
        F: Fn(&A) -> Vec<f64>,
    {
        let mut found = Vec::with_capacity(archs.len());
        self.each(archs, |_, shared| found.push(shared.dot(&self.weights)))?;
        Ok(found)
    }

    /// What is believed of each architecture, on the standardised scale of the target. Time O(training rows^2) each.
    ///
    /// # Errors
    /// As [`scores`](Self::scores).
    pub fn posterior<A>(&self, archs: &[A]) -> Result<Vec<Normal>, SurrogateError>
    where
        F: Fn(&A) -> Vec<f64>,
    {
        let mut found = Vec::with_capacity(archs.len());
        self.each(archs, |square, shared| {
            let own = self.kernel.of(square, square, square) + self.kernel.noise;
            // noise is there whatever is known
            let left = (own - shared.dot(&self.root.solve(shared))).max(self.kernel.noise);
            let deviation = (self.kernel.variance * left).sqrt();
            found.push(Normal { mean: shared.dot(&self.weights), deviation });
        })?;
        Ok(found)
    }
}

/// The label whose target is the mean.
impl<A, F: Fn(&A) -> Vec<f64>> Predict<A> for FittedGaussian<F> {
    type Error = SurrogateError;

    fn predict(&self, archs: &[A]) -> Result<Vec<f64>, SurrogateError> {
        Ok(self.scores(archs)?.into_iter().map(|score| self.scale.undo(score)).collect())
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
        let labels = archs.iter().map(|a| a[0] * a[1] + a[2] + rng.random_range(-0.1..0.1)).collect();
        let data = Labelled::new(archs, labels).unwrap();
        let process = GaussianProcess { features: |a: &[f64; 4]| a.to_vec(), target: Target::Value };
        let model = process.fit(&data, &Labelled::empty(), Seed(0)).unwrap();
        let products = DMatrix::from_fn(25, 25, |i, j| {
            product(&model.rows[i * 4..i * 4 + 4], &model.rows[j * 4..j * 4 + 4])
        });
        let whole = covariance(&model.kernel, &products);
        let says = |fold: &[usize], i: usize| {
            let rest: Vec<usize> = (0..25).filter(|j| !fold.contains(j)).collect();
            let known = DMatrix::from_fn(rest.len(), rest.len(), |a, b| whole[(rest[a], rest[b])]);
            let shared = DVector::from_iterator(rest.len(), rest.iter().map(|&j| whole[(i, j)]));
            let targets = DVector::from_iterator(rest.len(), rest.iter().map(|&j| model.targets[j]));
            let inverse = known.try_inverse().unwrap();
            let left = whole[(i, i)] - shared.dot(&(&inverse * &shared));
            let deviation = (model.kernel.variance * left).sqrt();
            Normal { mean: shared.dot(&(inverse * targets)), deviation }
        };
        for (i, found) in model.leave_one_out().into_iter().enumerate() {
            let expected = says(&[i], i);
            assert!((found.mean - expected.mean).abs() < 1e-8);
            assert!((found.deviation - expected.deviation).abs() < 1e-8);
        }
    }

    #[test]
    fn the_chosen_kernel_is_likelier_than_its_neighbours() {
        let archs: Vec<f64> = (0..40).map(f64::from).collect();
        let targets = DVector::from_iterator(40, archs.iter().map(|x| (x / 6.0).sin()));
        let products = DMatrix::from_fn(40, 40, |i, j| (i as f64 - 19.5) * (j as f64 - 19.5) / 133.0);
        let cost = |theta| judge(theta, &products, &targets).0;
        let best = least(cost);
        for axis in 0..3 {
            for step in [-0.5, 0.5] {
                let mut other = best;
                other[axis] += step;
                assert!(cost(other) > cost(best) - 0.05, "{axis} {step}");
            }
        }
    }
}
