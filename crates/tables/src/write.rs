use crate::TableError;
use crate::read::check_distinct;
use flate2::{Compression, GzBuilder};
use std::fmt::Display;
use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

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
    let failed = |source| TableError::Write { file: path.into(), source };
    let partial = Partial(beside(path).map_err(failed)?);
    let file = OpenOptions::new().write(true).create_new(true).open(&partial.0).map_err(failed)?;
    let text = BufWriter::new(&file);
    let zipped = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("gz"));
    let written = if zipped {
        // no name and no time in the gzip header
        let mut zip = GzBuilder::new().write(text, Compression::default());
        rows(&mut zip, archs, columns).and_then(|()| zip.finish()).and_then(|mut text| text.flush())
    } else {
        let mut text = text;
        rows(&mut text, archs, columns).and_then(|()| text.flush())
    };
    written.and_then(|()| file.sync_all()).and_then(|()| fs::rename(&partial.0, path)).map_err(failed)
}

fn check<A: Display + Ord>(
    path: &Path,
    archs: &[A],
    columns: &[(&str, &[Option<f64>])],
) -> Result<(), TableError> {
    if archs.is_empty() {
        return Err(TableError::NoRows { file: path.into() });
    }
    for (i, &(column, values)) in columns.iter().enumerate() {
        let bad_name = column.is_empty() || column == "arch" || column.contains(':');
        if bad_name {
            return Err(TableError::ColumnName { file: path.into(), column: column.into() });
        }
        if columns[..i].iter().any(|(other, _)| *other == column) {
            return Err(TableError::SameColumnTwice { file: path.into(), line: 1, column: column.into() });
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

fn rows<A: Display>(to: impl Write, archs: &[A], columns: &[(&str, &[Option<f64>])]) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(to);
    csv.write_field("arch")?;
    for (name, _) in columns {
        csv.write_field(name)?;
    }
    csv.write_record(None::<&[u8]>)?;
    for (row, arch) in archs.iter().enumerate() {
        csv.write_field(arch.to_string())?;
        for (_, values) in columns {
            let value = values.get(row).copied().flatten();
            csv.write_field(value.map_or_else(String::new, |v| format!("{v:?}")))?;
        }
        csv.write_record(None::<&[u8]>)?;
    }
    csv.flush()
}

/// A name in the same folder that no other writer uses.
pub(crate) fn beside(path: &Path) -> io::Result<PathBuf> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().ok_or_else(|| io::Error::other("the path names no file"))?;
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let partial = format!(".{}.{}-{number}.partial", name.to_string_lossy(), std::process::id());
    let partial = path.with_file_name(partial);
    // left behind by an earlier program that was stopped and had the same number
    match fs::remove_file(&partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(partial),
    }
}

/// Removes the new file where it did not take the target's name.
pub(crate) struct Partial(pub(crate) PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
