use crate::PredictError;
use crate::body::{Body, check_labels, check_pairs, graphs, readout, to_f64};
use crate::descriptors::{Standard, rows};
use crate::relation::softplus;
use arch_graph::Encode;
use candle_core::{DType, Device, Tensor};
use gcn::{GcnError, GcnSettings, Graph, History, Schedule, Training};
use nas_core::{Fit, Labelled, Rank, Seed, Stream, order_by_score};
use serde::{Deserialize, Serialize};

/// How far a descriptor counts from its mean, in deviations over the training data.
const FAR: f64 = 3.0;

/// Settings of a [`GraphRanker`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RankerSettings {
    /// Units of every layer.
    pub hidden: usize,
    /// Number of layers.
    pub layers: usize,
    /// Share of units dropped while training.
    pub dropout: f64,
    /// The training; `batch` counts architectures, and a step takes all pairs among them.
    pub training: Training,
}

impl Default for RankerSettings {
    fn default() -> Self {
        let training = Training {
            epochs: 300,
            batch: 16,
            rate: 3e-3,
            weight_decay: 5e-4,
            schedule: Schedule::Cosine,
            stop: None,
        };
        Self { hidden: 128, layers: 3, dropout: 0.1, training }
    }
}

/// A graph network with descriptors of the whole architecture beside it, trained to order pairs: larger labels first.
///
/// The score is a linear function of the embedding and of the descriptors, scaled to mean 0 and deviation 1 over the
/// training data and cut at three deviations. The loss of a pair is `ln(1 + exp(-(s_better - s_worse)))` (RankNet,
/// Burges et al., ICML 2005; for architectures PINAT, AAAI 2024), summed over the pairs of a batch whose labels differ.
/// The network is BRP-NAS's, smaller. A step costs what its graphs cost and O(batch^2).
///
/// ```
/// use nas_core::{Fit, Labelled, Rank, Seed, SearchSpace};
/// use predictors::{GraphRanker, RankerSettings};
/// use spaces::{NasBench201, nas_bench_201::{Cell, Operation, PrunedEncoding}};
/// let mut rng = Seed(0).stream("cells");
/// let cells: Vec<Cell> = (0..20).map(|_| NasBench201.sample(&mut rng)).collect();
/// let convolutions = |cell: &Cell| vec![cell.count(Operation::Conv3x3) as f64];
/// let data = Labelled::new(cells.clone(), cells.iter().map(|cell| convolutions(cell)[0]).collect())?;
/// let settings = RankerSettings { hidden: 16, ..RankerSettings::default() };
/// let ranker = GraphRanker { encode: PrunedEncoding, describe: convolutions, settings };
/// let order = ranker.fit(&data, &Labelled::empty(), Seed(0))?.rank(&cells)?;
/// assert!(convolutions(&cells[order[0]]) > convolutions(&cells[order[19]]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct GraphRanker<E, D> {
    /// The encoding.
    pub encode: E,
    /// The descriptors of an architecture: finite, and as many for each.
    pub describe: D,
    /// The settings.
    pub settings: RankerSettings,
}

/// A fitted [`GraphRanker`].
#[derive(Debug)]
pub struct FittedRanker<E, D> {
    encode: E,
    describe: D,
    standard: Standard,
    body: Body,
    history: History,
}

/// Scaled descriptors `(rows, width)`.
fn seen(standard: &Standard, rows: &[&Vec<f64>]) -> Result<Tensor, GcnError> {
    let mut all = Vec::new();
    for row in rows {
        let mut row = (*row).clone();
        standard.apply(&mut row);
        all.extend(row.iter().map(|x| x.clamp(-FAR, FAR) as f32));
    }
    Ok(Tensor::from_vec(all, (rows.len(), standard.scales.len()), &Device::Cpu)?)
}

