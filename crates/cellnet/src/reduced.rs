use crate::error::NetworkError;
use crate::train::Recipe;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Reduced trainings by their published names (Zhou et al., EcoNAS, CVPR 2020, as Abdelfattah et al., ICLR 2021,
/// set them up): smaller images, fewer channels, and a cosine over 40 epochs that is read before its end.
///
/// ```
/// use cellnet::Reduced;
/// let setting: Reduced = "r8c4".parse()?;
/// assert_eq!((setting.image(), setting.channels()), (8, 4));
/// assert_eq!((setting.recipe().epochs, setting.recipe().length()), (40, 20));
/// # Ok::<(), cellnet::NetworkError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reduced {
    /// EcoNAS: 8 x 8 images, 4 channels, read at epoch 20.
    R8c4,
    /// EcoNAS+: 16 x 16 images, 8 channels, read at epoch 15.
    R16c8,
}

impl Reduced {
    /// Side of the images.
    pub fn image(self) -> usize {
        match self {
            Self::R8c4 => 8,
            Self::R16c8 => 16,
        }
    }

    /// Channels of the first stage.
    pub fn channels(self) -> u64 {
        match self {
            Self::R8c4 => 4,
            Self::R16c8 => 8,
        }
    }

    /// How it is trained; crops are an eighth of the side, as 4 of 32 pixels.
    pub fn recipe(self) -> Recipe {
        let stop = match self {
            Self::R8c4 => 20,
            Self::R16c8 => 15,
        };
        Recipe {
            batch: 2048,
            rate: 0.1,
            crop: self.image() / 8,
            stop: Some(stop),
            ..Recipe::nas_bench_201(40)
        }
    }
}

impl fmt::Display for Reduced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::R8c4 => "r8c4",
            Self::R16c8 => "r16c8",
        })
    }
}

impl FromStr for Reduced {
    type Err = NetworkError;

    fn from_str(name: &str) -> Result<Self, NetworkError> {
        let found = [Self::R8c4, Self::R16c8].into_iter().find(|setting| setting.to_string() == name);
        found.ok_or_else(|| NetworkError::Setting {
            setting: "setting",
            found: name.to_owned(),
            expected: "r8c4 or r16c8",
        })
    }
}
