use crate::read::check_distinct;
use crate::table_writer::Ending;
use crate::{ColumnInfo, Kind, Origin, Table, TableError, TableWriter, Values};
use std::fmt::Display;
use std::path::Path;

/// Writes a table: the column `arch`, then `columns` by name; gzipped where the file's name ends in `.gz`.
///
/// A missing value is an empty field. Every value reads back as the same 64 bits, and the same table gives
/// the same bytes. The text goes to a new file beside the target, which takes its name only when all is on
/// disk: the target is never half-written.
///
/// # Errors
/// No architectures, one of them twice, a column that is not as long as they are or whose name cannot be
/// asked for, a value that is not finite, or a file that cannot be written. The target is then untouched.
///
/// ```
/// let file = std::env::temp_dir().join(format!("tables-doc-{}.csv", std::process::id()));
/// tables::write_csv(&file, &["aab", "abb"], &[("latency_ms", &[Some(1.5), None])])?;
/// assert_eq!(std::fs::read_to_string(&file)?, "arch,latency_ms\naab,1.5\nabb,\n");
/// # std::fs::remove_file(&file)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_csv<A: Display + Ord>(
    path: impl AsRef<Path>,
    archs: &[A],
    columns: &[(&str, &[Option<f64>])],
) -> Result<(), TableError> {
    let path = path.as_ref();
    check(path, archs, columns)?;
    let arch = Values::Text(archs.iter().map(|arch| Some(arch.to_string())).collect());
    let mut table = Table::new(Vec::new());
    table.add(ColumnInfo::new("arch", Kind::Text), arch);
    for &(name, values) in columns {
        table.add(ColumnInfo::new(name, Kind::Number), Values::Number(values.to_vec()));
    }
    let zipped = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("gz"));
    let mut writer = TableWriter::create_as(Ending::Csv { zipped }, path, &table.columns)?;
    writer.write(&table.values)?;
    writer.finish(&Origin::default())
}

fn check<A: Display + Ord>(
    path: &Path,
    archs: &[A],
    columns: &[(&str, &[Option<f64>])],
) -> Result<(), TableError> {
    if archs.is_empty() {
        return Err(TableError::NoRows { file: path.into() });
    }
    for &(column, values) in columns {
        // the other names are looked at when the table is made
        if column == "arch" {
            return Err(TableError::ColumnName { file: path.into(), column: column.into() });
        }
        if values.len() != archs.len() {
            let (values, archs) = (values.len(), archs.len());
            return Err(TableError::Lengths { column: column.into(), values, archs });
        }
        if let Some((row, value)) = values.iter().enumerate().find(|(_, v)| v.is_some_and(|v| !v.is_finite()))
        {
            let at = crate::Place { file: path.into(), line: row as u64 + 2, field: column.into() };
            let found = value.map_or_else(String::new, |v| v.to_string());
            return Err(TableError::NotFinite { at: Box::new(at), found });
        }
    }
    check_distinct(path, archs, |row| row as u64 + 1)
}
