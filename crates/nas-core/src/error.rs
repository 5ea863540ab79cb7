use thiserror::Error;

/// Why a text is not an architecture of a space.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not an architecture of {space}: at byte {at} expected {expected}, found {found}")]
pub struct ParseArchError {
    /// The space that was asked to parse.
    pub space: String,
    /// The whole text, cut to 200 bytes.
    pub text: String,
    /// Byte offset of the first thing that does not fit.
    pub at: usize,
    /// What would have been right there.
    pub expected: String,
    /// What stands there instead.
    pub found: String,
}

impl ParseArchError {
    /// An error at byte `at` of `text`; `found` is read off the text, up to the next white space.
    pub fn at(space: &str, text: &str, at: usize, expected: impl Into<String>) -> Self {
        let rest = text.get(at..).unwrap_or("");
        let word: String = rest.chars().take(24).take_while(|c| !c.is_whitespace()).collect();
        Self {
            space: space.into(),
            text: text.chars().take(200).collect(),
            at,
            expected: expected.into(),
            found: match rest.chars().next() {
                None => "the end".into(),
                Some(space) if word.is_empty() => format!("{space:?}"),
                Some(_) => format!("`{word}`"),
            },
        }
    }
}

/// Why a set of labels cannot be used.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum LabelError {
    /// One value an architecture is needed.
    #[error("{archs} architectures but {values} values: one value an architecture is needed")]
    Lengths {
        /// Number of architectures.
        archs: usize,
        /// Number of values.
        values: usize,
    },
    /// A value is NaN or infinite.
    #[error("value {index} is {value}: labels must be finite; leave such rows out")]
    NotFinite {
        /// Row of the value.
        index: usize,
        /// The value.
        value: f64,
    },
    /// More rows were asked for than there are.
    #[error("{train} training and {validation} validation rows were asked for, but there are only {rows}")]
    TooFew {
        /// Rows asked for to train on.
        train: usize,
        /// Rows asked for to validate on.
        validation: usize,
        /// Rows there are.
        rows: usize,
    },
}
