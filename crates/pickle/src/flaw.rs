use std::fmt;

/// What is wrong in the bytes of a file, before it is known which file that is.
///
/// ```
/// let flaw = pickle::Flaw::new("byte 12", "a dict", "a list").within("key 'params'");
/// assert_eq!(flaw.to_string(), "key 'params', byte 12: expected a dict, found a list");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Where, from the outside in, for instance `record 5, byte 12`.
    pub at: String,
    /// What should stand there.
    pub expected: String,
    /// What does, cut to 120 characters.
    pub found: String,
}

impl Flaw {
    /// A flaw at a place.
    pub fn new(at: impl Into<String>, expected: impl Into<String>, found: impl fmt::Display) -> Self {
        Self { at: at.into(), expected: expected.into(), found: Self::cut(&found.to_string()) }
    }

    /// At most 120 characters of a text that somebody else wrote.
    pub fn cut(text: &str) -> String {
        match text.char_indices().nth(120) {
            Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
            None => text.to_owned(),
        }
    }

    /// The same flaw with a place around its own.
    pub fn within(mut self, outer: impl fmt::Display) -> Self {
        self.at = if self.at.is_empty() { outer.to_string() } else { format!("{outer}, {}", self.at) };
        self
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, expected, found } = self;
        if !at.is_empty() {
            write!(f, "{at}: ")?;
        }
        write!(f, "expected {expected}, found {found}")
    }
}

impl std::error::Error for Flaw {}
