//! `{"name": {"op": "..", "input": ["..", ..]}, ..}`, as Python's `json.dumps` writes it; read with white space
//! anywhere and the two fields in any order.

use super::NasBenchNlp;
use super::recipe::{Entry, Operation, Recipe};
use crate::reader::{Reader, serde_as_text};
use nas_core::ParseArchError;
use std::fmt;
use std::str::FromStr;

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (place, (name, node)) in self.names().iter().zip(self.nodes()).enumerate() {
            let before = if place == 0 { "" } else { ", " };
            write!(f, "{before}\"{name}\": {{\"op\": \"{}\", \"input\": [", node.op)?;
            for (at, source) in node.inputs.iter().enumerate() {
                write!(f, "{}\"{}\"", if at == 0 { "" } else { ", " }, self.source(*source))?;
            }
            f.write_str("]}")?;
        }
        f.write_str("}")
    }
}

/// The bytes at which the parts of a node start.
struct Places {
    name: usize,
    op: usize,
    list: usize,
    inputs: Vec<usize>,
}

impl FromStr for Recipe {
    type Err = ParseArchError;

    fn from_str(text: &str) -> Result<Self, ParseArchError> {
        let mut reader = Reader::new(NasBenchNlp::NAME, text);
        let (mut entries, mut places) = (Vec::new(), Vec::new());
        token(&mut reader, "{")?;
        loop {
            let (entry, place) = node(&mut reader)?;
            entries.push(entry);
            places.push(place);
            if !comma(&mut reader, "}", "")? {
                break;
            }
        }
        white(&mut reader);
        reader.end()?;
        Self::new(entries).map_err(|error| {
            let place = error.node.and_then(|node| places.get(node));
            let at = place.map_or(0, |place| match (error.field, error.input) {
                ("input", Some(input)) => place.inputs.get(input).copied().unwrap_or(place.list),
                ("input", None) => place.list,
                ("op", _) => place.op,
                _ => place.name,
            });
            let whose =
                error.node.map_or(String::new(), |_| format!("node `{}`, {}: ", error.name, error.field));
            reader.error_at(at, format!("{whose}{}", error.expected))
        })
    }
}

fn node(reader: &mut Reader<'_>) -> Result<(Entry, Places), ParseArchError> {
    white(reader);
    let start = reader.at();
    let name = string(reader, "the name of a node")?;
    let mut places = Places { name: start, op: 0, list: 0, inputs: Vec::new() };
    let (mut op, mut input) = (None, None);
    let whose = format!("node `{name}`: ");
    token(reader, ":")?;
    token(reader, "{")?;
    loop {
        white(reader);
        if op.is_none() && reader.accept("\"op\"") {
            token(reader, ":")?;
            white(reader);
            places.op = reader.at();
            op = Some(operation(reader, &name)?);
        } else if input.is_none() && reader.accept("\"input\"") {
            token(reader, ":")?;
            white(reader);
            places.list = reader.at();
            input = Some(list(reader, &name, &mut places.inputs)?);
        } else {
            return Err(reader.error(match (&op, &input) {
                (None, None) => format!("{whose}field \"op\" or \"input\""),
                (None, _) => format!("{whose}field \"op\""),
                _ => format!("{whose}field \"input\""),
            }));
        }
        if let (Some(op), Some(input)) = (op, &mut input) {
            token(reader, "}")?;
            return Ok((Entry { name, op, input: std::mem::take(input) }, places));
        }
        token(reader, ",")?;
    }
}

fn operation(reader: &mut Reader<'_>, name: &str) -> Result<Operation, ParseArchError> {
    let known = Operation::ALL.into_iter().find(|op| reader.accept(&format!("\"{op}\"")));
    known.ok_or_else(|| {
        reader.error(format!("node `{name}`, op: one of {} in double quotes", Operation::NAMES.join(", ")))
    })
}

fn list(reader: &mut Reader<'_>, name: &str, places: &mut Vec<usize>) -> Result<Vec<String>, ParseArchError> {
    let whose = format!("node `{name}`, input: ");
    if !reader.accept("[") {
        return Err(reader.error(format!("{whose}`[`")));
    }
    let mut names = Vec::new();
    loop {
        white(reader);
        places.push(reader.at());
        names.push(string(reader, &format!("{whose}a name"))?);
        if !comma(reader, "]", &whose)? {
            return Ok(names);
        }
    }
}

/// Letters, digits and `_` in double quotes: what needs an escape is no name.
fn string(reader: &mut Reader<'_>, what: &str) -> Result<String, ParseArchError> {
    let rest = reader.rest();
    let inside = rest.strip_prefix('"').and_then(|rest| rest.split_once('"')).map(|parts| parts.0);
    let plain = |name: &&str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let Some(name) = inside.filter(plain).filter(|name| !name.is_empty()) else {
        return Err(reader.error(format!("{what} of letters, digits and _ in double quotes")));
    };
    // the same text that was looked at
    ["\"", name, "\""].into_iter().try_for_each(|part| reader.token(part))?;
    Ok(name.into())
}

/// Whether a comma stands here rather than what ends the list.
fn comma(reader: &mut Reader<'_>, end: &str, whose: &str) -> Result<bool, ParseArchError> {
    white(reader);
    if reader.accept(",") {
        Ok(true)
    } else if reader.accept(end) {
        Ok(false)
    } else {
        Err(reader.error(format!("{whose}`,` or `{end}`")))
    }
}

fn token(reader: &mut Reader<'_>, token: &str) -> Result<(), ParseArchError> {
    white(reader);
    reader.token(token)
}

fn white(reader: &mut Reader<'_>) {
    while [" ", "\n", "\r", "\t"].into_iter().any(|blank| reader.accept(blank)) {}
}

serde_as_text!(Recipe);
