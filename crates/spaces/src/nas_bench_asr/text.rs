//! `[[op, skip], [op, skip, skip], [op, skip, skip, skip]]` with numbers, as the published lists print.
//!
//! Read with any number of spaces between the words, round or square brackets, and an operation as its number or its
//! name in either kind of quotes.

use super::{Cell, NODES, NasBenchAsr, Operation, SKIPS};
use crate::reader::{Reader, serde_as_text};
use nas_core::ParseArchError;
use std::fmt;
use std::str::FromStr;

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (node, op) in (1..).zip(self.operations()) {
            write!(f, "{}[{}", if node == 1 { "" } else { ", " }, op.number())?;
            (0..node).try_for_each(|state| write!(f, ", {}", u8::from(self.skip(node, state))))?;
            f.write_str("]")?;
        }
        f.write_str("]")
    }
}

impl FromStr for Cell {
    type Err = ParseArchError;

    fn from_str(text: &str) -> Result<Self, ParseArchError> {
        let mut reader = Reader::new(NasBenchAsr::NAME, text);
        let (mut ops, mut skips) = ([Operation::Linear; NODES], [false; SKIPS.len()]);
        let mut there = skips.iter_mut();
        let outer = reader.open()?;
        for (node, op) in (1..).zip(&mut ops) {
            if node > 1 {
                reader.spaced(&[","])?;
            }
            let inner = reader.open()?;
            *op = operation(&mut reader)?;
            for skip in there.by_ref().take(node) {
                reader.spaced(&[","])?;
                reader.blanks();
                *skip = reader.digit_below(2)? == 1;
            }
            reader.spaced(&[inner])?;
        }
        reader.spaced(&[outer])?;
        reader.blanks();
        reader.end()?;
        Ok(Self::new(ops, skips))
    }
}

fn operation(reader: &mut Reader<'_>) -> Result<Operation, ParseArchError> {
    reader.blanks();
    let quote = ["'", "\""].into_iter().find(|quote| reader.accept(quote));
    let Some(quote) = quote else {
        return Ok(Operation::ALL[usize::from(reader.digit_below(6)?)]);
    };
    let op = Operation::ALL[reader.one_of(&Operation::NAMES)?];
    reader.token(quote)?;
    Ok(op)
}

serde_as_text!(Cell);
