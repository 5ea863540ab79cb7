//! Commands whose work can be done piece by piece, anywhere.

use crate::failure::Failure;
use crate::units::Work;
use crate::{measure, score, train};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What is done with work, whatever kind it is of.
pub(crate) trait Visit {
    type Out;

    fn visit<W: Work>(self, work: &W) -> Result<Self::Out, Failure>;
}

/// A command with its flags.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "command", content = "flags", rename_all = "kebab-case")]
pub(crate) enum Pieces {
    Train(Box<train::Args>),
    Score(Box<score::Args>),
    Measure(Box<measure::Args>),
}

impl Pieces {
    /// What is worked on, a text an item.
    pub(crate) fn items(&self) -> Result<Vec<String>, Failure> {
        match self {
            Self::Train(args) => train::items(args),
            Self::Score(args) => score::items(args),
            Self::Measure(args) => measure::items(args),
        }
    }

    /// How many items a task has at least: those that have to be done together.
    pub(crate) fn together(&self) -> u64 {
        match self {
            Self::Train(_) | Self::Score(_) => 1,
            Self::Measure(args) => args.together() as u64,
        }
    }

    /// The store that the flags name.
    pub(crate) fn store(&self) -> Option<&Path> {
        match self {
            Self::Train(args) => args.store(),
            Self::Score(args) => args.store(),
            Self::Measure(args) => args.store(),
        }
    }

    /// The device that is measured, where the flags name one.
    pub(crate) fn device(&self) -> Option<&str> {
        match self {
            Self::Measure(args) => args.device(),
            _ => None,
        }
    }

    /// Shows the work on these items.
    pub(crate) fn on<V: Visit>(&self, items: &[String], visit: V) -> Result<V::Out, Failure> {
        match self {
            Self::Train(args) => train::on(args, items, visit),
            Self::Score(args) => score::on(args, items, visit),
            Self::Measure(args) => measure::on(args, items, visit),
        }
    }
}
