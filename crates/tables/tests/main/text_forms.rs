//! CSV and JSON lines whose columns nobody describes: nothing of a text is lost, and forms are not mistaken.

use crate::{Texts, complaint};
use std::fs;
use std::path::PathBuf;
use tables::{ColumnInfo, Format, Import, Kind, Origin, Table, Values};
use tempfile::TempDir;

fn put(dir: &TempDir, name: &str, text: &str) -> PathBuf {
    let file = dir.path().join(name);
    fs::write(&file, text).unwrap();
    file
}

/// Fields that read as numbers, but are not written as programs write numbers, stay as they are.
#[test]
fn fields_of_csv_that_a_number_would_change_stay_text() {
    let dir = TempDir::new().unwrap();
    let columns = ["padded", "revision", "hash", "large", "void", "plain", "whole"];
    let row =
        ["007", "1234e56", "-99999999999999999999", "9007199254740993", "nan", "1e-05", "9007199254740993"];
    let text = format!("arch,{}\na,{}\nb,1,2,3,1.5,2,3,4\n", columns.join(","), row.join(","));
    let from = put(&dir, "t.csv", &text);
    for end in ["jsonl", "csv", "parquet"] {
        let to = dir.path().join(format!("to.{end}"));
        tables::import(&from, &to, &Import::default()).unwrap();
        let table = tables::read_table(&to, Default::default()).unwrap();
        for (column, text) in columns.iter().zip(row).take(5) {
            assert_eq!(table.column(column).unwrap().kind(), Kind::Text, "{end}, {column}");
            assert_eq!(table.column(column).unwrap().text(0).unwrap(), text, "{end}, {column}");
        }
        assert_eq!(table.column("plain"), Some(&Values::Number(vec![Some(1e-5), Some(3.0)])), "{end}");
        assert_eq!(table.column("whole"), Some(&Values::Integer(vec![Some(9_007_199_254_740_993), Some(4)])));
    }
    // who asks for a column of numbers gets numbers
    let asked = tables::read_columns(&Texts, &from, &["padded", "revision", "hash", "large"]).unwrap();
    let values: Vec<f64> = asked.iter().map(|column| column.labelled().values()[0]).collect();
    assert_eq!(values, [7.0, 1234e56, -1e20, 9_007_199_254_740_992.0]);
}

#[test]
fn numbers_that_are_written_to_csv_read_back_as_numbers() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("t.csv");
    let numbers = [1e16, 1e300, 5e-324, -1e-7, 1.5e20, -0.0, f64::MAX, 0.1].map(Some).to_vec();
    let columns = vec![ColumnInfo::new("x", Kind::Number)];
    let table = Table { columns, values: vec![Values::Number(numbers)] };
    tables::write_table(&file, &table, &Origin::default()).unwrap();
    assert_eq!(tables::read_table(&file, Default::default()).unwrap(), table);
}

#[test]
fn whole_numbers_of_json_lines_are_whole_or_text() {
    let dir = TempDir::new().unwrap();
    let text = "{\"arch\":\"a\",\"seed\":18446744073709551615,\"x\":1e5,\"long\":123456789012345678901234}\n\
                {\"arch\":\"b\",\"seed\":-1,\"x\":9007199254740993,\"long\":[1.50, {\"b\":1, \"a\":2}]}\n";
    let file = put(&dir, "t.jsonl", text);
    let table = tables::read_table(&file, Default::default()).unwrap();
    let texts = |column: &str| [0, 1].map(|row| table.column(column).unwrap().text(row).unwrap());
    assert_eq!(texts("seed"), ["18446744073709551615", "-1"]);
    assert_eq!(texts("x"), ["1e5", "9007199254740993"]);
    assert_eq!(texts("long"), ["123456789012345678901234", "[1.50, {\"b\":1, \"a\":2}]"]);
    // who asks for numbers gets them
    let seeds = tables::read_columns(&Texts, &file, &["seed", "x"]).unwrap();
    assert_eq!(seeds[0].labelled().values(), [18_446_744_073_709_551_615_u64 as f64, -1.0]);
    assert_eq!(seeds[1].labelled().values(), [1e5, 9_007_199_254_740_992.0]);
}

