//! In which shares trees and a process are summed: what orders or predicts best what was held out.

use nas_core::{Labelled, Seed};
use rand::seq::SliceRandom;

/// Parts of the training data, each held out once.
const FOLDS: usize = 5;

/// Shares that are tried.
const SHARES: [f64; 11] = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];

/// The rows in parts of one size, at random.
pub(crate) fn folds(rows: usize, seed: Seed) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..rows).collect();
    order.shuffle(&mut seed.stream("folds"));
    (0..FOLDS.min(rows)).map(|part| order.iter().skip(part).step_by(FOLDS).copied().collect()).collect()
}

/// What models say of each row when they were fitted without the part of [`folds`] that it is in, a list a model; NaN where a part cannot be fitted
/// without another, as when what is left has equal labels.
pub(crate) fn held_out<A: Clone, E, const N: usize>(
    train: &Labelled<A>,
    seed: Seed,
    say: impl Fn(&Labelled<A>, &[A]) -> Result<[Vec<f64>; N], E>,
) -> [Vec<f64>; N] {
    let mut all = [(); N].map(|()| vec![f64::NAN; train.len()]);
    for fold in folds(train.len(), seed) {
        let rest: Vec<usize> = (0..train.len()).filter(|i| !fold.contains(i)).collect();
        let Ok(said) = say(&train.select(&rest), train.select(&fold).archs()) else { continue };
        for (all, said) in all.iter_mut().zip(said) {
            fold.iter().zip(said).for_each(|(&i, said)| all[i] = said);
        }
    }
    all
}

/// The share that is worth most; another than the usual one must be worth more by `doubt` times the squared distance
/// over the root of the rows, because with few of them one often looks better than it is. What is worth NaN is not
/// taken.
pub(crate) fn best(usual: f64, doubt: f64, rows: usize, worth: impl Fn(f64) -> f64) -> f64 {
    let doubted =
        |share: f64| worth(share) - doubt * (share - usual) * (share - usual) / (rows as f64).sqrt();
    let better = |(best, most): (f64, f64), share: f64| {
        let worth = doubted(share);
        if worth > most { (share, worth) } else { (best, most) }
    };
    let usual_worth = doubted(usual);
    let start = if usual_worth.is_nan() { f64::NEG_INFINITY } else { usual_worth };
    SHARES.into_iter().fold((usual, start), better).0
}

#[cfg(test)]
mod tests {
    use super::{best, held_out};
    use nas_core::{Labelled, Seed};

    #[test]
    fn every_row_is_held_out_once() {
        let train = Labelled::new((0..23).collect(), (0..23).map(f64::from).collect()).unwrap();
        let [seen, sizes] = held_out(&train, Seed(0), |rest, held| {
            assert!(held.iter().all(|arch| !rest.archs().contains(arch)));
            let size = (rest.len() + held.len()) as f64;
            if held.contains(&7) {
                return Err("this part cannot be fitted");
            }
            Ok([held.iter().map(|arch| f64::from(*arch)).collect(), vec![size; held.len()]])
        });
        assert!(seen[7].is_nan() && (4..6).contains(&seen.iter().filter(|x| x.is_nan()).count()));
        assert!(seen.iter().zip(train.values()).all(|(x, label)| x.is_nan() || x == label));
        assert!(sizes.iter().all(|size| size.is_nan() || *size == 23.0));
    }

    #[test]
    fn a_share_moves_as_far_as_the_rows_can_tell() {
        let peak = |share: f64| 1.0 - (share - 0.8) * (share - 0.8);
        // most of -(s - .8)^2 - (s - .3)^2 d / sqrt(n) is at .7 where d / sqrt(n) is a quarter
        assert_eq!(best(0.3, 10.0, 1_600, peak), 0.7);
        assert_eq!(best(0.3, 10.0, 1_000_000, peak), 0.8);
        assert_eq!(best(0.3, 10.0, 1, peak), 0.3);
        assert_eq!(best(0.3, 10.0, 100, |_| f64::NAN), 0.3);
        assert_eq!(best(1.0, 1.0, 100, |share| if share == 1.0 { f64::NAN } else { share }), 0.9);
    }
}
