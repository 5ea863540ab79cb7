use nas_core::{Fit, FitFrom, Labelled, Rank, Seed, order_by_score};

/// Two predictors that learn from the same data, with the same seed, and rank together.
///
/// The first fills a lead at the top of the ranking alone. The others follow by the sum of their places in both
/// orders (the count of Borda, 1781), so that no unit and no weight is to be chosen. It pays where the members err
/// in different ways: a network that sees the whole graph but learns a hundred samples by heart, and a line
/// through a few descriptors that cannot.
///
/// ```
/// use nas_core::{Fit, Labelled, Rank, Seed};
/// use predictors::{Committee, Ridge};
/// let data = Labelled::new(vec![[0.0, 0.0], [1.0, 4.0], [2.0, 1.0]], vec![0.0, 2.0, 3.0])?;
/// let first = Ridge { describe: |x: &[f64; 2]| vec![x[0]], penalty: 1e-3 };
/// let second = Ridge { describe: |x: &[f64; 2]| vec![x[1]], penalty: 1e-3 };
/// let fit = |lead| Committee { first, second, lead }.fit(&data, &Labelled::empty(), Seed(0));
/// let archs = [[3.0, 0.0], [2.0, 1.0], [1.0, 4.0], [0.0, 3.0]];
/// // places 0 + 3, 1 + 2, 2 + 0 and 3 + 1
/// assert_eq!(fit(0.0)?.rank(&archs)?, [2, 0, 1, 3]);
/// assert_eq!(fit(0.25)?.rank(&archs)?, [0, 2, 1, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Committee<F, G> {
    /// One predictor.
    pub first: F,
    /// The other.
    pub second: G,
    /// Share of the ranking, from its top, that the first predictor fills alone: 0 for none, 1 for all of it.
    pub lead: f64,
}

/// A fitted [`Committee`].
#[derive(Debug, Clone)]
pub struct FittedCommittee<M, N> {
    /// One model.
    pub first: M,
    /// The other.
    pub second: N,
    lead: f64,
}

impl<A, F: Fit<A>, G: Fit<A, Error = F::Error>> Fit<A> for Committee<F, G> {
    type Model = FittedCommittee<F::Model, G::Model>;
    type Error = F::Error;

    fn fit(&self, train: &Labelled<A>, held: &Labelled<A>, seed: Seed) -> Result<Self::Model, F::Error> {
        let first = self.first.fit(train, held, seed)?;
        let second = self.second.fit(train, held, seed)?;
        Ok(FittedCommittee { first, second, lead: self.lead })
    }
}

impl<A, F: FitFrom<A>, G: FitFrom<A, Error = F::Error>> FitFrom<A> for Committee<F, G> {
    fn fit_from(
        &self,
        start: &Self::Model,
        train: &Labelled<A>,
        held: &Labelled<A>,
        seed: Seed,
    ) -> Result<Self::Model, F::Error> {
        let first = self.first.fit_from(&start.first, train, held, seed)?;
        let second = self.second.fit_from(&start.second, train, held, seed)?;
        Ok(FittedCommittee { first, second, lead: self.lead })
    }
}

/// Equal sums of places stand in the order in which the architectures were given. O(n log n) beside the members.
impl<A, M: Rank<A>, N: Rank<A, Error = M::Error>> Rank<A> for FittedCommittee<M, N> {
    type Error = M::Error;

    fn rank(&self, archs: &[A]) -> Result<Vec<usize>, M::Error> {
        let first = self.first.rank(archs)?;
        let mut score = vec![0.0; archs.len()];
        for order in [&first, &self.second.rank(archs)?] {
            order.iter().enumerate().for_each(|(place, &i)| score[i] -= place as f64);
        }
        let lead = (self.lead * archs.len() as f64).ceil() as usize;
        first.iter().take(lead).enumerate().for_each(|(place, &i)| score[i] = (lead - place) as f64);
        Ok(order_by_score(&score))
    }
}
