/// A mean of the finite numbers among those that were seen, in their order.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mean {
    sum: f64,
    count: u32,
}

impl Mean {
    pub(super) fn add(&mut self, value: f64) {
        if value.is_finite() {
            self.sum += value;
            self.count += 1;
        }
    }

    /// None where there was no number.
    pub(super) fn get(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / f64::from(self.count)).filter(|mean| mean.is_finite())
    }

    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Option<f64> {
        let mut mean = Self::default();
        values.into_iter().for_each(|value| mean.add(value));
        mean.get()
    }
}
