//! Tables as Parquet: others' files, our own, and files that are damaged.

use crate::{Texts, complaint, fixture};
use proptest::prelude::*;
use std::fs;
use std::path::Path;
use tables::{ColumnInfo, Import, Kind, Limits, Origin, ParquetTable, Table, Values};
use tempfile::TempDir;

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
        let left_out = ParquetTable::open(&file, Limits::default()).unwrap().left_out().to_vec();
        assert_eq!(
            left_out,
            ["list", "struct"].map(|name| (name.into(), "lists or groups".into())),
            "{name}"
        );
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
            .starts_with("DIR/t.jsonl, line 3, column `acc`: expected a finite number or nothing, found x")
    );
    fs::write(&json, "{\"arch\":\"a\"}\n{\"arch\":\"b\",\"acc\":\"1.5\"}\n").unwrap();
    assert!(
        said(&json, "acc").contains("line 2, column `acc`: expected a finite number or nothing, found 1.5")
    );
    fs::write(&json, "{\"arch\":\"a\",\"acc\":1}\n{\"arch\"\n").unwrap();
    assert!(said(&json, "acc").starts_with("DIR/t.jsonl, line 2, byte 7: expected an object of JSON"));
    let deep = format!("{{\"arch\":{}", "[".repeat(100_000));
    fs::write(&json, deep).unwrap();
    assert!(said(&json, "acc").contains("line 1, byte 100008: expected an object of JSON, found EOF"));
}

#[test]
fn limits_hold() {
    let dir = TempDir::new().unwrap();
    let archs: Vec<String> = (0..100).map(|i| i.to_string()).collect();
    let archs: Vec<&str> = archs.iter().map(String::as_str).collect();
    let file = put(&dir, vec![texts(&archs)]);
    let within = |limits| complaint(&tables::read_table(&file, limits).unwrap_err(), dir.path());
    let rows = within(Limits { rows: 99, ..Limits::default() });
    let most = "DIR/t.parquet, the footer: expected at most 99 rows at once, found 100";
    assert!(rows.starts_with(most), "{rows}");
    let few = Limits { rows: 99, ..Limits::default() };
    let mut parts = tables::TableWriter::create(&file, &[ColumnInfo::new("arch", Kind::Text)]).unwrap();
    (0..3).for_each(|_| parts.write(&[texts(&archs[..50]).1]).unwrap());
    parts.finish(&Origin::default()).unwrap();
    // part by part there is no end to it
    let imported = tables::inspect(&file, &Import { limits: few, ..Import::default() }).unwrap();
    assert_eq!(imported.rows, 150);
    assert!(within(few).contains("the footer: expected at most 99 rows at once, found 150"));
    put(&dir, vec![texts(&archs)]);
    let text = within(Limits { text_bytes: 100, ..Limits::default() });
    assert!(text.contains("at most 100 bytes of text"), "{text}");
    let json = dir.path().join("t.jsonl");
    fs::write(&json, "{\"arch\":\"a\"}\n{\"arch\":\"b\"}\n").unwrap();
    let error = tables::read_table(&json, Limits { rows: 1, ..Limits::default() }).unwrap_err();
    assert_eq!(complaint(&error, dir.path()), "DIR/t.jsonl, line 2: more than 1 rows: divide the file");
    let keys: Vec<String> = (0..20).map(|key| format!("\"{key}\":1")).collect();
    fs::write(&json, format!("{{{}}}\n{}", keys.join(","), "{}\n".repeat(20))).unwrap();
    let error = tables::read_table(&json, Limits { text_bytes: 400, ..Limits::default() }).unwrap_err();
    assert!(complaint(&error, dir.path()).contains("at most 400 values, found 21 rows of 20 columns"));
}

/// What has more parts than a footer may name is not written, rather than never read again.
#[test]
fn too_many_parts_are_refused_when_they_are_written() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("t.parquet");
    let columns: Vec<ColumnInfo> =
        (0..10_000).map(|i| ColumnInfo::new(format!("{i}"), Kind::Integer)).collect();
    let mut writer = tables::TableWriter::create(&file, &columns).unwrap();
    let row = vec![Values::Integer(vec![Some(1)]); 10_000];
    (0..60).for_each(|_| writer.write(&row).unwrap());
    let error = writer.finish(&Origin::default()).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(source, "10000 columns in 60 parts are too many to be found again");
    assert!(!file.exists());
}

/// A schema of a byte an element would make room for a hundred times as much.
#[test]
fn a_footer_makes_room_for_no_more_than_a_table_has() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("t.parquet");
    let elements = 1 << 20;
    // field 2, a list of that many structs (its length as a varint of three bytes), each without a field
    let mut footer = vec![0x29, 0xfc, 0x80, 0x80, 0x40];
    footer.extend(vec![0; elements + 1]);
    let len = (footer.len() as u32).to_le_bytes();
    fs::write(&file, [b"PAR1", footer.as_slice(), &len, b"PAR1"].concat()).unwrap();
    let error = ParquetTable::open(&file, Limits::default()).err().unwrap();
    let said = complaint(&error, dir.path());
    assert!(
        said.contains("at most 10000 columns") && said.contains("something else at its byte 20"),
        "{said}"
    );
}

