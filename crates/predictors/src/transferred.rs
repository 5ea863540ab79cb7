use crate::{BinaryRelation, FittedRegressor, FittedRelation, GcnRegressor, PredictError};
use arch_graph::Encode;
use gcn::Gcn;
use nas_core::{Fit, FitFrom, Labelled, Seed};

/// Settings whose first fit is a transfer from `start`; later fits go on from the model that came of it.
#[derive(Debug, Clone)]
pub struct Transferred<'a, F> {
    /// The settings.
    pub settings: F,
    /// The network to start from; none fits from fresh weights.
    pub start: Option<&'a Gcn>,
}

impl<A, E: Encode<A> + Clone> Fit<A> for Transferred<'_, BinaryRelation<E>> {
    type Model = FittedRelation<E>;
    type Error = PredictError;

    fn fit(&self, train: &Labelled<A>, none: &Labelled<A>, seed: Seed) -> Result<Self::Model, PredictError> {
        match self.start {
            Some(start) => self.settings.transfer(start, train, seed),
            None => self.settings.fit(train, none, seed),
        }
    }
}

impl<A, E: Encode<A> + Clone> Fit<A> for Transferred<'_, GcnRegressor<E>> {
    type Model = FittedRegressor<E>;
    type Error = PredictError;

    fn fit(&self, train: &Labelled<A>, held: &Labelled<A>, seed: Seed) -> Result<Self::Model, PredictError> {
        match self.start {
            Some(start) => self.settings.transfer(start, train, held, seed),
            None => self.settings.fit(train, held, seed),
        }
    }
}

impl<A, F: FitFrom<A>> FitFrom<A> for Transferred<'_, F>
where
    Self: Fit<A, Model = F::Model, Error = F::Error>,
{
    fn fit_from(
        &self,
        start: &Self::Model,
        train: &Labelled<A>,
        held: &Labelled<A>,
        seed: Seed,
    ) -> Result<Self::Model, Self::Error> {
        self.settings.fit_from(start, train, held, seed)
    }
}
