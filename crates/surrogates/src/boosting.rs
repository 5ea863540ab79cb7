use crate::SurrogateError;
use crate::rows::{Distinct, Rows, positive};
use crate::target::{Scale, Target};
use crate::trees::{BLOCK, Cuts, Growth, MAX_LEAVES, Tree};
use nas_core::{Fit, Labelled, Predict, Rank, Seed, order_by_score};
use serde::{Deserialize, Serialize};

/// An ensemble of gradient-boosted regression trees (Friedman, Greedy function approximation, 2001; leaf by leaf as
/// LightGBM, Ke et al. 2017) on features of an architecture.
///
/// ```
/// use nas_core::{Fit, Labelled, Predict, Rank, Seed};
/// use surrogates::{Boosting, BoostingSettings};
/// let archs: Vec<f64> = (0..60).map(f64::from).collect();
/// let labels = archs.iter().map(|x| (x - 20.0).abs()).collect();
/// let settings = BoostingSettings::default();
/// let boosting = Boosting { features: |x: &f64| vec![*x], settings };
/// let model = boosting.fit(&Labelled::new(archs, labels)?, &Labelled::empty(), Seed(0))?;
/// assert_eq!(model.rank(&[20.0, 55.0, 35.0])?, [1, 2, 0]);
/// assert!((model.predict(&[30.0])?[0] - 10.0).abs() < 3.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Boosting<F> {
    /// The features of an architecture: finite, and as many for each.
    pub features: F,
    /// How trees are grown.
    pub settings: BoostingSettings,
}

/// How trees are grown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BoostingSettings {
    /// Trees of a member.
    pub trees: usize,
    /// How much of a tree is added.
    pub rate: f64,
    /// The most leaves of a tree, 2 to 8.
    pub leaves: usize,
    /// The fewest training rows of a leaf; a quarter of the rows where that is less.
    pub min_rows: usize,
    /// Share of the rows that a tree sees, drawn anew for each.
    pub rows: f64,
    /// Share of the features that a tree sees, drawn anew for each.
    pub columns: f64,
    /// Each with draws of its own; their standardised predictions are summed.
    pub members: Vec<Member>,
}

/// What a member of the ensemble learns from what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// What it is fitted to.
    pub target: Target,
    /// How many of the first features it sees; all where there is no number.
    pub first: Option<usize>,
}

impl Member {
    /// One that sees all features.
    pub fn of_all(target: Target) -> Self {
        Self { target, first: None }
    }
}

/// Three members for logarithms of the regret and one for ranks: chosen on NAS-Bench-201 at 78 to 469 rows.
impl Default for BoostingSettings {
    fn default() -> Self {
        let members = [Target::LogRegret, Target::LogRegret, Target::LogRegret, Target::Rank];
        let members = members.map(Member::of_all).to_vec();
        Self { trees: 400, rate: 0.05, leaves: 8, min_rows: 5, rows: 0.8, columns: 0.3, members }
    }
}

impl BoostingSettings {
    /// For positive costs whose relative error matters.
    pub fn cost() -> Self {
        Self { members: vec![Member::of_all(Target::Log); 2], ..Self::default() }
    }

    fn check(&self) -> Result<(), SurrogateError> {
        let fail = |name, value, expected| Err(SurrogateError::Setting { name, value, expected });
        for (name, value) in [("rate", self.rate), ("rows", self.rows), ("columns", self.columns)] {
            if !(value > 0.0 && value <= 1.0) {
                return fail(name, value, "a number above 0 and at most 1");
            }
        }
        for (name, value) in [("trees", self.trees), ("members", self.members.len())] {
            if value == 0 {
                return fail(name, 0.0, "at least 1");
            }
        }
        if !(2..=MAX_LEAVES).contains(&self.leaves) {
            return fail("leaves", self.leaves as f64, "2 to 8");
        }
        Ok(())
    }
}

/// A fitted [`Boosting`].
#[derive(Debug, Clone)]
pub struct FittedBoosting<F> {
    features: F,
    width: usize,
    cuts: Cuts,
    members: Vec<Fitted>,
}

#[derive(Debug, Clone)]
struct Fitted {
    scale: Scale,
    rate: f64,
    trees: Vec<Tree>,
    losses: Vec<f64>,
}

impl<F> FittedBoosting<F> {
    /// The mean squared error of each member on the training data after each tree, in units of the variance of its
    /// target.
    pub fn losses(&self) -> impl Iterator<Item = &[f64]> {
        self.members.iter().map(|member| member.losses.as_slice())
    }