#[test]
fn only_names_of_tables_are_written_over() {
    let dir = TempDir::new().unwrap();
    let columns = [ColumnInfo::new("arch", Kind::Text)];
    for name in ["runs.sqlite", "t", "t.parquet.gz", "parquet", "csv", "t.pq"] {
        let file = dir.path().join(name);
        fs::write(&file, "before").unwrap();
        let error = tables::TableWriter::create(&file, &columns).err().unwrap();
        let said = complaint(&error, dir.path());
        assert!(
            said.starts_with(&format!("DIR/{name}: the name says no form of a table: end it in")),
            "{said}"
        );
        assert_eq!(fs::read_to_string(&file).unwrap(), "before");
    }
    for name in ["a.csv", "A.CSV.GZ", "a.jsonl", "a.jsonl.gz", "a.Parquet"] {
        assert!(tables::TableWriter::create(dir.path().join(name), &columns).is_ok(), "{name}");
    }
}

/// Whole numbers of pyarrow that are more than their bytes say.
#[test]
fn whole_numbers_without_a_sign_and_dates() {
    let table = tables::read_table(fixture("parquet/kinds.parquet"), Limits::default()).unwrap();
    let names: Vec<_> = table.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["arch", "uint8", "uint32", "int16", "uint64", "null"]);
    assert_eq!(table.column("uint64"), Some(&Values::Integer(vec![Some(1), Some(2)])));
    assert_eq!(table.column("null"), Some(&Values::Integer(vec![None, None])));
    assert_eq!(table.column("uint8"), Some(&Values::Integer(vec![Some(1), Some(200)])));
    assert_eq!(table.column("uint32"), Some(&Values::Integer(vec![Some(1), Some(3_000_000_000)])));
    assert_eq!(table.column("int16"), Some(&Values::Integer(vec![Some(-1), Some(3)])));
}

/// What cannot be read is said, and not taken for something that is not there.
#[test]
fn columns_that_are_left_out_are_named() {
    let file = fixture("parquet/kinds.parquet");
    let imported = tables::inspect(&file, &Import::default()).unwrap();
    let said =
        "left out, because their types are not read: `date` (DATE), `time` (TIMESTAMP), `decimal` (DECIMAL)";
    assert_eq!(imported.origin.notes, [said]);
    let error = tables::read_columns(&Texts, &file, &["date"]).unwrap_err();
    let said = complaint(&error, file.parent().unwrap());
    let expected = "DIR/kinds.parquet: the column `date` is there, but holds DATE, which is not read: write it again \
                    as numbers or text";
    assert_eq!(said, expected);
}

/// A column of ours whose type is changed to UINT_64 in the footer.
fn unsigned(dir: &TempDir, values: &[i64]) -> std::path::PathBuf {
    let archs: Vec<String> = (0..values.len()).map(|i| i.to_string()).collect();
    let archs: Vec<&str> = archs.iter().map(String::as_str).collect();
    let values = Values::Integer(values.iter().map(|value| Some(*value)).collect());
    let file = put(dir, vec![texts(&archs), (ColumnInfo::new("seed", Kind::Integer), values)]);
    let mut bytes = fs::read(&file).unwrap();
    // the fourth field, the name, and the end of the struct; the sixth is the converted type
    let name = b"\x18\x04seed\0";
    let at = bytes.windows(name.len()).position(|piece| piece == name).unwrap() + name.len() - 1;
    bytes.splice(at..at, [0x25, 14 << 1]);
    let end = bytes.len() - 8;
    let len = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap()) + 2;
    bytes[end..end + 4].copy_from_slice(&len.to_le_bytes());
    fs::write(&file, bytes).unwrap();
    file
}

#[test]
fn whole_numbers_without_a_sign_are_read_where_64_bits_with_one_hold_them() {
    let dir = TempDir::new().unwrap();
    let file = unsigned(&dir, &[0, i64::MAX]);
    let table = tables::read_table(&file, Limits::default()).unwrap();
    assert_eq!(table.column("seed"), Some(&Values::Integer(vec![Some(0), Some(i64::MAX)])));
    let file = unsigned(&dir, &[0, -1]);
    let error = tables::read_table(&file, Limits::default()).unwrap_err();
    let said = complaint(&error, dir.path());
    let expected = "expected whole numbers up to 9223372036854775807, or text, found 18446744073709551615";
    assert!(
        said.starts_with("DIR/t.parquet, row group 0, column `seed`") && said.contains(expected),
        "{said}"
    );
}

