//! Regression trees on few rows: features as codes, splits by the sums of residuals.

use crate::rows::Rows;
use nas_core::Stream;
use rand::seq::index::sample;

/// Rows that go through a tree together.
pub(crate) const BLOCK: usize = 64;

/// The most values of a feature that are told apart.
const MAX_CODES: usize = 256;

/// The places between neighbouring values of each feature that differs in training. A code is the number of cuts below a value.
#[derive(Debug, Clone)]
pub(crate) struct Cuts(Vec<(usize, Vec<f64>)>);

impl Cuts {
    pub(crate) fn new(rows: &Rows) -> Self {
        let cuts = |feature: usize| {
            let mut values: Vec<f64> = rows.column(feature).collect();
            values.sort_by(f64::total_cmp);
            values.dedup();
            let middle = |pair: &[f64]| pair[0] + (pair[1] - pair[0]) / 2.0;
            let all: Vec<f64> = values.windows(2).map(middle).collect();
            let kept = all.len().min(MAX_CODES - 1);
            (feature, (0..kept).map(|i| all[i * all.len() / kept]).collect())
        };
        Self(rows.varied().into_iter().map(cuts).collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// How many of the first `features` differ in training.
    pub(crate) fn before(&self, features: usize) -> usize {
        self.0.partition_point(|(feature, _)| *feature < features)
    }

    /// The codes of a row.
    pub(crate) fn codes<'a>(&'a self, row: &'a [f64]) -> impl Iterator<Item = u8> + 'a {
        // at most 255 cuts
        self.0.iter().map(|(feature, cuts)| cuts.partition_point(|cut| *cut < row[*feature]) as u8)
    }

    /// The codes of all rows, feature by feature.
    pub(crate) fn columns(&self, rows: &Rows) -> Vec<Vec<u8>> {
        let mut columns = vec![Vec::new(); self.len()];
        for row in rows.iter() {
            columns.iter_mut().zip(self.codes(row)).for_each(|(column, code)| column.push(code));
        }
        columns
    }
}

/// The most leaves of a tree: a set of them is a byte.
pub(crate) const MAX_LEAVES: usize = 8;

/// Codes up to `code` go left; where one goes right, the leaves of `left` are out.
#[derive(Debug, Clone, Copy)]
struct Node {
    column: usize,
    code: u8,
    left: u8,
}

/// A tree over codes. Every node is looked at for every row, without a branch, and the first leaf that is left is
/// the row's (QuickScorer, Lucchese et al., SIGIR 2015).
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    values: [f64; MAX_LEAVES],
}

impl Tree {
    /// Adds `rate` times its value to the sum of each row. `column` gives the codes of a feature, one a row.
    pub(crate) fn add<'a>(&self, column: impl Fn(usize) -> &'a [u8], rate: f64, sums: &mut [f64]) {
        let mut left = [0_u8; BLOCK];
        for (block, sums) in sums.chunks_mut(BLOCK).enumerate() {
            left.fill(u8::MAX);
            for node in &self.nodes {
                let codes = &column(node.column)[block * BLOCK..][..sums.len()];
                for (left, code) in left.iter_mut().zip(codes) {
                    *left &= if *code > node.code { !node.left } else { u8::MAX };
                }
            }
            for (sum, left) in sums.iter_mut().zip(left) {
                *sum += rate * self.values[left.trailing_zeros() as usize % MAX_LEAVES];
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Growth {
    pub(crate) leaves: usize,
    pub(crate) min_rows: usize,
    pub(crate) rows: f64,
    pub(crate) columns: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Split {
    gain: f64,
    column: usize,
    code: u8,
}

struct Leaf {
    rows: Vec<usize>,
    split: Option<Split>,
}

impl Growth {
    /// A tree fitted to `residuals` by least squares: of all leaves the one whose split gains most is split next.
    pub(crate) fn grow(&self, columns: &[Vec<u8>], residuals: &[f64], rng: &mut Stream) -> Tree {
        let share = |part: f64, all: usize| ((part * all as f64).ceil() as usize).clamp(1, all);
        let draw = |part: f64, all: usize, rng: &mut Stream| {
            let mut drawn =
                if part >= 1.0 { (0..all).collect() } else { sample(rng, all, share(part, all)).into_vec() };
            drawn.sort_unstable();
            drawn
        };
        let rows = draw(self.rows, residuals.len(), rng);
        let chosen = draw(self.columns, columns.len(), rng);
        let leaf = |rows: Vec<usize>| {
            let split = self.best(columns, &chosen, residuals, &rows);
            Leaf { rows, split }
        };
        let mean = |rows: &[usize]| rows.iter().map(|&i| residuals[i]).sum::<f64>() / rows.len() as f64;
        // leaves stand from left to right
        let mut leaves = vec![leaf(rows)];
        let mut nodes: Vec<Node> = Vec::new();
        while leaves.len() < self.leaves.min(MAX_LEAVES) {
            let mut best: Option<(usize, Split)> = None;
            for (place, leaf) in leaves.iter().enumerate() {
                if let Some(split) = leaf.split.filter(|s| best.is_none_or(|(_, b)| s.gain > b.gain)) {
                    best = Some((place, split));
                }
            }
            let Some((place, Split { column, code, .. })) = best else { break };
            let Leaf { rows, .. } = leaves.remove(place);
            let (left, right): (Vec<usize>, Vec<usize>) =
                rows.into_iter().partition(|&i| columns[column][i] <= code);
            leaves.insert(place, leaf(right));
            leaves.insert(place, leaf(left));
            // the leaves from the place on move up by one; the one that was there becomes two
            let below = (1_u8 << place) - 1;
            for node in &mut nodes {
                let (kept, moved) = (node.left & below, node.left & !below);
                let twice = if moved & (1 << place) != 0 { 1 << place } else { 0 };
                node.left = kept | moved << 1 | twice;
            }
            nodes.push(Node { column, code, left: 1 << place });
        }
        let mut values = [0.0; MAX_LEAVES];
        values.iter_mut().zip(&leaves).for_each(|(value, leaf)| *value = mean(&leaf.rows));
        Tree { nodes, values }
    }

    /// The split of `rows` that lowers the squared error most; of equal ones the first.
    fn best(
        &self,
        columns: &[Vec<u8>],
        chosen: &[usize],
        residuals: &[f64],
        rows: &[usize],
    ) -> Option<Split> {
        if rows.len() < 2 * self.min_rows.max(1) {
            return None;
        }
        let all: f64 = rows.iter().map(|&i| residuals[i]).sum();
        let count = rows.len() as f64;
        let before = all * all / count;
        let mut best: Option<Split> = None;
        let mut sums = [(0.0_f64, 0_u32); MAX_CODES];
        for &column in chosen {
            let codes = &columns[column];
            let mut most = 0;
            for &i in rows {
                let code = usize::from(codes[i]);
                most = most.max(code);
                sums[code].0 += residuals[i];
                sums[code].1 += 1;
            }
            let (mut left, mut there) = (0.0, 0);
            for (code, slot) in sums[..=most].iter_mut().enumerate() {
                let (sum, n) = std::mem::take(slot);
                left += sum;
                there += n as usize;
                if n == 0 || there < self.min_rows || rows.len() - there < self.min_rows.max(1) {
                    continue;
                }
                let right = all - left;
                let other = count - there as f64;
                let gain = left * left / there as f64 + right * right / other - before;
                // what rounding leaves is no gain
                if gain > 1e-12 * (1.0 + before) && best.is_none_or(|b| gain > b.gain) {
                    best = Some(Split { gain, column, code: code as u8 });
                }
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nas_core::Seed;
    use rand::RngExt;

    #[test]
    fn a_stump_is_the_best_split_by_brute_force() {
        let mut rng = Seed(3).stream("stump");
        for _ in 0..50 {
            let n = rng.random_range(4..30);
            let archs: Vec<[f64; 3]> =
                (0..n).map(|_| [0; 3].map(|_: i32| f64::from(rng.random_range(0..6)))).collect();
            let residuals: Vec<f64> = (0..n).map(|_| rng.random_range(-1.0..1.0)).collect();
            let rows = Rows::new(|a: &[f64; 3]| a.to_vec(), &archs, None).unwrap();
            let cuts = Cuts::new(&rows);
            let growth = Growth { leaves: 2, min_rows: 2, rows: 1.0, columns: 1.0 };
            let tree = growth.grow(&cuts.columns(&rows), &residuals, &mut rng);
            let error = |side: Vec<f64>| {
                let mean = side.iter().sum::<f64>() / side.len() as f64;
                side.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>()
            };
            let mut least = error(residuals.clone());
            for feature in 0..3 {
                for cut in 0..5 {
                    let side = |low: bool| -> Vec<f64> {
                        let rows = archs.iter().zip(&residuals);
                        rows.filter(|(a, _)| (a[feature] <= f64::from(cut)) == low).map(|(_, r)| *r).collect()
                    };
                    if side(true).len() >= 2 && side(false).len() >= 2 {
                        least = least.min(error(side(true)) + error(side(false)));
                    }
                }
            }
            let (columns, mut fitted) = (cuts.columns(&rows), vec![0.0; n]);
            tree.add(|column| &columns[column], 1.0, &mut fitted);
            let found: f64 = fitted.iter().zip(&residuals).map(|(f, r)| (r - f) * (r - f)).sum();
            assert!((found - least).abs() < 1e-9, "{found} {least}");
        }
    }

    #[test]
    fn a_row_gets_the_mean_of_the_rows_that_share_its_leaf() {
        let mut rng = Seed(4).stream("leaves");
        let archs: Vec<[f64; 5]> =
            (0..150).map(|_| [0; 5].map(|_: i32| f64::from(rng.random_range(0..6)))).collect();
        let residuals: Vec<f64> = (0..150).map(|_| rng.random_range(-1.0..1.0)).collect();
        let rows = Rows::new(|a: &[f64; 5]| a.to_vec(), &archs, None).unwrap();
        let columns = Cuts::new(&rows).columns(&rows);
        let growth = Growth { leaves: 8, min_rows: 5, rows: 1.0, columns: 1.0 };
        let tree = growth.grow(&columns, &residuals, &mut rng);
        let mut fitted = vec![0.0; 150];
        tree.add(|column| &columns[column], 1.0, &mut fitted);
        let mut values = fitted.clone();
        values.sort_by(f64::total_cmp);
        values.dedup();
        assert_eq!((tree.nodes.len(), values.len()), (7, 8));
        for value in values {
            let mates: Vec<f64> = (0..150).filter(|&i| fitted[i] == value).map(|i| residuals[i]).collect();
            assert!(mates.len() >= 5);
            assert!((mates.iter().sum::<f64>() / mates.len() as f64 - value).abs() < 1e-12);
        }
    }
}
