use crate::body::{Body, check_labels, check_pairs, graphs, readout, to_f64};
use crate::scale::Carry;
use crate::{PredictError, RelationSettings, Scale, Scaling};
use arch_graph::Encode;
use candle_core::{DType, Device, Tensor};
use cpu_ops::matmul;
use gcn::{Gcn, GcnError, GcnSettings, Graph, History};
use nas_core::{Fit, FitFrom, Labelled, Rank, Seed, Stream, order_by_score};

/// The binary relation predictor (BRP-NAS, section 3.4): which of two architectures is the better one.
///
/// The network gives `log softmax(W [x1; x2] + b)` of the embeddings of a pair; the target is the softmax of
/// the pair of scaled labels, the loss the KL divergence. Pairs cost no graphs: a step embeds each architecture
/// once and forms all ordered pairs from the embeddings (eagle embeds both graphs of each pair anew).
#[derive(Debug, Clone)]
pub struct BinaryRelation<E> {
    /// The encoding.
    pub encode: E,
    /// The settings.
    pub settings: RelationSettings,
}

/// A fitted [`BinaryRelation`]: an order of architectures.
///
/// With `u = (W0 - W1)[..H]` and `v = (W0 - W1)[H..]` the raw comparator of a pair is
/// `u x1 + v x2 + b0 - b1`. It is not antisymmetric. What it says of a pair minus what it says of the swapped
/// pair is `s(x1) - s(x2)` with `s(x) = (u - v) x`: a total order from one dot product an architecture, which
/// is what [`Rank`] uses. eagle sorts by the raw comparator: [`FittedRelation::raw_comparator`].
#[derive(Debug)]
pub struct FittedRelation<E> {
    encode: E,
    body: Body,
    history: History,
}

impl<E> BinaryRelation<E> {
    fn body<A>(&self, seed: Seed) -> Result<Body, PredictError>
    where
        E: Encode<A>,
    {
        let RelationSettings { hidden, layers, dropout, .. } = self.settings;
        let settings = GcnSettings { width: self.encode.width(), hidden, layers, dropout };
        Body::new(settings, readout(&self.encode), 2, 2 * hidden, DType::F32, seed)
    }

    /// Transfer initialisation: as [`GcnRegressor::transfer`](crate::GcnRegressor::transfer).
    ///
    /// # Errors
    /// As [`Fit::fit`], and where `start` has another shape.
    pub fn transfer<A>(
        &self,
        start: &Gcn,
        train: &Labelled<A>,
        seed: Seed,
    ) -> Result<FittedRelation<E>, PredictError>
    where
        E: Encode<A> + Clone,
    {
        let body = self.body::<A>(seed)?;
        body.start_from(start)?;
        self.run(body, true, train, seed)
    }

    fn run<A>(
        &self,
        body: Body,
        warm_up: bool,
        data: &Labelled<A>,
        seed: Seed,
    ) -> Result<FittedRelation<E>, PredictError>
    where
        E: Encode<A> + Clone,
    {
        check_labels(data.values(), 2)?;
        let RelationSettings { sharpness, training, .. } = self.settings;
        check_pairs(training.batch)?;
        if !(sharpness > 0.0 && sharpness.is_finite()) {
            let (name, value, expected) = ("sharpness", sharpness, "it is a finite number above 0");
            return Err(GcnError::Setting { name, value, expected }.into());
        }
        let scale = Scale::fit(Scaling::MinMax, data.values());
        let labels: Vec<f64> = data.values().iter().map(|&v| sharpness * scale.to_unit(v)).collect();
        let known = graphs(&self.encode, data.archs())?;
        // a last batch of one architecture has no pairs; its step goes by the momentum of those before
        let step = |items: &[usize], rng: &mut Stream, frozen: bool| {
            let batch: Vec<&Graph> = items.iter().map(|&i| &known[i]).collect();
            let labels: Vec<f64> = items.iter().map(|&i| labels[i]).collect();
            let (weight, bias) = (body.weight.as_tensor(), body.bias.as_tensor());
            body.step(&batch, rng, frozen, |embedded| pair_loss(embedded, weight, bias, &labels))
        };
        let warm_up = if warm_up { self.settings.warm_up } else { 0 };
        let history = body.train(&training, warm_up, data.len(), seed, step, || Ok(None))?;
        Ok(FittedRelation { encode: self.encode.clone(), body, history })
    }
}

