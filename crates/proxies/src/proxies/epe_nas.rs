use crate::error::Result;
use crate::proxy::{Proxy, Score};
use crate::seen::{Need, Seen};
use std::collections::BTreeMap;

/// Keeps logarithms finite, as in the published code.
const K: f64 = 1e-5;

/// From how many classes on the published code compares classes with each other.
const MANY: usize = 100;

/// `sum over classes |sum log(|r| + k)|` over the correlations `r` between the Jacobians of images of one class (Lopes et
/// al., EPE-NAS, ICANN 2021, equation 4); above 100 classes, the mean over classes of the differences to all, each class
/// over its number of images, and classes of one image left out.
#[derive(Debug, Clone, Copy, Default)]
pub struct EpeNas;

impl Proxy for EpeNas {
    fn name(&self) -> &'static str {
        "epe_nas"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Jacobian]
    }

    fn score(&self, seen: &Seen) -> Result<Score> {
        let correlation = Seen::need(Need::Jacobian, seen.jacobian.as_ref())?;
        let mut classes: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (image, &label) in seen.labels.iter().enumerate() {
            classes.entry(label).or_default().push(image);
        }
        let many = seen.classes > MANY;
        classes.retain(|_, images| !many || images.len() > 1);
        let class = |images: &Vec<usize>| {
            let pairs = images.iter().flat_map(|&a| images.iter().map(move |&b| (a, b)));
            let sum: f64 = pairs.map(|(a, b)| (correlation.get(a, b).abs() + K).ln()).sum();
            if many { sum / images.len() as f64 } else { sum }
        };
        let sums: Vec<f64> = classes.values().map(class).collect();
        if !many {
            return Ok(Score::of(sums.iter().map(|sum| sum.abs()).sum()));
        }
        let apart = |a: f64| sums.iter().map(|b| (a - b).abs()).sum::<f64>();
        Ok(Score::of(sums.iter().map(|&a| apart(a)).sum::<f64>() / sums.len().max(1) as f64))
    }
}
