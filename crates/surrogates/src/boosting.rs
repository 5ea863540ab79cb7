use crate::SurrogateError;
use crate::rows::Rows;
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
    /// One member each, with draws of its own; their standardised predictions are summed.
    pub members: Vec<Target>,
}

/// Three members for logarithms of the regret and one for ranks: chosen on NAS-Bench-201 at 78 to 469 rows.
impl Default for BoostingSettings {
    fn default() -> Self {
        let members = vec![Target::LogRegret, Target::LogRegret, Target::LogRegret, Target::Rank];
        Self { trees: 400, rate: 0.05, leaves: 8, min_rows: 5, rows: 0.8, columns: 0.3, members }
    }
}

impl BoostingSettings {
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
    members: Vec<Member>,
}

#[derive(Debug, Clone)]
struct Member {
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
    fn members<A>(&self, archs: &[A]) -> Result<Vec<Vec<f64>>, SurrogateError>
    where
        F: Fn(&A) -> Vec<f64>,
    {
        let rows = Rows::new(&self.features, archs, Some(self.width))?;
        let mut found = vec![Vec::with_capacity(archs.len()); self.members.len()];
        // the codes of a block of rows, feature by feature
        let mut codes = vec![0; self.cuts.len() * BLOCK];
        let rows: Vec<&[f64]> = rows.iter().collect();
        for block in rows.chunks(BLOCK) {
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
        Ok(found)
    }

    /// How good each architecture is: the sum of the standardised predictions. Larger is better; no unit.
    ///
    /// # Errors
    /// Features that are not finite or of another number.
    pub fn scores<A>(&self, archs: &[A]) -> Result<Vec<f64>, SurrogateError>
    where
        F: Fn(&A) -> Vec<f64>,
    {
        let mut members = self.members(archs)?.into_iter();
        let mut sums = members.next().unwrap_or_default();
        for member in members {
            sums.iter_mut().zip(member).for_each(|(sum, value)| *sum += value);
        }
        Ok(sums)
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
        let cuts = Cuts::new(&rows);
        let columns = cuts.columns(&rows);
        let BoostingSettings { leaves, min_rows, rate, trees, .. } = self.settings;
        let growth = Growth {
            leaves,
            min_rows: min_rows.min(train.len() / 4).max(1),
            rows: self.settings.rows,
            columns: self.settings.columns,
        };
        let member = |(number, target): (u64, &Target)| {
            let mut rng = seed.nth("member", number).stream("trees");
            let (scale, mut residuals) = Scale::new(*target, train.values());
            let mut losses = Vec::with_capacity(trees);
            let grown = (0..trees).map(|_| {
                let tree = growth.grow(&columns, &residuals, &mut rng);
                tree.add(|column| &columns[column], -rate, &mut residuals);
                losses.push(residuals.iter().map(|r| r * r).sum::<f64>() / residuals.len() as f64);
                tree
            });
            let trees = grown.collect();
            Member { scale, rate, trees, losses }
        };
        let members = (0..).zip(&self.settings.members).map(member).collect();
        Ok(FittedBoosting { features: self.features.clone(), width: rows.width, cuts, members })
    }
}

/// The mean of what the members say in the unit of the label.
impl<A, F: Fn(&A) -> Vec<f64>> Predict<A> for FittedBoosting<F> {
    type Error = SurrogateError;

    fn predict(&self, archs: &[A]) -> Result<Vec<f64>, SurrogateError> {
        let mut sums = vec![0.0; archs.len()];
        for (member, values) in self.members.iter().zip(self.members(archs)?) {
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += member.scale.undo(value));
        }
        sums.iter_mut().for_each(|sum| *sum /= self.members.len() as f64);
        Ok(sums)
    }
}

/// Larger [`scores`](FittedBoosting::scores) first: for accuracy.
impl<A, F: Fn(&A) -> Vec<f64>> Rank<A> for FittedBoosting<F> {
    type Error = SurrogateError;

    fn rank(&self, archs: &[A]) -> Result<Vec<usize>, SurrogateError> {
        Ok(order_by_score(&self.scores(archs)?))
    }
}
