//! Tables as JSON lines: an object a line, whose keys are the columns.

use crate::source::{COLUMNS, Limits, Rows};
use crate::table::Cell;
use crate::{ColumnInfo, Flaw, Kind, Table, TableError, Values};
use serde_json::{Map, Value};
use std::path::Path;

/// The columns of a file, in the order in which they first occur, with what they hold (whole numbers where
/// all of it is, numbers, else text), and how many rows there are.
///
/// # Errors
/// A line that is no object.
pub(crate) fn columns(path: &Path, limits: Limits) -> Result<(Vec<ColumnInfo>, u64), TableError> {
    let (mut found, mut rows): (Vec<(String, Option<Kind>)>, _) = (Vec::new(), 0);
    each(path, limits, &mut |_, object| {
        rows += 1;
        for (name, value) in object {
            let place = found.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
                found.push((name, None));
                found.len() - 1
            });
            if found.len() > COLUMNS {
                return Err(Flaw::new("", format!("at most {COLUMNS} columns"), "more"));
            }
            let kind = match &value {
                Value::Null => continue,
                Value::Number(number) if number.is_i64() => Kind::Integer,
                Value::Number(_) => Kind::Number,
                _ => Kind::Text,
            };
            if let Some((_, known)) = found.get_mut(place) {
                *known = kind_with(*known, Some(kind));
            }
        }
        Ok(())
    })?;
    let column = |(name, kind): (String, Option<Kind>)| ColumnInfo::new(name, kind.unwrap_or(Kind::Number));
    Ok((found.into_iter().map(column).collect(), rows))
}

/// The named columns of a file, the line of each row, and the checksum.
///
/// # Errors
/// A line that is no object, or a column that is not there.
pub(crate) fn read(
    path: &Path,
    limits: Limits,
    names: &[&str],
) -> Result<(Table, Vec<u64>, String), TableError> {
    let (all, _) = columns(path, limits)?;
    let mut wanted = Vec::new();
    for &name in names {
        let there = || all.iter().map(|column| column.name.clone()).collect();
        let found = all.iter().find(|column| column.name == name).cloned();
        wanted.push(found.ok_or_else(|| match name {
            "arch" => TableError::NoArchColumn { file: path.into(), line: 1, there: there() },
            _ => TableError::NoSuchColumn { file: path.into(), line: 1, column: name.into(), there: there() },
        })?);
    }
    let (mut table, mut lines) = (Table::new(wanted), Vec::new());
    let rows = each(path, limits, &mut |line, object| {
        push(&mut table, &object);
        lines.push(line);
        Ok(())
    })?;
    Ok((table, lines, rows))
}

/// Adds the row of an object; what the table has no column for is left out.
pub(crate) fn push(table: &mut Table, object: &Map<String, Value>) {
    let cells: Vec<Cell> =
        table.columns.iter().map(|column| cell(column, object.get(&column.name))).collect();
    table.push(cells);
}

fn cell(column: &ColumnInfo, value: Option<&Value>) -> Cell {
    match (column.kind, value) {
        (_, None | Some(Value::Null)) => Cell::None,
        (Kind::Integer, Some(value)) => value.as_i64().map_or(Cell::None, Cell::Integer),
        (Kind::Number, Some(value)) => value.as_f64().map_or(Cell::None, Cell::Number),
        (Kind::Text, Some(Value::String(text))) => Cell::Text(text.clone()),
        (Kind::Text, Some(value)) => Cell::Text(value.to_string()),
    }
}

/// Hands over every object with its line, and gives the checksum of the file.
///
/// # Errors
/// A line that is no object, more rows than the limits allow, or what `each` says of one.
pub(crate) fn each(
    path: &Path,
    limits: Limits,
    each: &mut dyn FnMut(u64, Map<String, Value>) -> Result<(), Flaw>,
) -> Result<String, TableError> {
    let mut rows = Rows::open(path, limits)?;
    let broken = |line: u64, flaw: Flaw| TableError::Broken {
        file: path.into(),
        flaw: Box::new(flaw.within(format!("line {line}"))),
        advice: "write one JSON object a line",
    };
    let mut count = 0;
    while let Some(line) = rows.next_line()? {
        let object = serde_json::from_slice(line);
        let line = rows.line;
        let object = object.map_err(|error| {
            broken(line, Flaw::new(format!("byte {}", error.column()), "an object of JSON", error))
        })?;
        if count == limits.rows {
            return Err(TableError::TooManyRows { file: path.into(), line, limit: limits.rows });
        }
        each(line, object).map_err(|flaw| broken(line, flaw))?;
        count += 1;
    }
    if count == 0 {
        return Err(TableError::Empty { file: path.into() });
    }
    rows.checksum()
}

/// The kind of a text field, of CSV, where nothing says it; none of an empty one.
pub(crate) fn kind_of_text(text: &str) -> Option<Kind> {
    Some(match text.trim() {
        "" => return None,
        whole if whole.parse::<i64>().is_ok() => Kind::Integer,
        // a number of 64 bits does not hold it: a seed, or a hash
        digits if digits.len() > 15 && digits.bytes().all(|byte| byte.is_ascii_digit()) => Kind::Text,
        number if number.parse::<f64>().is_ok() => Kind::Number,
        _ => Kind::Text,
    })
}

/// The kind of a column that holds all of the kinds.
pub(crate) fn kind_with(known: Option<Kind>, more: Option<Kind>) -> Option<Kind> {
    match (known, more) {
        (None, other) | (other, None) => other,
        (Some(known), Some(more)) if known == more => Some(known),
        (Some(Kind::Text), _) | (_, Some(Kind::Text)) => Some(Kind::Text),
        _ => Some(Kind::Number),
    }
}

/// The value of a text field in a column of this kind.
pub(crate) fn push_text(values: &mut Values, text: &str) {
    let trimmed = text.trim();
    match values {
        Values::Number(values) => values.push(trimmed.parse().ok()),
        Values::Integer(values) => values.push(trimmed.parse().ok()),
        Values::Text(values) => values.push((!text.is_empty()).then(|| text.to_owned())),
    }
}