/// The KL divergence from the softmax of each ordered pair of labels to the predicted one, summed over all
/// pairs `i != j` of the rows of `embedded` `(B, H)`; `weight` is `(2, 2 H)`, `bias` `(2)`. O(B H + B^2).
///
/// Only the difference `d` of the two logits matters: the loss of a pair is `softplus(d) - t d` plus a
/// constant, and `d(i, j) = first(i) + second(j)`.
pub(crate) fn pair_loss(
    embedded: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    labels: &[f64],
) -> Result<Tensor, GcnError> {
    let (rows, hidden) = embedded.dims2()?;
    let difference = |t: &Tensor| t.narrow(0, 0, 1)? - t.narrow(0, 1, 1)?;
    let halves = difference(weight)?.reshape((2, hidden))?;
    let parts = matmul(embedded, &halves, (false, true))?;
    let (first, second) = (parts.narrow(1, 0, 1)?, parts.narrow(1, 1, 1)?.t()?);
    let logits = first.broadcast_add(&second)?.broadcast_add(&difference(bias)?)?;
    let (mut target, mut others, mut entropy) = (Vec::new(), Vec::new(), 0.0);
    for (i, a) in labels.iter().enumerate() {
        for (j, b) in labels.iter().enumerate() {
            let t = 1.0 / (1.0 + (b - a).exp());
            target.push(t);
            others.push(f64::from(i != j));
            entropy += if i == j { 0.0 } else { x_ln_x(t) + x_ln_x(1.0 - t) };
        }
    }
    let square = |data| Tensor::from_vec(data, (rows, rows), &Device::Cpu)?.to_dtype(embedded.dtype());
    let loss = ((softplus(&logits)? - (logits * square(target)?)?)? * square(others)?)?;
    Ok((loss.sum_all()? + entropy)?)
}

/// `x ln(x)`, continued to 0.
fn x_ln_x(x: f64) -> f64 {
    if x > 0.0 { x * x.ln() } else { 0.0 }
}

/// `ln(1 + exp(x))`, without overflow.
pub(crate) fn softplus(x: &Tensor) -> Result<Tensor, GcnError> {
    Ok((x.relu()? + (x.abs()?.neg()?.exp()? + 1.0)?.log()?)?)
}

impl<A, E: Encode<A> + Clone> Fit<A> for BinaryRelation<E> {
    type Model = FittedRelation<E>;
    type Error = PredictError;

    /// The validation set is not used: as in eagle, the training loss steers early stopping.
    fn fit(&self, train: &Labelled<A>, _: &Labelled<A>, seed: Seed) -> Result<Self::Model, PredictError> {
        self.run(self.body::<A>(seed)?, false, train, seed)
    }
}

impl<A, E: Encode<A> + Clone> FitFrom<A> for BinaryRelation<E> {
    fn fit_from(
        &self,
        start: &Self::Model,
        train: &Labelled<A>,
        _: &Labelled<A>,
        seed: Seed,
    ) -> Result<Self::Model, PredictError> {
        let body = self.body::<A>(seed)?;
        body.go_on_from(&start.body, Carry::NONE)?;
        self.run(body, false, train, seed)
    }
}

impl<E> FittedRelation<E> {
    /// The graph network, to transfer from.
    pub fn gcn(&self) -> &Gcn {
        &self.body.gcn
    }

