//! The published text, `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`, and nothing else: no spaces, no other order.

use super::{Cell, EDGES, NasBench201, Operation};
use crate::reader::{Reader, serde_as_text};
use nas_core::ParseArchError;
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
        let mut reader = Reader::new(NasBench201::NAME, text);
        let mut ops = [Operation::None; 6];
        for ((target, source), op) in EDGES.into_iter().zip(&mut ops) {
            if source == 0 {
                if target > 1 {
                    reader.token("+")?;
                }
                reader.token("|")?;
            }
            *op = Operation::ALL[reader.one_of(&Operation::NAMES)?];
            reader.token("~")?;
            reader.token(["0", "1", "2"][source])?;
            reader.token("|")?;
        }
        reader.end()?;
        Ok(Self::new(ops))
    }
}

serde_as_text!(Cell);