    /// The prediction of each member for each architecture, on the scale of its target.
    fn members(&self, rows: &Rows) -> Vec<Vec<f64>> {
        let distinct = Distinct::new(rows.iter().map(<[f64]>::to_vec).collect());
        let mut found = vec![Vec::with_capacity(distinct.rows.len()); self.members.len()];
        // the codes of a block of rows, feature by feature
        let mut codes = vec![0; self.cuts.len() * BLOCK];
        for block in distinct.rows.chunks(BLOCK) {
            for (i, row) in block.iter().enumerate() {
                let places = codes.iter_mut().skip(i).step_by(BLOCK);
                places.zip(self.cuts.codes(row)).for_each(|(place, code)| *place = code);
            }
            for (member, found) in self.members.iter().zip(&mut found) {
                let mut sums = [0.0; BLOCK];
                let column = |column: usize| &codes[column * BLOCK..][..BLOCK];
                member.trees.iter().for_each(|tree| tree.add(column, member.rate, &mut sums));
                found.extend(&sums[..block.len()]);
            }
        }
        let each = |values: Vec<f64>| distinct.places.iter().map(|place| values[*place]).collect();
        found.into_iter().map(each).collect()
    }

    /// The mean of what the members say in the unit of the label.
    pub(crate) fn labels(&self, rows: &Rows) -> Vec<f64> {
        let mut sums = vec![0.0; rows.len()];
        for (member, values) in self.members.iter().zip(self.members(rows)) {
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += member.scale.undo(value));
        }
        sums.iter_mut().for_each(|sum| *sum /= self.members.len() as f64);
        sums
    }

    /// The sum of the standardised predictions.
    pub(crate) fn sums(&self, rows: &Rows) -> Vec<f64> {
        let mut members = self.members(rows).into_iter();
        let mut sums = members.next().unwrap_or_default();
        for member in members {
            sums.iter_mut().zip(member).for_each(|(sum, value)| *sum += value);
        }
        sums
    }

    /// How good each architecture is: the sum of the standardised predictions. Larger is better; no unit.
    ///
    /// # Errors
    /// Features that are not finite or of another number.
    pub fn scores<A>(&self, archs: &[A]) -> Result<Vec<f64>, SurrogateError>
    where
        F: Fn(&A) -> Vec<f64>,
    {
        Ok(self.sums(&Rows::new(&self.features, archs, Some(self.width))?))
    }
}

impl<A, F: Fn(&A) -> Vec<f64> + Clone> Fit<A> for Boosting<F> {
    type Model = FittedBoosting<F>;
    type Error = SurrogateError;

    /// Time O(members * trees * leaves * rows * features); `validation` is not looked at.
    fn fit(
        &self,
        train: &Labelled<A>,
        _: &Labelled<A>,
        seed: Seed,
    ) -> Result<FittedBoosting<F>, SurrogateError> {
        self.settings.check()?;
        let rows = Rows::to_learn(&self.features, train)?;
        if self.settings.members.iter().any(|member| member.target == Target::Log) {
            positive(train.values())?;
        }
        let cuts = Cuts::new(&rows);
        let columns = cuts.columns(&rows);
        let BoostingSettings { leaves, min_rows, rate, trees, .. } = self.settings;
        let member = |(number, member): (u64, &Member)| {
            // at least one that differs
            let seen = member.first.map_or(cuts.len(), |first| cuts.before(first).max(1));
            let growth = Growth {
                leaves,
                min_rows: min_rows.min(train.len() / 4).max(1),
                rows: self.settings.rows,
                columns: self.settings.columns,
            };
            let mut rng = seed.nth("member", number).stream("trees");
            let (scale, mut residuals) = Scale::new(member.target, train.values());
            let mut losses = Vec::with_capacity(trees);
            let grown = (0..trees).map(|_| {
                let tree = growth.grow(&columns[..seen], &residuals, &mut rng);
                tree.add(|column| &columns[column], -rate, &mut residuals);
                losses.push(residuals.iter().map(|r| r * r).sum::<f64>() / residuals.len() as f64);
                tree
            });
            let trees = grown.collect();
            Fitted { scale, rate, trees, losses }
        };
        let members = (0..).zip(&self.settings.members).map(member).collect();
        Ok(FittedBoosting { features: self.features.clone(), width: rows.width, cuts, members })
    }
}

/// The mean of what the members say in the unit of the label.
impl<A, F: Fn(&A) -> Vec<f64>> Predict<A> for FittedBoosting<F> {
    type Error = SurrogateError;

    fn predict(&self, archs: &[A]) -> Result<Vec<f64>, SurrogateError> {
        Ok(self.labels(&Rows::new(&self.features, archs, Some(self.width))?))
    }
}

/// Larger [`scores`](FittedBoosting::scores) first: for accuracy.
impl<A, F: Fn(&A) -> Vec<f64>> Rank<A> for FittedBoosting<F> {
    type Error = SurrogateError;

    fn rank(&self, archs: &[A]) -> Result<Vec<usize>, SurrogateError> {
        Ok(order_by_score(&self.scores(archs)?))
    }
}
