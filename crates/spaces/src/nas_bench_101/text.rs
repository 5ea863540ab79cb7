//! `<adjacency, row by row, 0 or 1>:<operations>`, input and output included, no spaces.

use super::matrix::{INNER, MAX_EDGES, MAX_VERTICES, Matrix};
use super::{Draft, NasBench101, Operation, Spec};
use crate::SpaceError;
use crate::reader::{Reader, serde_as_text};
use nas_core::ParseArchError;
use std::fmt;
use std::str::FromStr;

pub(super) const INPUT: &str = "input";
pub(super) const OUTPUT: &str = "output";

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(f, self.matrix(), self.operations())
    }
}

/// As a spec, dead parts included.
impl fmt::Display for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(f, self.matrix(), &self.ops()[..self.matrix().inner()])
    }
}

fn print(f: &mut fmt::Formatter<'_>, matrix: Matrix, ops: &[Operation]) -> fmt::Result {
    for from in 0..matrix.vertices() {
        (0..matrix.vertices())
            .try_for_each(|to| f.write_str(if matrix.has(from, to) { "1" } else { "0" }))?;
    }
    write!(f, ":{INPUT}")?;
    ops.iter().try_for_each(|op| write!(f, ",{op}"))?;
    write!(f, ",{OUTPUT}")
}

/// Prunes what it reads: dead parts are accepted, and are not there afterwards.
impl FromStr for Spec {
    type Err = ParseArchError;

    fn from_str(text: &str) -> Result<Self, ParseArchError> {
        let draft: Draft = text.parse()?;
        draft.prune().map_err(|error| {
            let expected = match error {
                SpaceError::Edges { found, .. } => {
                    format!("at most {MAX_EDGES} edges on paths from input to output, not {found}")
                }
                _ => "an adjacency with a path from input to output".into(),
            };
            Reader::new(NasBench101::NAME, text).error(expected)
        })
    }
}

/// Keeps dead parts.
impl FromStr for Draft {
    type Err = ParseArchError;

    fn from_str(text: &str) -> Result<Self, ParseArchError> {
        let mut reader = Reader::new(NasBench101::NAME, text);
        let digits = text.bytes().take_while(|byte| matches!(byte, b'0' | b'1')).count();
        let Some(vertices) = (2..=MAX_VERTICES).find(|n| n * n == digits) else {
            let expected = "an adjacency of 2 to 7 vertices: 4, 9, 16, 25, 36 or 49 digits 0 or 1";
            // what stands behind the digits may be the mistake
            let at = if digits < MAX_VERTICES * MAX_VERTICES && !text[digits..].starts_with(':') {
                digits
            } else {
                0
            };
            return Err(reader.error_at(at, expected));
        };
        let mut matrix = Matrix::empty(vertices);
        for place in 0..digits {
            let (from, to) = (place / vertices, place % vertices);
            if reader.accept("0") {
                continue;
            }
            if from >= to {
                return Err(reader.error("`0`: edges go from a smaller to a larger vertex"));
            }
            reader.token("1")?;
            matrix.flip(from, to);
        }
        reader.token(":")?;
        reader.token(INPUT)?;
        let mut ops = [Operation::Conv3x3; INNER];
        for op in &mut ops[..matrix.inner()] {
            reader.token(",")?;
            *op = Operation::ALL[reader.one_of(&Operation::NAMES)?];
        }
        reader.token(",")?;
        reader.token(OUTPUT)?;
        reader.end()?;
        Ok(Self::of(matrix, ops))
    }
}

serde_as_text!(Spec);
