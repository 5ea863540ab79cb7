use nas_core::ParseArchError;

/// Reads a text from left to right and says where it stops fitting.
pub(crate) struct Reader<'a> {
    space: &'static str,
    text: &'a str,
    /// Always at the start of a character.
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(space: &'static str, text: &'a str) -> Self {
        Self { space, text, at: 0 }
    }

    /// The byte that is read next.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Reads `token` if it stands here.
    pub(crate) fn accept(&mut self, token: &str) -> bool {
        let there = self.rest().starts_with(token);
        if there {
            self.at += token.len();
        }
        there
    }

    pub(crate) fn token(&mut self, token: &str) -> Result<(), ParseArchError> {
        if self.accept(token) { Ok(()) } else { Err(self.error(format!("`{token}`"))) }
    }

    /// The place in `names` of the one that stands here. Where one name begins another, the longer is taken.
    pub(crate) fn one_of(&mut self, names: &[&str]) -> Result<usize, ParseArchError> {
        let there = names.iter().enumerate().filter(|(_, name)| self.rest().starts_with(**name));
        let Some((place, name)) = there.max_by_key(|(_, name)| name.len()) else {
            return Err(self.error(format!("one of {}", names.join(", "))));
        };
        self.at += name.len();
        Ok(place)
    }

    /// A number below `limit` in plain digits, without leading zeros.
    pub(crate) fn below(&mut self, limit: usize) -> Result<usize, ParseArchError> {
        let rest = self.rest();
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number = rest.get(..digits).filter(|text| digits == 1 || !text.starts_with('0'));
        let Some(number) = number.and_then(|text| text.parse().ok()).filter(|&number| number < limit) else {
            return Err(self.error(format!("a number from 0 to {}", limit.saturating_sub(1))));
        };
        self.at += digits;
        Ok(number)
    }

    /// One digit below `limit`.
    pub(crate) fn digit_below(&mut self, limit: u8) -> Result<u8, ParseArchError> {
        let digit = self.rest().bytes().next().filter(u8::is_ascii_digit).map(|byte| byte - b'0');
        let Some(digit) = digit.filter(|&digit| digit < limit) else {
            return Err(self.error(format!("a number from 0 to {}", limit.saturating_sub(1))));
        };
        self.at += 1;
        Ok(digit)
    }

    /// Reads an opening bracket and gives what closes it.
    pub(crate) fn open(&mut self) -> Result<&'static str, ParseArchError> {
        self.blanks();
        if self.accept("(") {
            return Ok(")");
        }
        self.token("[")?;
        Ok("]")
    }

    /// Spaces, where the form leaves them free.
    pub(crate) fn blanks(&mut self) {
        while self.accept(" ") {}
    }

    /// Reads tokens with any number of spaces before each.
    pub(crate) fn spaced(&mut self, tokens: &[&str]) -> Result<(), ParseArchError> {
        tokens.iter().try_for_each(|token| {
            self.blanks();
            self.token(token)
        })
    }

    pub(crate) fn end(&self) -> Result<(), ParseArchError> {
        if self.rest().is_empty() { Ok(()) } else { Err(self.error("the end")) }
    }

    pub(crate) fn error(&self, expected: impl Into<String>) -> ParseArchError {
        self.error_at(self.at, expected)
    }

    pub(crate) fn error_at(&self, at: usize, expected: impl Into<String>) -> ParseArchError {
        ParseArchError::at(self.space, self.text, at, expected)
    }
}

/// Stores a type as the text that it prints and parses as.
macro_rules! serde_as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'_, str> as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_as_text;
