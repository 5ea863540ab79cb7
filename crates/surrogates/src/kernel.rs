//! The covariance of a sum over blocks, and how likely it makes what was seen.

use crate::Kind;
use crate::linear::Root;
use crate::part::{Part, sum};
use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

/// Variance of the unknown mean, in that of the target.
pub(crate) const CONSTANT: f64 = 1.0;

/// What the parts of the covariance weigh, in units of the variance of the target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kernel {
    /// Variance of the noise.
    pub noise: f64,
    /// Of each block in which training rows differ.
    pub parts: Vec<Weights>,
}

/// What a block weighs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Weights {
    /// Variance of the straight part.
    pub linear: f64,
    /// Variance of the curved part.
    pub curved: f64,
    /// What a difference weighs in the distance: one number for [`Kind::Numbers`](crate::Kind), else one a column.
    pub scales: Vec<f64>,
}

impl Kernel {
    /// Where the search begins: the logarithms in the order noise, then by part straight, curved, scales.
    fn start(parts: &[Part]) -> Vec<f64> {
        let each = |part: &Part| {
            let scale = if part.weights() == 1 { 0.0 } else { -1.0 };
            [-1.0, -1.0].into_iter().chain(vec![scale; part.weights()])
        };
        std::iter::once(-2.0).chain(parts.iter().flat_map(each)).collect()
    }

    fn of_logs(logs: &[f64], parts: &[Part]) -> Self {
        let mut values = logs.iter().map(|log| log.exp());
        let mut next = || values.next().unwrap_or(0.0);
        let noise = next() + 1e-6;
        let each = |part: &Part| {
            let (linear, curved) = (next(), next());
            Weights { linear, curved, scales: (0..part.weights()).map(|_| next()).collect() }
        };
        Self { noise, parts: parts.iter().map(each).collect() }
    }

    /// Among training rows, without noise; below the diagonal and on it.
    pub(crate) fn among(&self, parts: &[Part], rows: &[usize]) -> DMatrix<f64> {
        let n = rows.len();
        let mut all = DMatrix::from_element(n, n, CONSTANT);
        for (part, weights) in parts.iter().zip(&self.parts) {
            for j in 0..n {
                for i in j..n {
                    all[(i, j)] += weights.of(part, part.row(rows[i]), part.row(rows[j]));
                }
            }
        }
        all
    }

