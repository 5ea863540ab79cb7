use crate::failure::{Failure, OrFail};
use crate::options::Format;
use comfy_table::{Table, presets};
use serde::Serialize;
use std::io::Write;

/// A result in its three forms.
pub(crate) trait Show: Serialize {
    /// For people: header and rows as a grid, unless there is more to say.
    fn table(&self) -> String {
        rows_as_grid(self)
    }
    /// Header and rows.
    fn rows(&self) -> (Vec<String>, Vec<Vec<String>>);
}

/// Prints a result on stdout. A reader that went away is no failure.
pub(crate) fn print(result: &impl Show, format: Format) -> Result<(), Failure> {
    let text = match format {
        Format::Table => result.table(),
        Format::Json => serde_json::to_string(result).or_failed()? + "\n",
        Format::Csv => {
            let (header, rows) = result.rows();
            let mut writer = csv::Writer::from_writer(Vec::new());
            std::iter::once(&header).chain(&rows).try_for_each(|row| writer.write_record(row)).or_failed()?;
            String::from_utf8(writer.into_inner().or_failed()?).or_failed()?
        }
    };
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.or_failed(),
    }
}

/// Header and rows of a result as a table for a terminal.
pub(crate) fn rows_as_grid<S: Show + ?Sized>(result: &S) -> String {
    let (header, rows) = result.rows();
    grid(&header.iter().map(String::as_str).collect::<Vec<_>>(), rows)
}

/// A table for a terminal.
pub(crate) fn grid(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(header);
    rows.into_iter().for_each(|row| {
        table.add_row(row);
    });
    format!("{table}\n")
}

/// How a value of an enumeration is called on the command line and in records; nothing where it has no name.
pub(crate) fn name(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(String::from)).unwrap_or_default()
}

/// A number with so many decimals, or nothing.
pub(crate) fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(String::new, |value| format!("{value:.decimals$}"))
}
