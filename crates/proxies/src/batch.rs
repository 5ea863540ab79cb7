use crate::error::{ProxyError, Result};
use candle_core::Tensor;

/// Images with their labels: the one batch that a network is scored on.
#[derive(Debug, Clone)]
pub struct Batch {
    images: Tensor,
    labels: Vec<u32>,
}

impl Batch {
    /// Images `(N, C, H, W)` in the type of the network's weights, and as many labels.
    ///
    /// # Errors
    /// Another number of dimensions or labels, or no image at all.
    pub fn new(images: Tensor, labels: Vec<u32>) -> Result<Self> {
        match *images.dims() {
            [n, _, _, _] if n > 0 && n == labels.len() => Ok(Self { images, labels }),
            _ => Err(ProxyError::Shape { images: images.dims().to_vec(), labels: labels.len() }),
        }
    }

    /// The images.
    pub fn images(&self) -> &Tensor {
        &self.images
    }

    /// Their labels.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Number of images; above 0.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Never: there is at least one image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The images from `start` on, `len` of them.
    pub(crate) fn part(&self, start: usize, len: usize) -> Result<Self> {
        let images = self.images.narrow(0, start, len)?.contiguous()?;
        Self::new(images, self.labels[start..start + len].to_vec())
    }

    /// That every label has a logit.
    ///
    /// # Errors
    /// [`ProxyError::Label`] with the first that has none.
    pub fn check_labels(&self, logits: &Tensor) -> Result<()> {
        self.check_classes(logits.dims().last().copied().unwrap_or(0))
    }

    pub(crate) fn check_classes(&self, classes: usize) -> Result<()> {
        match self.labels.iter().position(|&label| label as usize >= classes) {
            Some(image) => Err(ProxyError::Label { image, label: self.labels[image], classes }),
            None => Ok(()),
        }
    }
}