#[test]
fn json_lines_keep_their_order_and_refuse_a_key_twice() {
    let dir = TempDir::new().unwrap();
    let file =
        put(&dir, "t.jsonl", "{\"zeta\":1,\"arch\":\"a\"}\n{\"alpha\":null,\"arch\":\"b\",\"mid\":2}\n");
    assert_eq!(tables::list_columns(&file).unwrap(), ["zeta", "arch", "alpha", "mid"]);
    let error = tables::read_columns(&Texts, &file, &["none"]).unwrap_err();
    let said = complaint(&error, dir.path());
    assert!(said.contains("no column `none`; there are `zeta`, `arch`, `alpha`, `mid`"), "{said}");

    put(&dir, "t.jsonl", "{\"arch\":\"a\",\"ms\":1}\n{\"arch\":\"b\",\"ms\":1,\"m\\u0073\":2}\n");
    let expected = "DIR/t.jsonl, line 2: the column `ms` is there twice: rename one of them";
    let errors = [
        tables::read_columns(&Texts, &file, &["ms"]).err(),
        tables::read_table(&file, Default::default()).err(),
        tables::list_columns(&file).err(),
    ];
    for error in errors {
        assert_eq!(complaint(&error.unwrap(), dir.path()), expected);
    }
}

#[test]
fn what_json_lines_hold_in_place_of_an_architecture_or_a_text() {
    let dir = TempDir::new().unwrap();
    let said = |text: &str| {
        let file = put(&dir, "t.jsonl", text);
        complaint(&tables::read_columns(&Texts, &file, &["ms"]).unwrap_err(), dir.path())
    };
    assert!(said("{\"arch\":7,\"ms\":1}").contains("line 1, column `arch`: expected text, found 7"));
    assert!(said("{\"ms\":1}").contains("no column `arch`"));
    assert!(
        said("{\"arch\":\"a\",\"ms\":true}").contains("column `ms`: expected a finite number or nothing")
    );
    assert!(said("{\"arch\":\"a\",\"ms\":1e999}").contains("expected a finite number or nothing, found inf"));
    let half = "{\"arch\":\"\\ud800\",\"ms\":1}";
    assert!(said(half).contains("line 1, column `arch`: expected text"), "{}", said(half));
    let file = put(&dir, "t.jsonl", half);
    assert!(tables::read_table(&file, Default::default()).is_err());
}

#[test]
fn columns_called_as_those_of_other_formats_do_not_mislead() {
    let dir = TempDir::new().unwrap();
    let format = |text: &str| tables::detect(&put(&dir, "t", text)).unwrap();
    for row in [
        "{\"arch\":\"|none~0|\",\"score\":1.5}",
        "{\"score\":1.5,\"arch\":\"a\"}\n{\"arch\":\"b\"}",
        "\u{feff}{\"arch\":\"a\",\"recepie\":\"b\"}",
        "{\"arch\":\"a\",\"more\":{\"score\":1}}",
        "{\"score\":1.5}",
        "{\"name\":\"score\",\"of\":{\"a\":\"score\"}}",
    ] {
        assert_eq!(format(row), Format::JsonLines, "{row}");
    }
    let file = put(&dir, "t", "{\"arch\":\"|none~0|\",\"score\":1.5}\n");
    let imported = tables::import(&file, &dir.path().join("t.csv"), &Import::default()).unwrap();
    assert_eq!((imported.rows, imported.columns.len()), (1, 2));
    assert_eq!(format("{\"cifar10\": {\"(1)\": {\"synflow\": {\"score\": NaN}}}}"), Format::SuiteZero);
    assert_eq!(format("{\n \"cifar10\": {\"a\": {\"synflow\": {\"score\" : 1"), Format::SuiteZero);
    assert_eq!(format("{\"recepie\": \"{\\\"arch\\\": 1}\", \"data\": \"ptb\"}"), Format::NasBenchNlp);
}

#[test]
fn an_inspection_refuses_the_names_that_an_import_does() {
    let dir = TempDir::new().unwrap();
    for text in ["arch,x,x\na,1,2\n", "arch,a:b\na,1\n"] {
        let file = put(&dir, "t.csv", text);
        let inspected = tables::inspect(&file, &Import::default()).unwrap_err();
        let imported = tables::import(&file, &dir.path().join("t.parquet"), &Import::default()).unwrap_err();
        assert_eq!(complaint(&inspected, dir.path()), complaint(&imported, dir.path()));
    }
}
