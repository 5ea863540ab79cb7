//! Tables as Parquet: others' files, our own, and files that are damaged.

use crate::{complaint, fixture};
use nas_core::{ParseArchError, SearchSpace, Stream};
use proptest::prelude::*;
use std::fs;
use std::path::Path;
use tables::{ColumnInfo, Kind, Limits, Origin, ParquetTable, Table, Values};
use tempfile::TempDir;

/// A space in which every text is an architecture.
struct Texts;

impl SearchSpace for Texts {
    type Arch = String;

    fn name(&self) -> &str {
        "texts"
    }

    fn len(&self) -> Option<u64> {
        None
    }

    fn sample(&self, _: &mut Stream) -> String {
        String::new()
    }

    fn mutate(&self, arch: &String, _: &mut Stream) -> String {
        arch.clone()
    }

    fn neighbours(&self, _: &String) -> Vec<String> {
        Vec::new()
    }

    fn parse(&self, text: &str) -> Result<String, ParseArchError> {
        match text {
            "bad" => Err(ParseArchError::at("texts", text, 0, "anything else")),
            _ => Ok(text.into()),
        }
    }

    fn enumerate(&self) -> Option<Box<dyn Iterator<Item = String> + '_>> {
        None
    }
}

#[test]
fn files_that_others_write() {
    for name in ["plain", "snappy", "version2", "groups", "gzip"] {
        let file = fixture(&format!("parquet/{name}.parquet"));
        let table = tables::read_table(&file, Limits::default()).unwrap();
        assert_eq!(table.rows(), 50, "{name}");
        let columns: Vec<_> = table.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(columns[..7], ["arch", "double", "float", "int32", "int64", "bool", "text"], "{name}");
        for row in 0..50_i64 {
            let there = row % 7 != 3;
            let expected = [
                ("double", (row as f64) / 3.0),
                ("float", row as f64 / 4.0),
                ("int32", -(row as f64)),
                ("int64", (row << 40) as f64),
                ("bool", f64::from(row % 2 == 0)),
            ];
            for (column, value) in expected {
                let found = table.column(column).unwrap().number(row as usize);
                assert_eq!(found, there.then_some(value), "{name}, {column}");
            }
            let text = table.column("text").unwrap().text(row as usize);
            assert_eq!(text, there.then(|| format!("grün {}", row % 3)), "{name}");
        }
        assert!(!columns.contains(&"list"));
        let doubles = tables::read_columns(&Texts, &file, &["double"]).unwrap().remove(0);
        assert_eq!(doubles.get(&"arch-1".into()), Some(1.0 / 3.0));
        assert_eq!((doubles.provenance().rows, doubles.provenance().without_value), (43, 7));
        assert_eq!(tables::list_columns(&file).unwrap(), columns);
    }
    let zstd = fixture("parquet/zstd.parquet");
    let error = tables::read_table(&zstd, Limits::default()).unwrap_err();
    let said = complaint(&error, zstd.parent().unwrap());
    assert!(said.contains("row group 0, column `arch`") && said.contains("found ZSTD"), "{said}");
}

fn put(dir: &TempDir, columns: Vec<(ColumnInfo, Values)>) -> std::path::PathBuf {
    let file = dir.path().join("t.parquet");
    let (columns, values) = columns.into_iter().unzip();
    tables::write_table(&file, &Table { columns, values }, &Origin::default()).unwrap();
    file
}

fn texts(texts: &[&str]) -> (ColumnInfo, Values) {
    let values = texts.iter().map(|text| Some((*text).to_owned())).collect();
    (ColumnInfo::new("arch", Kind::Text), Values::Text(values))
}

#[test]
fn every_error_names_the_row() {
    let dir = TempDir::new().unwrap();
    let number =
        |values: &[Option<f64>]| (ColumnInfo::new("acc", Kind::Number), Values::Number(values.to_vec()));
    let said = |file: &Path, column: &str| {
        complaint(&tables::read_columns(&Texts, file, &[column]).unwrap_err(), dir.path())
    };
    let file = put(&dir, vec![texts(&["a", "b"]), number(&[Some(1.0), Some(f64::NAN)])]);
    assert!(
        said(&file, "acc").starts_with(
            "DIR/t.parquet, row 2, column `acc`: expected a finite number or nothing, found NaN"
        )
    );
    assert!(said(&file, "ms").contains("no column `ms`; there are `arch`, `acc`"));
    assert!(said(&file, "arch").contains("row 1, column `arch`: expected a finite number"));
    let file = put(&dir, vec![texts(&["a", "bad"]), number(&[Some(1.0), None])]);
    assert!(said(&file, "acc").contains("row 2, column `arch`: expected an architecture of this space"));
    let file = put(&dir, vec![texts(&["a", "a"]), number(&[Some(1.0), None])]);
    assert!(said(&file, "acc").contains("a is already on line 1"), "{}", said(&file, "acc"));
    let file = put(&dir, vec![number(&[Some(1.0)])]);
    assert!(said(&file, "acc").contains("no column `arch`"));
    let file = put(&dir, vec![texts(&["a"]), number(&[None])]);
    assert!(said(&file, "acc").contains("all 1 rows of the column `acc` are empty"));

    let json = dir.path().join("t.jsonl");
    fs::write(&json, "{\"arch\":\"a\",\"acc\":1}\n\n{\"arch\":\"b\",\"acc\":\"x\"}\n").unwrap();
    assert!(
        said(&json, "acc")
            .starts_with("DIR/t.jsonl, line 1, column `acc`: expected a finite number or nothing, found 1")
    );
    fs::write(&json, "{\"arch\":\"a\",\"acc\":1}\n{\"arch\"\n").unwrap();
    assert!(said(&json, "acc").starts_with("DIR/t.jsonl, line 2, byte 7: expected an object of JSON"));
    let deep = format!("{{\"arch\":{}", "[".repeat(100_000));
    fs::write(&json, deep).unwrap();
    assert!(said(&json, "acc").contains("recursion limit"));
}

