use serde::{Deserialize, Serialize};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Numbers of 64 bits.
    Number,
    /// Whole numbers of 64 bits.
    Integer,
    /// Text.
    Text,
}

/// One column of a table, without its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnInfo {
    /// The name, as in `FILE:COLUMN`.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// The unit, for instance `%`, `ms`, `s` or `M`, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The part of the data that it was measured on, named as the source does, where that applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
}

impl ColumnInfo {
    /// A column without unit and split.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self { name: name.into(), kind, unit: None, split: None }
    }

    /// The same column with a unit.
    pub fn unit(mut self, unit: &str) -> Self {
        self.unit = Some(unit.into());
        self
    }

    /// The same column with a split.
    pub fn split(mut self, split: &str) -> Self {
        self.split = Some(split.into());
        self
    }
}

/// The values of a column, one a row; none where there is no value.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// See [`Kind::Number`].
    Number(Vec<Option<f64>>),
    /// See [`Kind::Integer`].
    Integer(Vec<Option<i64>>),
    /// See [`Kind::Text`].
    Text(Vec<Option<String>>),
}

impl Values {
    /// No values yet.
    pub fn none(kind: Kind) -> Self {
        match kind {
            Kind::Number => Self::Number(Vec::new()),
            Kind::Integer => Self::Integer(Vec::new()),
            Kind::Text => Self::Text(Vec::new()),
        }
    }

    /// What the values are.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Number(_) => Kind::Number,
            Self::Integer(_) => Kind::Integer,
            Self::Text(_) => Kind::Text,
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Number(values) => values.len(),
            Self::Integer(values) => values.len(),
            Self::Text(values) => values.len(),
        }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a row as text; none where there is none. Numbers read back as the same 64 bits.
    pub fn text(&self, row: usize) -> Option<String> {
        match self {
            Self::Number(values) => values.get(row).copied().flatten().map(|value| format!("{value:?}")),
            Self::Integer(values) => values.get(row).copied().flatten().map(|value| value.to_string()),
            Self::Text(values) => values.get(row).cloned().flatten(),
        }
    }

    /// The value of a row as a number; none where there is none, or where it is text.
    pub fn number(&self, row: usize) -> Option<f64> {
        match self {
            Self::Number(values) => values.get(row).copied().flatten(),
            Self::Integer(values) => values.get(row).copied().flatten().map(|value| value as f64),
            Self::Text(_) => None,
        }
    }

    /// Rows that have a value.
    pub fn present(&self) -> usize {
        match self {
            Self::Number(values) => values.iter().flatten().count(),
            Self::Integer(values) => values.iter().flatten().count(),
            Self::Text(values) => values.iter().flatten().count(),
        }
    }
}

/// Where a table comes from: kept in its file, so that it goes wherever the file goes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Origin {
    /// The benchmark or program, for instance `NATS-Bench`.
    pub source: String,
    /// The format that was read, as on the command line, for instance `nats-bench`.
    pub format: String,
    /// The name of the file or folder that was read, without where it lay.
    pub file: String,
    /// SHA-256 of the file in hexadecimal; of a folder that of `<name> <SHA-256>` lines of its files by name.
    pub sha256: String,
    /// The licence under which the source is published.
    pub licence: String,
    /// The version of the source, as its file name or text says.
    pub version: String,
    /// What the reader has to say of it, for instance that rows repeat.
    pub notes: Vec<String>,
}

/// Rows in memory. Every column has as many values as every other.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The columns.
    pub columns: Vec<ColumnInfo>,
    /// Their values, column by column.
    pub values: Vec<Values>,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: Vec<ColumnInfo>) -> Self {
        let values = columns.iter().map(|column| Values::none(column.kind)).collect();
        Self { columns, values }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.values.first().map_or(0, Values::len)
    }

    /// The values of the column of this name.
    pub fn column(&self, name: &str) -> Option<&Values> {
        let place = self.columns.iter().position(|column| column.name == name)?;
        self.values.get(place)
    }

    /// Adds the rows of a table of the same columns.
    pub(crate) fn append(&mut self, more: Vec<Values>) {
        for (values, more) in self.values.iter_mut().zip(more) {
            match (values, more) {
                (Values::Number(values), Values::Number(more)) => values.extend(more),
                (Values::Integer(values), Values::Integer(more)) => values.extend(more),
                (Values::Text(values), Values::Text(more)) => values.extend(more),
                _ => {}
            }
        }
    }

    /// Adds a column with its values.
    pub(crate) fn add(&mut self, column: ColumnInfo, values: Values) {
        self.columns.push(column);
        self.values.push(values);
    }
}

/// One value of a row that is added.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    None,
    Number(f64),
    Integer(i64),
    Text(String),
}

impl From<Option<f64>> for Cell {
    fn from(value: Option<f64>) -> Self {
        value.map_or(Self::None, Self::Number)
    }
}

impl Table {
    /// Adds a row; a cell of another kind than its column counts as none, and so does one that is not there.
    pub(crate) fn push(&mut self, row: impl IntoIterator<Item = Cell>) {
        let mut row = row.into_iter();
        for values in &mut self.values {
            match (values, row.next().unwrap_or(Cell::None)) {
                (Values::Number(values), Cell::Number(value)) => values.push(Some(value)),
                (Values::Integer(values), Cell::Integer(value)) => values.push(Some(value)),
                (Values::Text(values), Cell::Text(value)) => values.push(Some(value)),
                (Values::Number(values), _) => values.push(None),
                (Values::Integer(values), _) => values.push(None),
                (Values::Text(values), _) => values.push(None),
            }
        }
    }
}
