//! Columns by name: of tables, and of the benchmark that comes with the program, reduced trainings and measured latencies
//! of NAS-Bench-201, as columns that `benchmark:COLUMN` names, of all its cells.

use crate::classes::{ClassTable, firsts};
use crate::failure::{Failure, OrFail};
use crate::predictable::Predictable;
use crate::registry::{Space, on_space};
use anyhow::{Context, anyhow};
use nas_core::{Labelled, SearchSpace};
use serde_json::Value;
use sha2::{Digest, Sha256};
use spaces::NasBench201;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::Path;
use std::sync::LazyLock;
use tables::{Column, Provenance, TableRef, hex};

/// What a column's name begins with where its negatives are meant.
const MINUS: char = '-';

/// What stands for its file.
pub(crate) const BENCHMARK: &str = "benchmark";

const FILES: [&[u8]; 2] = [
    include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/brp-nas/benchmark/accuracy.csv.gz")),
    include_bytes!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../fixtures/latbench/nas_bench_201/latency.csv.gz"
    )),
];

static TABLES: LazyLock<[Result<ClassTable, String>; 2]> =
    LazyLock::new(|| FILES.map(|file| ClassTable::read(file).map_err(|error| format!("{error:#}"))));

/// Whether it is meant, and no file of that name.
fn is_meant(file: &Path) -> bool {
    file == Path::new(BENCHMARK) && !file.exists()
}

/// Whether a column of it is named.
pub(crate) fn is_benchmark(table: Option<&TableRef>) -> bool {
    table.is_some_and(|table| is_meant(&table.file))
}

/// A column of a table, or of the benchmark.
pub(crate) fn read_column<S: SearchSpace>(space: &S, table: &TableRef) -> Result<Column<S::Arch>, Failure> {
    let columns = read_columns(space, &table.file, &[table.column.as_str()])?;
    columns.into_iter().next().context("a column that is not there").or_failed()
}

/// A column to learn from and to be tested by: of the benchmark a class of equal cells once, as all of them have the label
/// of one training.
pub(crate) fn read_rows<S: Predictable>(space: &S, table: &TableRef) -> Result<Column<S::Arch>, Failure> {
    let column = read_column(space, table)?;
    let rows = rows_of(space, Some(table), &column);
    let provenance = Provenance { rows: rows.len(), ..column.provenance().clone() };
    Ok(Column::new(rows, provenance))
}

/// The rows of a table, a class of equal architectures once where the table is of classes.
pub(crate) fn rows_of<S: Predictable>(
    space: &S,
    table: Option<&TableRef>,
    column: &Column<S::Arch>,
) -> Labelled<S::Arch> {
    let known = column.labelled();
    if !is_benchmark(table) {
        return known.clone();
    }
    let first = |row: &usize| space.representative(&known.archs()[*row]) == known.archs()[*row];
    known.select(&(0..known.len()).filter(first).collect::<Vec<_>>())
}

/// The same column, to look up `archs` in and what the space itself writes, where they are in it in other words: with nodes
/// in another order or of other names. Of several rows that say the same the first counts.
pub(crate) fn reworded<S: Predictable>(
    space: &S,
    column: &Column<S::Arch>,
    archs: &[S::Arch],
) -> Result<Column<S::Arch>, Failure> {
    if archs.iter().all(|arch| column.get(arch).is_some()) {
        return Ok(column.clone());
    }
    let mut written = BTreeMap::new();
    for (arch, value) in column.labelled().archs().iter().zip(column.labelled().values()) {
        written.entry(space.written(arch)).or_insert(*value);
    }
    let (mut known, mut values) = (column.labelled().archs().to_vec(), column.labelled().values().to_vec());
    let others: BTreeSet<&S::Arch> = archs.iter().chain(written.keys()).collect();
    for arch in others.into_iter().filter(|arch| column.get(arch).is_none()) {
        if let Some(value) = written.get(&space.written(arch)) {
            known.push(arch.clone());
            values.push(*value);
        }
    }
    Ok(Column::new(Labelled::new(known, values).or_failed()?, column.provenance().clone()))
}

/// A column to look up `archs` in.
pub(crate) fn read_for<S: Predictable>(
    space: &S,
    table: &TableRef,
    archs: &[S::Arch],
) -> Result<Column<S::Arch>, Failure> {
    reworded(space, &read_column(space, table)?, archs)
}

/// Whether two columns are the same one, or one the negatives of the other.
pub(crate) fn same<A: Ord>(one: &Provenance, other: &Column<A>) -> bool {
    let other = other.provenance();
    let bare = |of: &Provenance| of.column.trim_start_matches(MINUS).to_owned();
    one.sha256 == other.sha256 && bare(one) == bare(other)
}

/// What a column says of some architectures, and where it comes from.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Nothing where no table is asked.
    pub(crate) values: Option<Vec<Option<f64>>>,
    /// For the record.
    pub(crate) provenance: Vec<Value>,
}

impl Told {
    pub(crate) fn of(name: Space, archs: &[String], table: Option<&TableRef>) -> Result<Self, Failure> {
        let Some(table) = table else { return Ok(Self::default()) };
        on_space!(name, space => {
            let archs = archs.iter().map(|text| space.parse(text)).collect::<Result<Vec<_>, _>>().or_input()?;
            let column = read_for(space, table, &archs)?;
            Ok(Self {
                values: Some(archs.iter().map(|arch| column.get(arch)).collect()),
                provenance: vec![serde_json::to_value(column.provenance()).or_failed()?],
            })
        })
    }
}