#[test]
fn limits_hold() {
    let dir = TempDir::new().unwrap();
    let archs: Vec<String> = (0..100).map(|i| i.to_string()).collect();
    let archs: Vec<&str> = archs.iter().map(String::as_str).collect();
    let file = put(&dir, vec![texts(&archs)]);
    let within = |limits| complaint(&tables::read_table(&file, limits).unwrap_err(), dir.path());
    let rows = within(Limits { rows: 99, ..Limits::default() });
    assert!(rows.starts_with("DIR/t.parquet, the footer: expected at most 99 rows, found 100"), "{rows}");
    let text = within(Limits { text_bytes: 100, ..Limits::default() });
    assert!(text.contains("at most 100 bytes of text"), "{text}");
}

fn any_kind(rows: usize) -> impl Strategy<Value = Values> {
    prop_oneof![
        prop::collection::vec(prop::option::of(any::<u64>().prop_map(f64::from_bits)), rows)
            .prop_map(Values::Number),
        prop::collection::vec(prop::option::of(any::<i64>()), rows).prop_map(Values::Integer),
        prop::collection::vec(prop::option::of("[a-z\",\n é:]{0,8}"), rows).prop_map(Values::Text),
    ]
}

fn table() -> impl Strategy<Value = Table> {
    (0_usize..40).prop_flat_map(|rows| prop::collection::vec(any_kind(rows), 1..6)).prop_map(|values| {
        let names = (0..).map(|i| format!("column {i}"));
        let columns = names.zip(&values).map(|(name, values)| ColumnInfo::new(name, values.kind()).unit("%"));
        Table { columns: columns.collect(), values }
    })
}

proptest! {
    #[test]
    fn what_was_written_reads_back(table in table(), split in 0_usize..40) {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("t.parquet");
        let mut writer = tables::TableWriter::create(&file, &table.columns).unwrap();
        let cut = |from: usize, to: usize| -> Vec<Values> {
            table.values.iter().map(|values| match values {
                Values::Number(values) => Values::Number(values[from..to].to_vec()),
                Values::Integer(values) => Values::Integer(values[from..to].to_vec()),
                Values::Text(values) => Values::Text(values[from..to].to_vec()),
            }).collect()
        };
        let split = split.min(table.rows());
        writer.write(&cut(0, split)).unwrap();
        writer.write(&cut(split, table.rows())).unwrap();
        let origin = Origin { source: "a \"source\"".into(), notes: vec!["note".into()], ..Origin::default() };
        writer.finish(&origin).unwrap();
        let mut read = ParquetTable::open(&file, Limits::default()).unwrap();
        prop_assert_eq!(read.origin(), Some(&origin));
        prop_assert_eq!(read.columns(), &table.columns[..]);
        prop_assert_eq!(read.rows(), table.rows());
        let all: Vec<usize> = (0..table.columns.len()).collect();
        let back = read.read(&all).unwrap();
        for (ours, theirs) in table.values.iter().zip(&back.values) {
            let bits = |values: &Values| match values {
                Values::Number(values) => values.iter().map(|v| v.map(|v| format!("{:x}", v.to_bits()))).collect(),
                other => (0..other.len()).map(|row| other.text(row)).collect::<Vec<_>>(),
            };
            prop_assert_eq!(bits(ours), bits(theirs));
        }
    }

    #[test]
    fn finite_tables_go_through_json_lines(table in table()) {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("t.jsonl");
        tables::write_table(&file, &table, &Origin::default()).unwrap();
        let back = match tables::read_table(&file, Limits::default()) {
            Ok(back) => back,
            Err(error) => {
                prop_assert!(table.rows() == 0, "{}", error);
                return Ok(());
            }
        };
        for (column, ours) in table.columns.iter().zip(&table.values) {
            let theirs = back.column(&column.name).unwrap();
            for row in 0..table.rows() {
                match ours {
                    Values::Text(_) => prop_assert_eq!(ours.text(row), theirs.text(row)),
                    _ => prop_assert_eq!(ours.number(row).filter(|v| v.is_finite()), theirs.number(row)),
                }
            }
        }
    }
}
