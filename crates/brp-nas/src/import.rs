//! `brp-nas import`.

use crate::failure::{Failure, OrFail};
use crate::kept_units::{self, Into};
use crate::options::{Format, check_used, cores, read_config};
use crate::output::{self, Show, rows_as_grid};
use crate::registry::Space;
use anyhow::anyhow;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tables::{ColumnInfo, Import, Imported};

/// Flags of `import`; each is also a key of the `--config` file.
#[derive(Debug, Clone, Default, clap::Args, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Args {
    /// What a benchmark publishes, as it is, or any table: a folder or file; with --store also FILE:COLUMN.
    file: Option<PathBuf>,
    /// The format, where its bytes do not say it: nats-bench, nas-bench-101, eagle, eagle-raw, help,
    /// hw-nas-bench, hw-nas-bench-blocks, suite-zero, nlp, csv, jsonl or parquet.
    #[arg(long)]
    from: Option<String>,
    /// The table to write: .parquet, .csv, .csv.gz, .jsonl or .jsonl.gz.
    #[arg(long)]
    to: Option<PathBuf>,
    /// Also write what was measured epoch by epoch, of formats that have it.
    #[arg(long)]
    curves: Option<PathBuf>,
    /// The name of the column, of formats with one value an architecture [default: that of the file].
    #[arg(long)]
    column: Option<String>,
    /// The search space of the architectures [default: nas-bench-201].
    #[arg(long)]
    space: Option<Space>,
    /// The version of the source, to be kept with the table [default: as the name of the file says].
    #[arg(long)]
    source_version: Option<String>,
    /// Take the values into this run store instead: every row of an export, or FILE:COLUMN.
    #[arg(long)]
    store: Option<PathBuf>,
    /// On what the values of FILE:COLUMN were measured, for the store.
    #[arg(long)]
    device: Option<String>,
    /// Under which settings, for the store.
    #[arg(long)]
    fidelity: Option<String>,
    /// TOML file with the same options; flags win.
    #[arg(long)]
    #[serde(skip)]
    config: Option<PathBuf>,
    /// How the result is printed on stdout [default: table].
    #[arg(long)]
    format: Option<Format>,
    /// Files that are unpacked at once [default: one a core].
    #[arg(long)]
    threads: Option<usize>,
}

/// What `import` and `info` print of a table.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) format: String,
    pub(crate) rows: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) curve_rows: Option<u64>,
    pub(crate) columns: Vec<ColumnInfo>,
    pub(crate) source: String,
    pub(crate) file: String,
    pub(crate) sha256: String,
    pub(crate) licence: String,
    pub(crate) version: String,
    pub(crate) notes: Vec<String>,
}

impl Report {
    pub(crate) fn of(imported: Imported, format: String) -> Self {
        let Imported { rows, curve_rows, columns, origin, .. } = imported;
        let tables::Origin { source, file, sha256, licence, version, notes, .. } = origin;
        let curve_rows = (curve_rows > 0).then_some(curve_rows);
        Self { format, rows, curve_rows, columns, source, file, sha256, licence, version, notes }
    }
}

