//! Tables as JSON lines: an object a line, whose keys are the columns.

use crate::guess::Guess;
use crate::source::{COLUMNS, Limits, Rows};
use crate::table::Cell;
use crate::{ColumnInfo, Flaw, Kind, Table, TableError};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// The object of a line: its values as they are written, by key, in the order of the line.
pub(crate) struct Object<'l> {
    entries: Vec<(String, &'l RawValue)>,
    /// Places of the entries by key.
    order: Vec<usize>,
}

impl Object<'_> {
    /// The value of a key as it is written, O(log n); none where there is none, or null.
    fn get(&self, key: &str) -> Option<&str> {
        let place = self.order.binary_search_by(|&place| self.entries[place].0.as_str().cmp(key)).ok()?;
        Some(self.entries[self.order[place]].1.get()).filter(|value| *value != "null")
    }

    /// A key that stands twice.
    fn twice(&self) -> Option<&str> {
        let key = |place: usize| self.entries[place].0.as_str();
        self.order.windows(2).find(|pair| key(pair[0]) == key(pair[1])).map(|pair| key(pair[0]))
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_map(Entries)
    }
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Object<'de>, M::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry::<String, &RawValue>()? {
            entries.push(entry);
        }
        let mut order: Vec<usize> = (0..entries.len()).collect();
        order.sort_by(|&a, &b| entries[a].0.cmp(&entries[b].0));
        Ok(Object { entries, order })
    }
}

/// The keys of a file in the order in which they first occur.
#[derive(Default)]
struct Keys {
    keys: Vec<String>,
    places: BTreeMap<String, usize>,
}

impl Keys {
    /// The place of a key, which is added where it is new.
    fn place(&mut self, key: &str) -> Result<usize, Flaw> {
        if let Some(place) = self.places.get(key) {
            return Ok(*place);
        }
        let place = self.keys.len();
        if place == COLUMNS {
            return Err(Flaw::new("", format!("at most {COLUMNS} columns"), "more"));
        }
        self.keys.push(key.into());
        self.places.insert(key.into(), place);
        Ok(place)
    }
}

/// What a file holds.
pub(crate) struct Columns {
    /// In the order in which they first occur; whole numbers where all of a column is, numbers, else text.
    pub(crate) columns: Vec<ColumnInfo>,
    pub(crate) rows: u64,
    pub(crate) sha256: String,
}

/// Finds out what a file holds, in one pass.
///
/// # Errors
/// A line that is no object.
pub(crate) fn columns(path: &Path, limits: Limits) -> Result<Columns, TableError> {
    let (mut keys, mut guesses, mut rows) = (Keys::default(), Vec::<Guess>::new(), 0);
    let sha256 = each(path, limits, &mut |line, object| {
        rows += 1;
        for (key, value) in &object.entries {
            let place = keys.place(key).map_err(|flaw| broken(path, line, flaw))?;
            guesses.resize(keys.keys.len(), Guess::default());
            guesses[place].see_json(value.get());
        }
        Ok(())
    })?;
    let column = |(key, guess): (String, Guess)| ColumnInfo::new(key, guess.kind());
    let columns = keys.keys.into_iter().zip(guesses).map(column).collect();
    Ok(Columns { columns, rows, sha256 })
}

