//! The published text, `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`, and nothing else: no spaces, no other order.

use super::{Cell, EDGES, NasBench201, Operation};
use nas_core::ParseArchError;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((target, source), op) in EDGES.into_iter().zip(self.operations()) {
            if source == 0 {
                f.write_str(if target == 1 { "|" } else { "+|" })?;
            }
            write!(f, "{op}~{source}|")?;
        }
        Ok(())
    }
}

impl FromStr for Cell {
    type Err = ParseArchError;

    fn from_str(text: &str) -> Result<Self, ParseArchError> {
        let mut reader = Reader { text, at: 0 };
        let mut ops = [Operation::None; 6];
        for ((target, source), op) in EDGES.into_iter().zip(&mut ops) {
            if source == 0 {
                if target > 1 {
                    reader.token("+")?;
                }
                reader.token("|")?;
            }
            *op = reader.operation()?;
            reader.token("~")?;
            reader.token(["0", "1", "2"][source])?;
            reader.token("|")?;
        }
        if reader.rest().is_empty() { Ok(Self::new(ops)) } else { Err(reader.error("the end")) }
    }
}

struct Reader<'a> {
    text: &'a str,
    /// Always at the start of a character: only ASCII has been read.
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn token(&mut self, token: &str) -> Result<(), ParseArchError> {
        if !self.rest().starts_with(token) {
            return Err(self.error(format!("`{token}`")));
        }
        self.at += token.len();
        Ok(())
    }

    fn operation(&mut self) -> Result<Operation, ParseArchError> {
        // no name is the beginning of another
        let Some(op) = Operation::ALL.into_iter().find(|op| self.rest().starts_with(op.name())) else {
            return Err(self.error(format!("one of {}", Operation::NAMES.join(", "))));
        };
        self.at += op.name().len();
        Ok(op)
    }

    fn error(&self, expected: impl Into<String>) -> ParseArchError {
        ParseArchError::at(NasBench201::NAME, self.text, self.at, expected)
    }
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
