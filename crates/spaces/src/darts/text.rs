//! `Genotype(normal=[('op', source), ..], normal_concat=range(2, 6), reduce=[..], reduce_concat=range(2, 6))`.
//!
//! Read with any number of spaces between the words, either kind of quotes, lists or tuples, and the states that are
//! concatenated as `range(2, 6)` or `[2, 3, 4, 5]`: published genotypes are written in all of these ways.

use super::genotype::NODES;
use super::{Cell, Darts, Genotype, Operation};
use crate::reader::{Reader, serde_as_text};
use nas_core::ParseArchError;
use std::fmt;
use std::str::FromStr;

impl fmt::Display for Genotype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Genotype(")?;
        for (name, cell, before) in [("normal", self.normal, ""), ("reduce", self.reduce, ", ")] {
            write!(f, "{before}{name}=[")?;
            for (place, (op, source)) in cell.inputs().as_flattened().iter().enumerate() {
                write!(f, "{}('{op}', {source})", if place == 0 { "" } else { ", " })?;
            }
            write!(f, "], {name}_concat=range(2, 6)")?;
        }
        f.write_str(")")
    }
}

impl FromStr for Genotype {
    type Err = ParseArchError;

    fn from_str(text: &str) -> Result<Self, ParseArchError> {
        let mut reader = Reader::new(Darts::NAME, text);
        reader.spaced(&["Genotype", "("])?;
        let normal = cell(&mut reader, "normal", "normal_concat")?;
        reader.spaced(&[","])?;
        let reduce = cell(&mut reader, "reduce", "reduce_concat")?;
        reader.spaced(&[")"])?;
        reader.blanks();
        reader.end()?;
        Ok(Self { normal, reduce })
    }
}

fn cell(reader: &mut Reader<'_>, name: &str, concat: &str) -> Result<Cell, ParseArchError> {
    reader.spaced(&[name, "="])?;
    let end = reader.open()?;
    let mut inputs = [[(Operation::SkipConnect, 0); 2]; NODES];
    let start = reader.at();
    for (node, pair) in inputs.iter_mut().enumerate() {
        for place in 0..pair.len() {
            if node + place > 0 {
                reader.spaced(&[","])?;
            }
            let closed = reader.open()?;
            reader.blanks();
            let quote = if reader.rest().starts_with('"') { "\"" } else { "'" };
            reader.token(quote)?;
            let op = Operation::ALL[reader.one_of(&Operation::NAMES)?];
            reader.token(quote)?;
            reader.spaced(&[","])?;
            reader.blanks();
            let at = reader.at();
            let source = reader.below(node + 2)?;
            if place == 1 && source == pair[0].1 {
                return Err(reader
                    .error_at(at, format!("another source than {source}, which the node already reads")));
            }
            reader.spaced(&[closed])?;
            pair[place] = (op, source);
        }
    }
    reader.spaced(&[end, ",", concat, "="])?;
    reader.blanks();
    if reader.accept("range") {
        reader.spaced(&["(", "2", ",", "6", ")"])?;
    } else if reader.rest().starts_with(['[', '(']) {
        let end = reader.open()?;
        reader.spaced(&["2", ",", "3", ",", "4", ",", "5", end])?;
    } else {
        return Err(reader.error("`range(2, 6)` or `[2, 3, 4, 5]`"));
    }
    Cell::new(inputs).map_err(|error| reader.error_at(start, error.to_string()))
}

serde_as_text!(Genotype);
