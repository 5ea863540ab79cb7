use nas_core::Stream;
use rand::RngExt;

/// A distribution over choices: one independent softmax a decision, as NAS-Bench-201's REINFORCE has it.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    logits: Vec<Vec<f64>>,
}

impl Policy {
    /// Uniform.
    pub(crate) fn new(decisions: &[usize]) -> Self {
        Self { logits: decisions.iter().map(|&count| vec![0.0; count]).collect() }
    }

    /// The policy under which `examples` are most likely, with one more of every choice: imitation in closed form.
    pub(crate) fn imitate(&mut self, examples: &[Vec<usize>]) {
        for (at, logits) in self.logits.iter_mut().enumerate() {
            let mut counts = vec![1.0_f64; logits.len()];
            for choices in examples {
                if let Some(count) = choices.get(at).and_then(|&choice| counts.get_mut(choice)) {
                    *count += 1.0;
                }
            }
            logits.iter_mut().zip(counts).for_each(|(logit, count)| *logit = count.ln());
        }
    }

    fn probabilities(logits: &[f64]) -> Vec<f64> {
        let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = logits.iter().map(|logit| (logit - most).exp()).collect();
        let sum: f64 = weights.iter().sum();
        weights.into_iter().map(|weight| weight / sum).collect()
    }

    /// One choice a decision.
    pub(crate) fn sample(&self, rng: &mut Stream) -> Vec<usize> {
        self.logits
            .iter()
            .map(|logits| {
                let mut left: f64 = rng.random();
                let probabilities = Self::probabilities(logits);
                let place = probabilities.iter().position(|probability| {
                    left -= probability;
                    left < 0.0
                });
                place.unwrap_or(probabilities.len().saturating_sub(1))
            })
            .collect()
    }

    /// A step of `rate` along the gradient of the log probability of `choices`.
    pub(crate) fn reinforce(&mut self, choices: &[usize], rate: f64) {
        for (logits, &choice) in self.logits.iter_mut().zip(choices) {
            let probabilities = Self::probabilities(logits);
            for (i, (logit, probability)) in logits.iter_mut().zip(probabilities).enumerate() {
                *logit += rate * (f64::from(i == choice) - probability);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nas_core::Seed;

    #[test]
    fn the_gradient_is_that_of_the_log_probability() {
        let mut policy = Policy::new(&[3, 2]);
        policy.imitate(&[vec![2, 0], vec![2, 1], vec![0, 1]]);
        let choices = [2, 0];
        let log = |policy: &Policy| -> f64 {
            let of = |(logits, &choice): (&Vec<f64>, &usize)| Policy::probabilities(logits)[choice].ln();
            policy.logits.iter().zip(&choices).map(of).sum()
        };
        let mut stepped = policy.clone();
        stepped.reinforce(&choices, 1.0);
        for (at, choice) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)] {
            let mut moved = policy.clone();
            moved.logits[at][choice] += 1e-6;
            let slope = (log(&moved) - log(&policy)) / 1e-6;
            let step = stepped.logits[at][choice] - policy.logits[at][choice];
            assert!((slope - step).abs() < 1e-5, "{at} {choice}: {slope} {step}");
        }
    }

    #[test]
    fn samples_follow_the_imitated_counts() {
        let mut policy = Policy::new(&[3]);
        policy.imitate(&[vec![1], vec![1], vec![1], vec![2]]);
        let mut rng = Seed(0).stream("policy");
        let mut counts = [0; 3];
        (0..7000).for_each(|_| counts[policy.sample(&mut rng)[0]] += 1);
        for (count, expected) in counts.into_iter().zip([1000, 4000, 2000]) {
            assert!(i32::abs(count - expected) < 200, "{counts:?}");
        }
    }
}
