use crate::TableError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// One column of one file, written `FILE:COLUMN`.
///
/// The text is split at its last `:`, so the name of the file may hold one and that of the column may not.
///
/// ```
/// use tables::TableRef;
/// let table: TableRef = "data/latency.csv.gz:pixel3_ms".parse()?;
/// assert_eq!(table.column, "pixel3_ms");
/// assert_eq!(table.to_string(), "data/latency.csv.gz:pixel3_ms");
/// assert!("data/latency.csv.gz".parse::<TableRef>().is_err());
/// # Ok::<(), tables::TableError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TableRef {
    /// The file, as given.
    pub file: PathBuf,
    /// The name of the column, as in the header.
    pub column: String,
}

impl FromStr for TableRef {
    type Err = TableError;

    fn from_str(text: &str) -> Result<Self, TableError> {
        match text.rsplit_once(':') {
            Some((file, column)) if !file.is_empty() && !column.is_empty() => {
                Ok(Self { file: file.into(), column: column.into() })
            }
            _ => Err(TableError::NotATable { text: text.chars().take(200).collect() }),
        }
    }
}

impl TryFrom<String> for TableRef {
    type Error = TableError;

    fn try_from(text: String) -> Result<Self, TableError> {
        text.parse()
    }
}

impl From<TableRef> for String {
    fn from(table: TableRef) -> Self {
        table.to_string()
    }
}

impl fmt::Display for TableRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.column)
    }
}
