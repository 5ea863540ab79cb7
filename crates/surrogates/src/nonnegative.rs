//! Least squares with weights that are not negative.

use nalgebra::{DMatrix, DVector};

/// Sweeps after which the weights are taken as they are; a few hundred are usual.
const SWEEPS: usize = 20_000;

/// Minimises `|y - X w|^2 + penalty |w|^2` over `w >= 0` by coordinates, which converges because the problem is strictly
/// convex for a positive penalty (Tseng, 2001). O(rows d^2 + sweeps d^2).
pub(crate) fn least_squares(x: &DMatrix<f64>, y: &DVector<f64>, penalty: f64) -> DVector<f64> {
    let mut square = x.transpose() * x;
    let target = x.transpose() * y;
    for j in 0..square.nrows() {
        square[(j, j)] += penalty;
    }
    let mut weights = DVector::zeros(square.nrows());
    for _ in 0..SWEEPS {
        let mut moved = 0.0_f64;
        for j in 0..weights.len() {
            let slope = target[j] - square.column(j).dot(&weights);
            let next = (weights[j] + slope / square[(j, j)]).max(0.0);
            moved = moved.max((next - weights[j]).abs());
            weights[j] = next;
        }
        if moved <= 1e-12 * (1.0 + weights.amax()) {
            break;
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;
    use nas_core::Seed;
    use rand::RngExt;

    #[test]
    fn no_weight_can_be_moved_to_advantage() {
        for case in 0..50 {
            let mut rng = Seed(case).stream("least squares");
            let (rows, width) = (rng.random_range(1..30), rng.random_range(1..20));
            let mut numbers = || rng.random_range(-1.0..1.0);
            let x = DMatrix::from_fn(rows, width, |_, _| numbers());
            let y = DVector::from_fn(rows, |_, _| numbers());
            let penalty = 0.02 * rows as f64;
            let weights = least_squares(&x, &y, penalty);
            let slopes = x.transpose() * (&y - &x * &weights) - penalty * &weights;
            for (weight, slope) in weights.iter().zip(slopes.iter()) {
                // Karush, Kuhn and Tucker
                assert!(*weight >= 0.0 && *slope < 1e-8 && (weight * slope).abs() < 1e-8, "{weight} {slope}");
            }
        }
    }
}
