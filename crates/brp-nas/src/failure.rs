use anyhow::Error;

/// Why a command ended without a result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Bad usage or input: exit status 2.
    Input(Error),
    /// Anything else: exit status 1.
    Failed(Error),
}

impl Failure {
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