/// Several columns of a file, or of the benchmark. Where no column is called `-NAME` it is the negatives of `NAME`, of which
/// the largest is best.
pub(crate) fn read_columns<S: SearchSpace>(
    space: &S,
    file: &Path,
    names: &[&str],
) -> Result<Vec<Column<S::Arch>>, Failure> {
    let negated = names.iter().any(|name| name.starts_with(MINUS));
    let there = if negated { names_of(file)? } else { Vec::new() };
    let is_there = |name: &str| there.iter().any(|there| there == name);
    let source = |name: &&'_ str| match name.strip_prefix(MINUS) {
        Some(source) if !is_there(name) && is_there(source) => source.to_owned(),
        _ => (*name).to_owned(),
    };
    let sources: Vec<String> = names.iter().map(source).collect();
    let columns = read_as_they_are(space, file, &sources.iter().map(String::as_str).collect::<Vec<_>>())?;
    let of_name = |(column, name): (Column<S::Arch>, &&str)| match column.provenance().column == **name {
        true => Ok(column),
        false => negative(&column, name),
    };
    columns.into_iter().zip(names).map(of_name).collect()
}

/// The columns of a file, or of the benchmark.
pub(crate) fn names_of(file: &Path) -> Result<Vec<String>, Failure> {
    if !is_meant(file) {
        return tables::list_columns(file).or_input();
    }
    Ok(TABLES.iter().flatten().flat_map(|table| table.names().to_vec()).collect())
}

fn negative<A: Clone + Ord>(column: &Column<A>, name: &str) -> Result<Column<A>, Failure> {
    let labelled = column.labelled();
    // not of a 0
    let values = labelled.values().iter().map(|value| 0.0 - value).collect();
    let provenance = Provenance { column: name.into(), ..column.provenance().clone() };
    Ok(Column::new(Labelled::new(labelled.archs().to_vec(), values).or_failed()?, provenance))
}

fn read_as_they_are<S: SearchSpace>(
    space: &S,
    file: &Path,
    names: &[&str],
) -> Result<Vec<Column<S::Arch>>, Failure> {
    if !is_meant(file) {
        let columns = tables::read_columns(space, file, names).or_input()?;
        note_without_value(file, &columns);
        return Ok(columns);
    }
    if space.name() != NasBench201.name() {
        let (own, other) = (NasBench201.name(), space.name());
        return Err(anyhow!("the {BENCHMARK} is of {own}, and not of {other}: name a table of it"))
            .or_input();
    }
    let (columns, counts): (Vec<_>, Vec<_>) =
        names.iter().map(|name| column(space, name)).collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    let classes = firsts().len();
    if counts.iter().any(|count| *count < classes) {
        let parts = names.iter().zip(counts).map(|(name, count)| format!("{name} of {count}"));
        let parts = parts.collect::<Vec<_>>().join(", ");
        eprintln!("the {BENCHMARK} is partial so far: {parts}, of {classes} classes of equal networks");
    }
    Ok(columns)
}

/// Refuses a latency or another cost of zero or less, with which somebody means that there is none: it would be the best.
pub(crate) fn check_costs<A: Ord + Display>(column: &Column<A>) -> Result<(), Failure> {
    let labelled = column.labelled();
    let Some(row) = labelled.values().iter().position(|value| *value <= 0.0) else { return Ok(()) };
    let Provenance { file, column, .. } = column.provenance();
    let (arch, value) = (&labelled.archs()[row], labelled.values()[row]);
    Err(anyhow!(
        "{}, column `{column}`: {value} of {arch} is no cost, which is above 0; leave the field empty where there is \
         none",
        file.display()
    ))
    .or_input()
}

/// Says how many rows of a file have no value, where there are such.
fn note_without_value<A: Ord>(file: &Path, columns: &[Column<A>]) {
    let lacking = columns.iter().map(Column::provenance).filter(|of| of.without_value > 0);
    let parts: Vec<String> =
        lacking.map(|of| format!("{} rows have no {}", of.without_value, of.column)).collect();
    if !parts.is_empty() {
        eprintln!("{}: {}", file.display(), parts.join(", "));
    }
}

/// A column of the benchmark, and of how many classes it knows something.
fn column<S: SearchSpace>(space: &S, name: &str) -> Result<(Column<S::Arch>, usize), Failure> {
    let mut known = Vec::new();
    for (table, bytes) in TABLES.iter().zip(FILES) {
        let table =
            table.as_ref().map_err(|error| anyhow!("the {BENCHMARK} is damaged: {error}")).or_failed()?;
        if !table.names().iter().any(|known| known == name) {
            known.extend(table.names());
            continue;
        }
        let (mut archs, mut values, mut missing) = (Vec::new(), Vec::new(), 0);
        for cell in NasBench201.enumerate().into_iter().flatten() {
            match table.get(name, &cell) {
                Some(value) => {
                    archs.push(space.parse(&cell.to_string()).or_failed()?);
                    values.push(value);
                }
                None => missing += 1,
            }
        }
        let provenance = Provenance {
            file: BENCHMARK.into(),
            column: name.into(),
            rows: values.len(),
            without_value: missing,
            sha256: hex(&Sha256::digest(bytes)),
        };
        return Ok((Column::new(Labelled::new(archs, values).or_failed()?, provenance), table.count(name)));
    }
    let known: Vec<&str> = known.iter().map(|name| name.as_str()).collect();
    Err(anyhow!("the {BENCHMARK} has no column `{name}`; there are {}", known.join(", "))).or_input()
}