pub(crate) fn main(args: Args) -> Result<(), Failure> {
    let config: Args = read_config(args.config.as_deref())?;
    let given = args.clone();
    let args = Args {
        file: args.file.or(config.file),
        from: args.from.or(config.from),
        to: args.to.or(config.to),
        curves: args.curves.or(config.curves),
        column: args.column.or(config.column),
        space: args.space.or(config.space),
        source_version: args.source_version.or(config.source_version),
        store: args.store.or(config.store),
        device: args.device.or(config.device),
        fidelity: args.fidelity.or(config.fidelity),
        config: None,
        format: args.format.or(config.format),
        threads: args.threads.or(config.threads),
    };
    let file = args.file.as_deref();
    let file = file.ok_or_else(|| anyhow!("no file is named: import FILE --to TABLE")).or_input()?;
    let (table, store) = (args.to.is_some(), args.store.is_some());
    let behind = store && kept_units::named_column(file).is_some();
    let one = store && (behind || args.column.is_some());
    check_used(&[
        ("--curves", given.curves.is_some(), table, "--to TABLE"),
        ("--from", given.from.is_some(), table, "--to TABLE"),
        ("--source-version", given.source_version.is_some(), table, "--to TABLE"),
        ("--device", given.device.is_some(), one, "--store STORE, of a FILE:COLUMN that says none itself"),
        (
            "--fidelity",
            given.fidelity.is_some(),
            one,
            "--store STORE, of a FILE:COLUMN that says none itself",
        ),
        ("--space", given.space.is_some(), table || one, "--to TABLE, and --store STORE of a FILE:COLUMN"),
        ("--column", given.column.is_some(), !behind, "a file without a column behind it"),
        ("--threads", given.threads.is_some(), table, "--to TABLE"),
    ])?;
    match (&args.to, &args.store) {
        (Some(to), None) => to_table(file, to, &args),
        (None, Some(store)) => to_store(file, store, &args),
        _ => Err(anyhow!("name either --to TABLE or --store STORE, where what is imported goes")).or_input(),
    }
}

/// The format of that name.
pub(crate) fn format(name: &str, space: Space) -> Result<tables::Format, Failure> {
    use tables::Format;
    let known = Format::ALL.into_iter().find(|format| format.name() == name);
    let known = known.ok_or_else(|| {
        let names: Vec<&str> = Format::ALL.iter().map(|format| format.name()).collect();
        anyhow!("--from {name}: no such format; there are {}", names.join(", "))
    });
    Ok(match known.or_input()? {
        Format::HwNasBench if space == Space::FbNet => Format::HwNasBenchBlocks,
        other => other,
    })
}

fn to_table(file: &Path, to: &Path, args: &Args) -> Result<(), Failure> {
    let space = args.space.unwrap_or_default();
    let how = Import {
        format: args.from.as_deref().map(|name| format(name, space)).transpose()?,
        column: args.column.clone(),
        curves: args.curves.clone(),
        threads: cores(args.threads)?,
        version: args.source_version.clone(),
        ..Import::default()
    };
    let imported = tables::import(file, to, &how).or_input()?;
    let format = imported.format.name().to_owned();
    output::print(&Report::of(imported, format), args.format.unwrap_or_default())
}

fn to_store(file: &Path, store: &Path, args: &Args) -> Result<(), Failure> {
    let into = Into {
        space: args.space.unwrap_or_default(),
        device: args.device.clone().unwrap_or_default(),
        fidelity: args.fidelity.clone().unwrap_or_default(),
        column: args.column.clone(),
    };
    let taken = kept_units::import(file, store, &into)?;
    output::print(&taken, args.format.unwrap_or_default())
}

impl Show for Report {
    fn table(&self) -> String {
        let mut text = rows_as_grid(self);
        let parts = [
            ("source", &self.source),
            ("version", &self.version),
            ("licence", &self.licence),
            ("file", &self.file),
            ("sha256", &self.sha256),
        ];
        for (name, part) in parts.into_iter().filter(|(_, part)| !part.is_empty()) {
            text += &format!("{name}: {part}\n");
        }
        for note in &self.notes {
            text += &format!("note: {note}\n");
        }
        let curves = self.curve_rows.map_or_else(String::new, |rows| format!(", {rows} rows of curves"));
        text + &format!("{}: {} rows, {} columns{curves}\n", self.format, self.rows, self.columns.len())
    }

    fn rows(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let header = ["column", "kind", "unit", "split"].map(str::to_owned).to_vec();
        let row = |column: &ColumnInfo| {
            let kind = format!("{:?}", column.kind).to_lowercase();
            let or = |text: &Option<String>| text.clone().unwrap_or_default();
            vec![column.name.clone(), kind, or(&column.unit), or(&column.split)]
        };
        (header, self.columns.iter().map(row).collect())
    }
}
