use crate::body::{Body, check_labels, graphs, readout, to_f64};
use crate::scale::Carry;
use crate::{Loss, PredictError, RegressorSettings, Scale, Scaling};
use arch_graph::Encode;
use candle_core::{DType, Device, Tensor};
use gcn::{Gcn, GcnError, GcnSettings, Graph, History};
use nas_core::{Fit, FitFrom, Labelled, Predict, Rank, Seed, Stream, order_by_score};

/// A graph network that predicts a value: latency, accuracy or FLOPs (BRP-NAS, sections 3.1 and 3.2).
///
/// `E` says how an architecture becomes numbers.
#[derive(Debug, Clone)]
pub struct GcnRegressor<E> {
    /// The encoding.
    pub encode: E,
    /// The settings.
    pub settings: RegressorSettings,
}

/// A fitted [`GcnRegressor`].
#[derive(Debug)]
pub struct FittedRegressor<E> {
    encode: E,
    body: Body,
    scaling: Scaling,
    scale: Scale,
    history: History,
}

impl<E> GcnRegressor<E> {
    fn body<A>(&self, seed: Seed) -> Result<Body, PredictError>
    where
        E: Encode<A>,
    {
        let RegressorSettings { hidden, layers, dropout, .. } = self.settings;
        let settings = GcnSettings { width: self.encode.width(), hidden, layers, dropout };
        Body::new(settings, readout(&self.encode), 1, hidden, DType::F32, seed)
    }

    /// Transfer initialisation (BRP-NAS, section 3.3): starts from the graph network of a predictor of another
    /// label, drops its head, trains a new head alone for `warm_up` epochs without weight decay, then all.
    ///
    /// # Errors
    /// As [`Fit::fit`], and where `start` has another shape.
    pub fn transfer<A>(
        &self,
        start: &Gcn,
        train: &Labelled<A>,
        validation: &Labelled<A>,
        seed: Seed,
    ) -> Result<FittedRegressor<E>, PredictError>
    where
        E: Encode<A> + Clone,
    {
        let body = self.body::<A>(seed)?;
        body.start_from(start)?;
        self.run(body, true, train, validation, seed)
    }

    fn run<A>(
        &self,
        body: Body,
        warm_up: bool,
        data: &Labelled<A>,
        validation: &Labelled<A>,
        seed: Seed,
    ) -> Result<FittedRegressor<E>, PredictError>
    where
        E: Encode<A> + Clone,
    {
        check_labels(data.values(), 2)?;
        let RegressorSettings { scaling, loss, training, .. } = self.settings;
        let scale = Scale::fit(scaling, data.values());
        let labels: Vec<f64> = data.values().iter().map(|&v| scale.to_unit(v)).collect();
        if let Loss::Relative { floor } = loss
            && !(floor > 0.0 || floor == 0.0 && !labels.contains(&0.0))
        {
            let expected = "errors are divided by it where a scaled label is smaller";
            return Err(GcnError::Setting { name: "floor", value: floor, expected }.into());
        }
        let known = graphs(&self.encode, data.archs())?;
        let held = graphs(&self.encode, validation.archs())?;
        let step = |items: &[usize], rng: &mut Stream, frozen: bool| {
            let batch: Vec<&Graph> = items.iter().map(|&i| &known[i]).collect();
            body.step(&batch, rng, frozen, |embedded| {
                let out = body.apply_head(embedded, false)?.squeeze(1)?;
                let label = |&i: &usize| labels[i] as f32;
                let target =
                    Tensor::from_iter(items.iter().map(label), &Device::Cpu)?.to_dtype(out.dtype())?;
                let error = (out - &target)?.abs()?;
                let error = match loss {
                    Loss::Absolute => error,
                    Loss::Relative { floor } => (error / target.abs()?.maximum(floor)?)?,
                };
                Ok(error.sum_all()?)
            })
        };
        let validate = || {
            if held.is_empty() {
                return Ok(None);
            }
            let predicted = body.map(&held, |embedded| to_f64(&body.apply_head(&embedded, true)?))?;
            let errors = predicted.iter().zip(validation.values()).map(|(p, &label)| {
                let (error, label) = ((p - scale.to_unit(label)).abs(), scale.to_unit(label).abs());
                match loss {
                    Loss::Absolute => error,
                    Loss::Relative { floor } => error / label.max(floor),
                }
            });
            Ok(Some(errors.sum::<f64>()))
        };
        let warm_up = if warm_up { self.settings.warm_up } else { 0 };
        let history = body.train(&training, warm_up, data.len(), seed, step, validate)?;
        Ok(FittedRegressor { encode: self.encode.clone(), body, scaling, scale, history })
    }
}

impl<A, E: Encode<A> + Clone> Fit<A> for GcnRegressor<E> {
    type Model = FittedRegressor<E>;
    type Error = PredictError;

    fn fit(
        &self,
        train: &Labelled<A>,
        validation: &Labelled<A>,
        seed: Seed,
    ) -> Result<Self::Model, PredictError> {
        self.run(self.body::<A>(seed)?, false, train, validation, seed)
    }
}

impl<A, E: Encode<A> + Clone> FitFrom<A> for GcnRegressor<E> {
    /// Begins with what `start` predicts, whatever the range of its labels was. Where that was fitted with another
    /// [`Scaling`] its labels are taken for those of something else, and its head as it is.
    fn fit_from(
        &self,
        start: &Self::Model,
        train: &Labelled<A>,
        validation: &Labelled<A>,
        seed: Seed,
    ) -> Result<Self::Model, PredictError> {
        let body = self.body::<A>(seed)?;
        let scaling = self.settings.scaling;
        let carry = match start.scaling == scaling {
            true => Scale::fit(scaling, train.values()).carry(&start.scale),
            false => Carry::NONE,
        };
        body.go_on_from(&start.body, carry)?;
        self.run(body, false, train, validation, seed)
    }
}

impl<E> FittedRegressor<E> {
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
}

impl<A, E: Encode<A>> Predict<A> for FittedRegressor<E> {
    type Error = PredictError;

    fn predict(&self, archs: &[A]) -> Result<Vec<f64>, PredictError> {
        let graphs = graphs(&self.encode, archs)?;
        let outputs = self.body.map(&graphs, |embedded| to_f64(&self.body.apply_head(&embedded, true)?))?;
        Ok(outputs.into_iter().map(|value| self.scale.from_unit(value)).collect())
    }
}

/// Larger predictions first: for accuracy.
impl<A, E: Encode<A>> Rank<A> for FittedRegressor<E> {
    type Error = PredictError;

    fn rank(&self, archs: &[A]) -> Result<Vec<usize>, PredictError> {
        Ok(order_by_score(&self.predict(archs)?))
    }
}