/// The named columns of a file, `arch` as text and others as numbers, the line of each row, and the checksum; in one
/// pass.
///
/// # Errors
/// A line that is no object, a value that is no number, or a column that is not there.
pub(crate) fn read(
    path: &Path,
    limits: Limits,
    names: &[&str],
) -> Result<(Table, Vec<u64>, String), TableError> {
    let kind = |name: &str| if name == "arch" { Kind::Text } else { Kind::Number };
    let mut table = Table::new(names.iter().map(|name| ColumnInfo::new(*name, kind(name))).collect());
    let (mut keys, mut lines) = (Keys::default(), Vec::new());
    let sha256 = each(path, limits, &mut |line, object| {
        for (key, _) in &object.entries {
            keys.place(key).map_err(|flaw| broken(path, line, flaw))?;
        }
        for column in &table.columns {
            let Some(value) = object.get(&column.name) else { continue };
            let expected = match (column.kind, value.as_bytes()) {
                (Kind::Text, [b'"' | b'{' | b'[', ..]) => continue,
                (Kind::Text, _) => "text",
                (_, [b'-' | b'0'..=b'9', ..]) => continue,
                _ => crate::read::FINITE,
            };
            let found = serde_json::from_str(value).unwrap_or_else(|_| value.to_owned());
            let flaw = Flaw::new(format!("line {line}, column `{}`", column.name), expected, found);
            let advice = "mend the row, or choose another column or space";
            return Err(TableError::Broken { file: path.into(), flaw: Box::new(flaw), advice });
        }
        lines.push(line);
        push(&mut table, path, line, object)
    })?;
    match names.iter().find(|name| !keys.places.contains_key(**name)) {
        None => Ok((table, lines, sha256)),
        Some(&"arch") => Err(TableError::NoArchColumn { file: path.into(), line: 1, there: keys.keys }),
        Some(&name) => Err(TableError::NoSuchColumn {
            file: path.into(),
            line: 1,
            column: name.into(),
            there: keys.keys,
        }),
    }
}

/// Adds the row of an object; what the table has no column for is left out.
///
/// # Errors
/// A text that is none, as half of a pair of surrogates.
pub(crate) fn push(table: &mut Table, path: &Path, line: u64, object: &Object<'_>) -> Result<(), TableError> {
    let cells = table.columns.iter().map(|column| cell(column, object.get(&column.name)));
    let cells: Result<Vec<Cell>, Flaw> = cells.collect();
    table.push(cells.map_err(|flaw| broken(path, line, flaw))?);
    Ok(())
}

fn cell(column: &ColumnInfo, value: Option<&str>) -> Result<Cell, Flaw> {
    Ok(match (column.kind, value) {
        (_, None) => Cell::None,
        (Kind::Integer, Some(value)) => value.parse().map_or(Cell::None, Cell::Integer),
        (Kind::Number, Some(value)) => value.parse().map_or(Cell::None, Cell::Number),
        (Kind::Text, Some(value)) if value.starts_with('"') => {
            let text = serde_json::from_str(value);
            Cell::Text(text.map_err(|error| Flaw::new(format!("column `{}`", column.name), "text", error))?)
        }
        (Kind::Text, Some(value)) => Cell::Text(value.into()),
    })
}

/// Hands over every object with its line, and gives the checksum of the file.
///
/// # Errors
/// A line that is no object, a key that stands twice, more rows than the limits allow, or what `each` says of one.
pub(crate) fn each(
    path: &Path,
    limits: Limits,
    each: &mut dyn FnMut(u64, &Object<'_>) -> Result<(), TableError>,
) -> Result<String, TableError> {
    let mut rows = Rows::open(path, limits)?;
    let mut count = 0;
    while let Some((line, text)) = rows.next_line()? {
        let object: Object<'_> = serde_json::from_slice(text).map_err(|error| {
            broken(path, line, Flaw::new(format!("byte {}", error.column()), "an object of JSON", error))
        })?;
        if let Some(column) = object.twice() {
            return Err(TableError::SameColumnTwice { file: path.into(), line, column: column.into() });
        }
        if count == limits.rows {
            return Err(TableError::TooManyRows { file: path.into(), line, limit: limits.rows });
        }
        each(line, &object)?;
        count += 1;
    }
    if count == 0 {
        return Err(TableError::Empty { file: path.into() });
    }
    rows.checksum()
}

fn broken(path: &Path, line: u64, flaw: Flaw) -> TableError {
    TableError::Broken {
        file: path.into(),
        flaw: Box::new(flaw.within(format!("line {line}"))),
        advice: "write one JSON object a line",
    }
}