    /// How the training went.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// All weights as a safetensors file with the authors' names.
    ///
    /// # Errors
    /// An error of the serialiser.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, PredictError> {
        Ok(self.body.parameters().to_safetensors()?)
    }

    /// `(u x, v x)` of each architecture.
    fn parts<A>(&self, archs: &[A]) -> Result<Vec<[f64; 2]>, PredictError>
    where
        E: Encode<A>,
    {
        let weight = self.body.weight.as_tensor().detach();
        let halves = (weight.narrow(0, 0, 1)? - weight.narrow(0, 1, 1)?)?.reshape((2, ()))?;
        let parts = self.body.map(&graphs(&self.encode, archs)?, |embedded| {
            let flat = to_f64(&matmul(&embedded, &halves, (false, true))?)?;
            Ok(flat.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect())
        })?;
        Ok(parts)
    }

    /// The antisymmetric score of each architecture: larger is better. It has no unit.
    ///
    /// # Errors
    /// An architecture that cannot be encoded.
    pub fn score<A>(&self, archs: &[A]) -> Result<Vec<f64>, PredictError>
    where
        E: Encode<A>,
    {
        Ok(self.parts(archs)?.into_iter().map(|[u, v]| u - v).collect())
    }

    /// The authors' comparator over these architectures.
    ///
    /// # Errors
    /// An architecture that cannot be encoded.
    pub fn raw_comparator<A>(&self, archs: &[A]) -> Result<RawComparator, PredictError>
    where
        E: Encode<A>,
    {
        let bias = to_f64(self.body.bias.as_tensor())?;
        Ok(RawComparator { parts: self.parts(archs)?, bias: bias[0] - bias[1] })
    }
}

impl<A, E: Encode<A>> Rank<A> for FittedRelation<E> {
    type Error = PredictError;

    fn rank(&self, archs: &[A]) -> Result<Vec<usize>, PredictError> {
        Ok(order_by_score(&self.score(archs)?))
    }
}

/// What eagle sorts by: for a pair in one order, whether the first is the better one. It can contradict itself
/// when the pair is swapped, and need not be transitive.
#[derive(Debug, Clone, PartialEq)]
pub struct RawComparator {
    parts: Vec<[f64; 2]>,
    bias: f64,
}

impl RawComparator {
    /// Log-probability that `i` is better minus log-probability that `j` is.
    pub fn compare(&self, i: usize, j: usize) -> f64 {
        self.parts[i][0] + self.parts[j][1] + self.bias
    }

    /// Share of all pairs that it calls better, or worse, in both orders. O(n^2).
    pub fn contradictions(&self) -> f64 {
        let n = self.parts.len();
        let contradicts = |i: usize, j: usize| self.compare(i, j) * self.compare(j, i) > 0.0;
        let count =
            (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).filter(|&(i, j)| contradicts(i, j)).count();
        count as f64 / (n * n.saturating_sub(1) / 2).max(1) as f64
    }

    /// Share of all triples that it puts in a circle: the first before the second, that before the third, and that before
    /// the first, or all the other way round. None of an order, a quarter of coin flips. O(n^3).
    pub fn cycles(&self) -> f64 {
        let n = self.parts.len();
        let before = |i: usize, j: usize| self.compare(i, j) > 0.0;
        let (mut circles, mut triples) = (0_u64, 0_u64);
        for i in 0..n {
            for j in 0..i {
                let first = before(i, j);
                circles += (0..j).filter(|&k| before(j, k) == first && before(k, i) == first).count() as u64;
                triples += j as u64;
            }
        }
        circles as f64 / triples.max(1) as f64
    }

    /// Indices best first by merge sort with this comparator. As the comparator is no order, the result depends
    /// on the algorithm; a merge sort asks it about as often as eagle's sort does. O(n log n).
    pub fn rank(&self) -> Vec<usize> {
        self.merge_sort((0..self.parts.len()).collect())
    }

    fn merge_sort(&self, mut items: Vec<usize>) -> Vec<usize> {
        if items.len() < 2 {
            return items;
        }
        let right = self.merge_sort(items.split_off(items.len() / 2));
        let left = self.merge_sort(items);
        let (mut merged, mut l, mut r) = (Vec::with_capacity(left.len() + right.len()), 0, 0);
        while l < left.len() && r < right.len() {
            if self.compare(right[r], left[l]) > 0.0 {
                merged.push(right[r]);
                r += 1;
            } else {
                merged.push(left[l]);
                l += 1;
            }
        }
        merged.extend_from_slice(&left[l..]);
        merged.extend_from_slice(&right[r..]);
        merged
    }
}