    /// The likeliest by `steps` steps of Adam on the logarithms, with broad normal priors about where it begins
    /// (Rasmussen and Williams, section 5.4). `noise` multiplies the noise of each row. None where the covariance
    /// is never positive definite. O(steps rows^2 (rows + scales)).
    pub(crate) fn likeliest(
        parts: &[Part],
        rows: &[usize],
        targets: &DVector<f64>,
        noise: &[f64],
        steps: usize,
    ) -> Option<Self> {
        let pairs: Vec<Pairs> = parts.iter().map(|part| Pairs::new(part, rows)).collect();
        let start = Self::start(parts);
        let mut logs = start.clone();
        let (mut first, mut second) = (vec![0.0; logs.len()], vec![0.0; logs.len()]);
        let mut best: Option<(f64, Vec<f64>)> = None;
        for step in 1..=steps.max(1) as i32 {
            let kernel = Self::of_logs(&logs, parts);
            let Some((mut cost, mut slopes)) = kernel.unlikelihood(parts, &pairs, targets, noise) else {
                break;
            };
            for ((slope, log), start) in slopes.iter_mut().zip(&logs).zip(&start) {
                cost += (log - start) * (log - start) / 8.0;
                *slope += (log - start) / 4.0;
            }
            if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                best = Some((cost, logs.clone()));
            }
            for (i, slope) in slopes.into_iter().enumerate() {
                first[i] = 0.9 * first[i] + 0.1 * slope;
                second[i] = 0.98 * second[i] + 0.02 * slope * slope;
                let (mean, square) =
                    (first[i] / (1.0 - 0.9_f64.powi(step)), second[i] / (1.0 - 0.98_f64.powi(step)));
                logs[i] -= RATE * mean / (square.sqrt() + 1e-8);
            }
        }
        best.map(|(_, logs)| Self::of_logs(&logs, parts))
    }

    /// The negative logarithm of the likelihood but for a constant, and its derivative by each logarithm.
    fn unlikelihood(
        &self,
        parts: &[Part],
        pairs: &[Pairs],
        targets: &DVector<f64>,
        noise: &[f64],
    ) -> Option<(f64, Vec<f64>)> {
        let n = targets.len();
        let mut packed = vec![CONSTANT; n * (n + 1) / 2];
        let mut near = Vec::with_capacity(parts.len());
        for ((part, weights), pairs) in parts.iter().zip(&self.parts).zip(pairs) {
            let mut sums = vec![0.0; packed.len()];
            for (w, differences) in weights.scales.iter().zip(&pairs.differences) {
                sums.iter_mut().zip(differences).for_each(|(s, d)| *s += w * d);
            }
            let values: Vec<f64> = sums.iter().map(|s| part.near(*s)).collect();
            for ((k, product), value) in packed.iter_mut().zip(&pairs.products).zip(&values) {
                *k += weights.linear * product + weights.curved * value;
            }
            near.push((sums, values));
        }
        let mut matrix = DMatrix::zeros(n, n);
        let mut at = 0;
        for j in 0..n {
            for i in j..n {
                matrix[(i, j)] = packed[at] + if i == j { self.noise * noise[i] } else { 0.0 };
                at += 1;
            }
        }
        let root = Root::new(&matrix)?;
        let inverse = root.inverse.transpose() * &root.inverse;
        let alpha = &inverse * targets;
        let cost = 0.5 * targets.dot(&alpha) + root.log_determinant;
        // half the derivative by each pair; those off the diagonal stand for two
        let mut by = Vec::with_capacity(packed.len());
        for j in 0..n {
            by.push(0.5 * (inverse[(j, j)] - alpha[j] * alpha[j]));
            by.extend((j + 1..n).map(|i| inverse[(i, j)] - alpha[i] * alpha[j]));
        }
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
        let by_noise: f64 = (0..n).map(|i| 0.5 * (inverse[(i, i)] - alpha[i] * alpha[i]) * noise[i]).sum();
        let mut slopes = vec![self.noise * by_noise];
        for (((part, weights), pairs), (sums, values)) in parts.iter().zip(&self.parts).zip(pairs).zip(&near)
        {
            slopes.push(weights.linear * dot(&by, &pairs.products));
            slopes.push(weights.curved * dot(&by, values));
            let inner = by.iter().zip(sums.iter().zip(values)).map(|(b, (s, v))| b * part.slope(*s, *v));
            let inner: Vec<f64> = inner.collect();
            let scales = weights.scales.iter().zip(&pairs.differences);
            slopes.extend(scales.map(|(w, differences)| weights.curved * w * dot(&inner, differences)));
        }
        (cost.is_finite() && slopes.iter().all(|s| s.is_finite())).then_some((cost, slopes))
    }
}

const THIRD: f64 = 1.0 / 3.0;

/// Rows whose products are made at once; always as many, so that no row depends on its company.
const AT_ONCE: usize = 64;

impl Weights {
    /// The covariance of two rows of a part.
    pub(crate) fn of(&self, part: &Part, a: &[f64], b: &[f64]) -> f64 {
        let s: f64 = self.scales.iter().enumerate().map(|(j, w)| w * part.difference(j, a, b)).sum();
        self.linear * part.product(a, b) + self.curved * part.near(s)
    }

    /// For each row the sum of its covariances with the training rows, each times its number.
    pub(crate) fn sums(&self, part: &Part, rows: &[Vec<f64>], numbers: &[f64]) -> Vec<f64> {
        match part.kind {
            Kind::Numbers => self.sums_of_numbers(part, rows, numbers),
            Kind::Counts | Kind::Choices => self.sums_of_columns(part, rows, numbers),
        }
    }

    /// Column by column of all training rows, so that the compiler can keep the differences in vectors.
    fn sums_of_columns(&self, part: &Part, rows: &[Vec<f64>], numbers: &[f64]) -> Vec<f64> {
        let column = |j: usize| (0..numbers.len()).map(|i| part.row(i)[j]).collect::<Vec<f64>>();
        let columns: Vec<Vec<f64>> = (0..part.width()).map(column).collect();
        let straight = self.linear / part.width() as f64;
        let (mut far, mut shared) = (vec![0.0; numbers.len()], vec![0.0; numbers.len()]);
        let of = |row: &Vec<f64>| {
            far.fill(0.0);
            shared.fill(0.0);
            for ((x, column), scale) in row.iter().zip(&columns).zip(&self.scales) {
                let each = far.iter_mut().zip(&mut shared).zip(column);
                if part.kind == Kind::Choices {
                    each.for_each(|((far, shared), y)| {
                        let differs = if x == y { 0.0 } else { 1.0 };
                        *far += scale * differs;
                        *shared += 1.0 - differs;
                    });
                } else {
                    each.for_each(|((far, shared), y)| {
                        *far += scale * (x - y) * (x - y);
                        *shared += x * y;
                    });
                }
            }
            far.iter_mut().for_each(|far| *far = (-*far).exp());
            far.iter_mut()
                .zip(&shared)
                .for_each(|(far, shared)| *far = self.curved * *far + straight * shared);
            sum(&far, numbers, |value, number| value * number)
        };
        rows.iter().map(of).collect()
    }