/// A dictionary of more bytes than a page may have was written, and could not be read.
#[test]
fn long_texts_that_repeat_read_back() {
    let dir = TempDir::new().unwrap();
    let long = |i: usize| Some(format!("{i:04}{}", "a".repeat((1 << 20) - 4)));
    let values = Values::Text((0..65).flat_map(|i| [long(i), long(i)]).collect());
    let file = put(&dir, vec![(ColumnInfo::new("arch", Kind::Text), values.clone())]);
    let back = ParquetTable::open(&file, Limits::default()).unwrap().read(&[0]).unwrap();
    assert!(back.values == [values]);

    let columns = [ColumnInfo::new("arch", Kind::Text)];
    let mut writer = tables::TableWriter::create(&file, &columns).unwrap();
    let error = writer.write(&[Values::Text(vec![Some("a".repeat((1 << 20) + 1))])]).unwrap_err();
    let said = complaint(&error, dir.path());
    assert!(said.ends_with("a text of 1048577 bytes; at most 1048576 are kept"), "{said}");
}

/// A row group of all rows of a table would be more than is read at once.
#[test]
fn many_rows_are_written_in_several_groups() {
    let dir = TempDir::new().unwrap();
    let rows = (1 << 20) + 1;
    let values = Values::Integer((0..rows).map(|row| (row % 3 > 0).then_some(row)).collect());
    let file = put(&dir, vec![(ColumnInfo::new("x", Kind::Integer), values.clone())]);
    let mut table = ParquetTable::open(&file, Limits::default()).unwrap();
    assert_eq!((table.groups(), table.rows()), (2, rows as usize));
    assert_eq!(table.group(1, &[0]).unwrap().rows(), 1);
    assert!(table.read(&[0]).unwrap().values == [values]);
}

/// A text of a dictionary takes its length again in every row that names it, in whatever column.
#[test]
fn text_that_is_kept_once_counts_where_it_is_named() {
    let dir = TempDir::new().unwrap();
    let column = |i: usize| {
        let values = Values::Text(vec![Some("a".repeat(1_000)); 50]);
        (ColumnInfo::new(format!("c{i}"), Kind::Text), values)
    };
    let file = put(&dir, (0..4).map(column).collect());
    assert!(fs::metadata(&file).unwrap().len() < 3_000);
    let read = |limits: Limits| {
        let error = tables::read_table(&file, limits).err();
        error.map(|error| complaint(&error, dir.path())).unwrap_or_default()
    };
    let limits = Limits { line_bytes: 1_000, text_bytes: 200_000, ..Limits::default() };
    assert_eq!(read(limits), "");
    let said = read(Limits { text_bytes: 199_999, ..limits });
    let expected =
        "DIR/t.parquet, row group 0, column `c3`: expected at most 199999 bytes of text, found more";
    assert!(said.starts_with(expected), "{said}");
    let said = read(Limits { line_bytes: 999, ..limits });
    assert!(said.contains("expected a text of at most 999 bytes, found 1000"), "{said}");

    // over groups likewise, where they are in memory together
    let columns = [ColumnInfo::new("arch", Kind::Text)];
    let mut writer = tables::TableWriter::create(&file, &columns).unwrap();
    (0..4).for_each(|i| writer.write(&[column(i).1]).unwrap());
    writer.finish(&Origin::default()).unwrap();
    let few = Limits { text_bytes: 199_999, ..limits };
    assert!(read(few).contains("row group 3, column `arch`: expected at most 199999 bytes of text"));
    assert_eq!(tables::inspect(&file, &Import { limits: few, ..Import::default() }).unwrap().rows, 200);
}

#[test]
fn an_import_names_the_file_that_is_wrong() {
    let dir = TempDir::new().unwrap();
    let (file, to) = (dir.path().join("t.csv"), dir.path().join("t.parquet"));
    let said = |text: &str, curves: Option<&str>| {
        fs::write(&file, text).unwrap();
        let curves = curves.map(|name| dir.path().join(name));
        let error = tables::import(&file, &to, &Import { curves, ..Import::default() }).unwrap_err();
        assert!(!to.exists());
        complaint(&error, dir.path())
    };
    let twice = said("arch,x,x\na,1,2\n", None);
    assert_eq!(twice, "DIR/t.csv, line 1: the column `x` is there twice: rename one of them");
    assert!(said("arch,a:b\na,1\n", None).starts_with("DIR/t.csv: a column cannot be named `a:b`"));
    let none = said("arch,x\na,1\n", Some("c.csv"));
    assert_eq!(none, "DIR/t.csv: csv has no curves: leave out what asks for it");
    let folder = fixture("nats_bench/data");
    let same = Import { curves: Some(dir.path().join("./t.parquet")), ..Import::default() };
    let error = tables::import(&folder, &to, &same).unwrap_err();
    assert!(complaint(&error, dir.path()).contains("t.parquet: two tables cannot go to one file"));
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
