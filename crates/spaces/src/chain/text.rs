//! Choices joined by `_`. Published files also join them by one space (ProxylessNAS) or by nothing
//! (NAS-Bench-Macro), which is read too where it is done throughout.

use super::{Chain, ChainSpace};
use crate::reader::Reader;
use nas_core::ParseArchError;
use std::fmt;

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (layer, choice) in self.choices().iter().enumerate() {
            write!(f, "{}{choice}", if layer == 0 { "" } else { "_" })?;
        }
        Ok(())
    }
}

pub(super) fn parse(space: &ChainSpace, text: &str) -> Result<Chain, ParseArchError> {
    let mut reader = Reader::new(space.name, text);
    // no choice has two digits, so what stands second says how they are joined
    let between = match text.as_bytes().get(1) {
        Some(b' ') => " ",
        Some(digit) if digit.is_ascii_digit() => "",
        _ => "_",
    };
    let mut choices = Vec::with_capacity(space.layers.len());
    for (layer, &count) in space.layers.iter().enumerate() {
        if layer > 0 {
            reader.token(between)?;
        }
        choices.push(reader.digit_below(count)?);
    }
    reader.end()?;
    Ok(Chain(choices))
}
