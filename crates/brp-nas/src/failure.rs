use anyhow::Error;
use std::sync::{Mutex, PoisonError};

/// Why a command ended without a result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Bad usage or input: exit status 2.
    Input(Error),
    /// Anything else: exit status 1.
    Failed(Error),
}

impl Failure {
    /// The same, with where it happened before it.
    pub(crate) fn within(self, place: &str) -> Self {
        match self {
            Self::Input(error) => Self::Input(error.context(place.to_owned())),
            Self::Failed(error) => Self::Failed(error.context(place.to_owned())),
        }
    }

    pub(crate) fn error(&self) -> &Error {
        match self {
            Self::Input(error) | Self::Failed(error) => error,
        }
    }
}

/// Says whose fault an error is.
pub(crate) trait OrFail<T> {
    /// The user's: bad usage or input.
    fn or_input(self) -> Result<T, Failure>;
    /// Nobody's: something went wrong.
    fn or_failed(self) -> Result<T, Failure>;
}

impl<T, E: Into<Error>> OrFail<T> for Result<T, E> {
    fn or_input(self) -> Result<T, Failure> {
        self.map_err(|error| Failure::Input(error.into()))
    }

    fn or_failed(self) -> Result<T, Failure> {
        self.map_err(|error| Failure::Failed(error.into()))
    }
}

/// What went wrong with the work as such, as a store that cannot be opened, where only outcomes of one architecture can be
/// told: for whoever can end it all.
#[derive(Debug, Default)]
pub(crate) struct Broken(Mutex<Vec<String>>);

impl Broken {
    /// Keeps a failure, and gives its words.
    pub(crate) fn say(&self, failure: &Failure) -> String {
        let text = format!("{:#}", failure.error());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(text.clone());
        text
    }

    /// The first that was kept, or the one of these words.
    pub(crate) fn said(&self, words: Option<&str>) -> Option<String> {
        let said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.iter().find(|said| words.is_none_or(|words| words == *said)).cloned()
    }
}