    fn sums_of_numbers(&self, part: &Part, rows: &[Vec<f64>], numbers: &[f64]) -> Vec<f64> {
        let width = part.width();
        let known = DMatrix::from_row_slice(numbers.len(), width, part.rows());
        let square = |row: &[f64]| row.iter().map(|x| x * x).sum::<f64>();
        let squares: Vec<f64> = (0..numbers.len()).map(|i| square(part.row(i))).collect();
        let scale = 5.0 * self.scales.first().copied().unwrap_or(0.0) / width as f64;
        let straight = self.linear / width as f64;
        let (mut radii, mut near) = (vec![0.0; numbers.len()], vec![0.0; numbers.len()]);
        let mut found = Vec::with_capacity(rows.len());
        for some in rows.chunks(AT_ONCE) {
            let mut block = DMatrix::zeros(width, AT_ONCE);
            some.iter().enumerate().for_each(|(i, row)| block.column_mut(i).copy_from_slice(row));
            let products = &known * &block;
            for (row, products) in some.iter().zip(products.column_iter()) {
                // one loop for each step, so that the compiler can keep all but the exponentials in vectors
                let own = square(row);
                let terms = radii.iter_mut().zip(&squares).zip(&products);
                terms.for_each(|((r, other), product)| {
                    *r = (scale * (own + other - 2.0 * product).max(0.0)).sqrt()
                });
                near.iter_mut().zip(&radii).for_each(|(near, r)| *near = (-r).exp());
                let terms = near.iter_mut().zip(&radii).zip(&products);
                terms.for_each(|((near, r), product)| {
                    *near = straight * product + self.curved * *near * (1.0 + r + r * r * THIRD);
                });
                found.push(sum(&near, numbers, |value, number| value * number));
            }
        }
        found
    }
}

/// How far a logarithm moves in a step, at most.
const RATE: f64 = 0.1;

/// What the rows of a part are to each other, by pair: column by column from the diagonal down.
struct Pairs {
    products: Vec<f64>,
    /// By scale.
    differences: Vec<Vec<f64>>,
}

impl Pairs {
    fn new(part: &Part, rows: &[usize]) -> Self {
        let of = |value: &dyn Fn(&[f64], &[f64]) -> f64| -> Vec<f64> {
            let below = |j: usize| rows[j..].iter().map(move |&i| value(part.row(i), part.row(rows[j])));
            (0..rows.len()).flat_map(below).collect()
        };
        let products = of(&|a, b| part.product(a, b));
        Self {
            products,
            differences: (0..part.weights()).map(|w| of(&|a, b| part.difference(w, a, b))).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Block;
    use crate::rows::Rows;
    use nas_core::Seed;
    use rand::RngExt;

    #[test]
    fn the_slopes_are_what_finite_differences_say() {
        let mut rng = Seed(2).stream("kernel");
        let archs: Vec<Vec<f64>> =
            (0..20).map(|_| (0..7).map(|_| f64::from(rng.random_range(0..4_u8))).collect()).collect();
        let table = Rows::new(|a: &Vec<f64>| a.clone(), &archs, None).unwrap();
        let parts = Part::all(&[Block::numbers(3), Block::counts(2), Block::choices(2)], &table);
        let rows: Vec<usize> = (0..20).collect();
        let pairs: Vec<Pairs> = parts.iter().map(|part| Pairs::new(part, &rows)).collect();
        let targets = DVector::from_fn(20, |_, _| rng.random_range(-1.0..1.0));
        let noise: Vec<f64> = (0..20).map(|_| rng.random_range(0.5..2.0)).collect();
        let logs: Vec<f64> = Kernel::start(&parts).iter().map(|l| l + rng.random_range(-0.5..0.5)).collect();
        let cost = |logs: &[f64]| {
            Kernel::of_logs(logs, &parts).unlikelihood(&parts, &pairs, &targets, &noise).unwrap()
        };
        let (_, slopes) = cost(&logs);
        assert_eq!(slopes.len(), 1 + 3 + 4 + 4);
        for (i, slope) in slopes.iter().enumerate() {
            let moved = |by: f64| {
                let mut logs = logs.clone();
                logs[i] += by;
                cost(&logs).0
            };
            let expected = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!((slope - expected).abs() < 1e-4 * (1.0 + expected.abs()), "{i}: {slope} {expected}");
        }
    }
}