/// The loss of all pairs whose labels differ, from scores `(rows, 1)`.
fn pair_loss(scores: &Tensor, labels: &[f64]) -> Result<Tensor, GcnError> {
    let lead = scores.broadcast_sub(&scores.t()?)?;
    let better = labels.iter().flat_map(|a| labels.iter().map(move |b| f32::from(u8::from(a > b))));
    let better = Tensor::from_iter(better, &Device::Cpu)?.reshape(lead.shape())?.to_dtype(lead.dtype())?;
    Ok((softplus(&lead.neg()?)? * better)?.sum_all()?)
}

impl<A, E, D> Fit<A> for GraphRanker<E, D>
where
    E: Encode<A> + Clone,
    D: Fn(&A) -> Vec<f64> + Clone,
{
    type Model = FittedRanker<E, D>;
    type Error = PredictError;

    /// The validation set is not used.
    fn fit(&self, train: &Labelled<A>, _: &Labelled<A>, seed: Seed) -> Result<Self::Model, PredictError> {
        check_labels(train.values(), 2)?;
        let RankerSettings { hidden, layers, dropout, training } = self.settings;
        check_pairs(training.batch)?;
        let described = rows(&self.describe, train.archs(), None)?;
        let standard = Standard::fit(&described);
        let known = graphs(&self.encode, train.archs())?;
        let settings = GcnSettings { width: self.encode.width(), hidden, layers, dropout };
        let inputs = hidden + standard.scales.len();
        let body = Body::new(settings, readout(&self.encode), 1, inputs, DType::F32, seed)?;
        let step = |items: &[usize], rng: &mut Stream, frozen: bool| {
            let batch: Vec<&Graph> = items.iter().map(|&i| &known[i]).collect();
            let labels: Vec<f64> = items.iter().map(|&i| train.values()[i]).collect();
            let beside = seen(&standard, &items.iter().map(|&i| &described[i]).collect::<Vec<_>>())?;
            body.step(&batch, rng, frozen, |embedded| {
                pair_loss(&body.apply_head(&Tensor::cat(&[embedded, &beside], 1)?, false)?, &labels)
            })
        };
        let history = body.train(&training, 0, train.len(), seed, step, || Ok(None))?;
        let (encode, describe) = (self.encode.clone(), self.describe.clone());
        Ok(FittedRanker { encode, describe, standard, body, history })
    }
}

impl<E, D> FittedRanker<E, D> {
    /// How the training went.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The score of each architecture: larger is better. It has no unit.
    ///
    /// # Errors
    /// An architecture that cannot be encoded or described.
    pub fn score<A>(&self, archs: &[A]) -> Result<Vec<f64>, PredictError>
    where
        E: Encode<A>,
        D: Fn(&A) -> Vec<f64>,
    {
        let described = rows(&self.describe, archs, Some(self.standard.scales.len()))?;
        let mut left = described.iter();
        let scores = self.body.map(&graphs(&self.encode, archs)?, |embedded| {
            let beside: Vec<&Vec<f64>> = left.by_ref().take(embedded.dim(0)?).collect();
            let both = Tensor::cat(&[&embedded, &seen(&self.standard, &beside)?], 1)?;
            to_f64(&self.body.apply_head(&both, true)?)
        })?;
        Ok(scores)
    }
}

impl<A, E: Encode<A>, D: Fn(&A) -> Vec<f64>> Rank<A> for FittedRanker<E, D> {
    type Error = PredictError;

    fn rank(&self, archs: &[A]) -> Result<Vec<usize>, PredictError> {
        Ok(order_by_score(&self.score(archs)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loss_is_that_of_every_pair_whose_labels_differ() {
        let (scores, labels) = ([0.5, -40.0, 2.0, 90.0], [1.0, 2.0, 2.0, 0.0]);
        let mut expected = 0.0;
        for (better, a) in scores.iter().zip(&labels) {
            for (worse, b) in scores.iter().zip(&labels) {
                let lead: f64 = better - worse;
                expected += if a > b { (-lead).exp().ln_1p() } else { 0.0 };
            }
        }
        let found = pair_loss(&Tensor::new(&scores, &Device::Cpu).unwrap().reshape((4, 1)).unwrap(), &labels);
        assert!((found.unwrap().to_scalar::<f64>().unwrap() - expected).abs() < 1e-9);
    }
}
