//! Reading, writing, every error by its words, and mutated files, on a space of three-letter words.

use crate::Texts;
use flate2::{Compression, write::GzEncoder};
use nas_core::{ParseArchError, SearchSpace, Seed, Stream};
use proptest::prelude::*;
use rand::RngExt;
use std::error::Error as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use tables::{Column, Limits, TableError, TableRef, read_archs, read_column, read_columns_within};
use tempfile::TempDir;

/// All words of three of the letters a, b, c.
struct Words;

impl SearchSpace for Words {
    type Arch = String;

    fn name(&self) -> &str {
        "words"
    }

    fn len(&self) -> Option<u64> {
        Some(27)
    }

    fn sample(&self, rng: &mut Stream) -> String {
        (0..3).map(|_| char::from(b'a' + rng.random_range(0..3_u8))).collect()
    }

    fn mutate(&self, arch: &String, rng: &mut Stream) -> String {
        let near = self.neighbours(arch);
        near[rng.random_range(0..near.len())].clone()
    }

    fn neighbours(&self, arch: &String) -> Vec<String> {
        let edit = |at: usize, to: char| {
            arch.char_indices().map(|(i, letter)| if i == at { to } else { letter }).collect::<String>()
        };
        let all = (0..3).flat_map(|at| ['a', 'b', 'c'].map(|to| edit(at, to)));
        all.filter(|word| word != arch).collect()
    }

    fn parse(&self, text: &str) -> Result<String, ParseArchError> {
        match text.bytes().position(|byte| !(b'a'..=b'c').contains(&byte)) {
            None if text.len() == 3 => Ok(text.into()),
            at => Err(ParseArchError::at("words", text, at.unwrap_or(text.len().min(3)), "a, b or c")),
        }
    }

    fn enumerate(&self) -> Option<Box<dyn Iterator<Item = String> + '_>> {
        let letters = ["a", "b", "c"];
        Some(Box::new((0..27).map(move |i| [letters[i / 9], letters[i / 3 % 3], letters[i % 3]].concat())))
    }
}

const SMALL: &str = "index,arch,acc,ms\n0,aaa,71.5,3\n1,abc,,4.25\n2,cba,-1e-3,5\n";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("written");
    encoder.finish().expect("packed")
}

fn put(dir: &TempDir, bytes: &[u8]) -> PathBuf {
    let file = dir.path().join("table.csv");
    std::fs::write(&file, bytes).expect("written");
    file
}

fn read(file: &Path, column: &str) -> Result<Column<String>, TableError> {
    read_column(&Words, &TableRef { file: file.into(), column: column.into() })
}

/// The error of reading the column `acc` of a file, its own path cut off.
fn complaint(bytes: &[u8]) -> String {
    let dir = TempDir::new().expect("a folder");
    let file = put(&dir, bytes);
    let error = read(&file, "acc").expect_err("an error");
    let mut text = error.to_string().replace(&file.display().to_string(), "FILE");
    if let Some(source) = error.source() {
        text += &format!(" / {source}");
    }
    text
}

#[test]
fn the_test_space_is_one() {
    nas_core::conformance::space(&Words, 100, Seed(0)).unwrap();
}

#[test]
fn reads_plain_and_gzipped_by_their_bytes() {
    let dir = TempDir::new().unwrap();
    let crlf = format!("\u{feff}{}", SMALL.replace('\n', "\r\n"));
    let quoted = SMALL.replace("abc", "\"abc\"").replace("\n1", "\n\n\n1");
    let two_members = [gzip(&SMALL.as_bytes()[..30]), gzip(&SMALL.as_bytes()[30..])].concat();
    let without_end = SMALL.trim_end().as_bytes().to_vec();
    let forms = [SMALL.into(), gzip(SMALL.as_bytes()), crlf.into(), quoted.into(), two_members, without_end];
    for bytes in forms {
        let file = put(&dir, &bytes);
        assert_eq!(tables::list_columns(&file).unwrap(), ["index", "arch", "acc", "ms"]);
        let acc = read(&file, "acc").unwrap();
        assert_eq!(acc.labelled().archs(), ["aaa", "cba"]);
        assert_eq!(acc.labelled().values(), [71.5, -1e-3]);
        assert_eq!(acc.get(&"cba".into()), Some(-1e-3));
        assert_eq!(acc.get(&"abc".into()), None);
        let provenance = acc.provenance();
        assert_eq!((provenance.rows, provenance.without_value), (2, 1));
        assert_eq!((&provenance.file, provenance.column.as_str()), (&file, "acc"));
        assert_eq!(read_archs(&Words, &file).unwrap(), ["aaa", "abc", "cba"]);

        let both = tables::read_columns(&Words, &file, &["ms", "acc"]).unwrap();
        assert_eq!(both[1], acc);
        assert_eq!(acc.join(&both[0]).unwrap(), [3.0, 5.0]);
        let error = both[0].join(&acc).unwrap_err().to_string();
        assert!(error.contains("`acc` has no value for 1 of 3 architectures, first for abc"), "{error}");
    }
}

#[test]
fn the_checksum_is_that_of_the_file_on_disk() {
    let dir = TempDir::new().unwrap();
    let acc = read(&put(&dir, b"arch,acc\naaa,1\n"), "acc").unwrap();
    // sha256sum of these 15 bytes
    assert_eq!(acc.provenance().sha256, "1215c754b34b04626c052d3e22346ed9360cf85c31541ccfd9197534205898f8");
    let json = serde_json::to_string(acc.provenance()).unwrap();
    assert_eq!(&serde_json::from_str::<tables::Provenance>(&json).unwrap(), acc.provenance());
    let zipped = read(&put(&dir, &gzip(b"arch,acc\naaa,1\n")), "acc").unwrap();
    assert_eq!(zipped.labelled(), acc.labelled());
    assert_ne!(zipped.provenance().sha256, acc.provenance().sha256);
}

#[test]
fn names_of_tables() {
    let table: TableRef = "C:/data/x.csv:acc".parse().unwrap();
    assert_eq!((table.file.to_str().unwrap(), table.column.as_str()), ("C:/data/x.csv", "acc"));
    assert_eq!(table.to_string(), "C:/data/x.csv:acc");
    assert_eq!(serde_json::to_string(&table).unwrap(), "\"C:/data/x.csv:acc\"");
    for text in ["", ":", "x.csv", "x.csv:", ":acc"] {
        let error = text.parse::<TableRef>().unwrap_err().to_string();
        assert!(error.starts_with(&format!("`{text}` names no column: write FILE:COLUMN")), "{error}");
    }
    assert!(serde_json::from_str::<TableRef>("\"x.csv\"").is_err());
}

#[test]
fn every_error_says_where_and_what() {
    let said: [(&str, &str); 17] = [
        ("", "FILE is empty: expected a header with a column `arch`"),
        ("\n\r\n", "FILE is empty"),
        ("arch,acc\n", "FILE has no rows: expected at least one architecture"),
        ("\narch,ms\naaa,1\n", "FILE, line 2: no column `acc`; there are `arch`, `ms`"),
        (
            "ops,acc\naaa,1\n",
            "FILE, line 1: no column `arch`, which holds the architectures; there are `ops`, `acc`",
        ),
        ("arch,acc,acc\naaa,1,2\n", "FILE, line 1: the column `acc` is there twice"),
        (
            "arch,acc\naaa,1\n\naxa,2\n",
            "FILE, line 4, field `arch`: not an architecture of this space; mend the row or choose the space of \
             this table / `axa` is not an architecture of words: at byte 1 expected a, b or c, found `xa`",
        ),
        (
            "arch,acc\naaa,1\nabc,2\ncba,\ncba,1\naaa,3\n",
            "FILE, line 5: cba is already on line 4: keep one of the two rows",
        ),
        (
            "arch,acc\naaa,1\nabc,1.2.3\n",
            "FILE, line 3, field `acc`: expected a number or nothing, found `1.2.3`",
        ),
        ("arch,acc\naaa,NaN\n", "FILE, line 2, field `acc`: expected a finite number, found `NaN`: leave"),
        ("arch,acc\naaa,-inf\n", "FILE, line 2, field `acc`: expected a finite number, found `-inf`"),
        ("arch,acc\naaa,1e999\n", "FILE, line 2, field `acc`: expected a finite number, found `1e999`"),
        ("arch,acc\naaa,1\nabc\n", "FILE, line 3: expected 2 fields as in the header, found 1"),
        ("arch,acc\naaa,1,2\n", "FILE, line 2: expected 2 fields as in the header, found 3"),
        ("arch,acc\naaa,\nabc,\n", "FILE: all 2 rows of the column `acc` are empty"),
        ("arch,acc\naaa,\"1\nabc,2\n", "FILE, line 2: a double quote is not closed"),
        (
            "arch,acc\naaa,1\na\"b,\"2\n",
            "FILE, line 3: a double quote is not closed, or stands inside a field",
        ),
    ];
    for (text, expected) in said {
        for bytes in [text.as_bytes().to_vec(), gzip(text.as_bytes())] {
            let found = complaint(&bytes);
            assert!(found.starts_with(expected), "{text:?}:\n found {found}\n not   {expected}");
        }
    }
    let multiline = "note,arch,acc\n\"a\nb\",aaa,1\n\"\"\"\",abc,x\n";
    assert!(
        complaint(multiline.as_bytes()).starts_with("FILE, line 4, field `acc`"),
        "lines inside quotes count"
    );
    let latin = complaint(b"arch,acc\naaa,1\nabc,2\xe9\n");
    assert!(latin.starts_with("FILE, line 3, field `acc`: not UTF-8 at byte 1 of the field"), "{latin}");
    let header = complaint(b"arch,\xff\n");
    assert!(header.starts_with("FILE, line 1, field `number 2`: not UTF-8 at byte 0"), "{header}");
}

#[test]
fn the_parser_of_the_space_is_kept_as_the_source() {
    let dir = TempDir::new().unwrap();
    let error = read(&put(&dir, b"arch,acc\nab,1\n"), "acc").unwrap_err();
    let source = error.source().and_then(|source| source.downcast_ref::<ParseArchError>());
    assert_eq!(source.map(|source| source.at), Some(2));
}

#[test]
fn files_that_cannot_be_read() {
    let dir = TempDir::new().unwrap();
    let missing = read(&dir.path().join("none.csv"), "acc").unwrap_err();
    assert!(matches!(&missing, TableError::Open { .. }));
    assert!(missing.to_string().ends_with("none.csv: check the path and that the file may be read"));
    assert!(read(dir.path(), "acc").is_err());
}

#[test]
fn a_cut_or_damaged_gzip_is_refused_whole() {
    let dir = TempDir::new().unwrap();
    let whole = gzip(SMALL.as_bytes());
    for cut in 2..whole.len() {
        let error = read(&put(&dir, &whole[..cut]), "acc").unwrap_err();
        assert!(matches!(error, TableError::Gzip { .. }), "cut at {cut}: {error}");
    }
    let mut checksum = whole.clone();
    let at = checksum.len() - 6;
    checksum[at] ^= 1;
    assert!(matches!(read(&put(&dir, &checksum), "acc"), Err(TableError::Gzip { .. })));
    let rubbish = [whole, b"rubbish".to_vec()].concat();
    assert!(matches!(read(&put(&dir, &rubbish), "acc"), Err(TableError::Gzip { .. })));
}

#[test]
fn limits_hold() {
    let dir = TempDir::new().unwrap();
    let within = |limits, bytes: &[u8]| {
        let file = put(&dir, bytes);
        let error = read_columns_within(limits, &Texts, &file, &["acc"]).err();
        error.map(|error| error.to_string().replace(file.to_str().unwrap(), "FILE")).unwrap_or_default()
    };
    let limits = Limits { line_bytes: 10, rows: 3, text_bytes: 100 };
    assert_eq!(within(limits, b"arch,acc\n12345678,1\n"), "");
    let long = "FILE, line 2: the row is longer than 10 bytes: this is no table, or a quote is not closed";
    assert_eq!(within(limits, b"arch,acc\n123456789,1\n"), long);
    assert_eq!(within(limits, b"arch,acc\n123456789,1"), long);
    assert_eq!(within(limits, b"arch,acc\n\"\n\n\n\n\n\n\n\n\n\n\n\n\",1\n"), long);
    assert_eq!(within(limits, b"arch,acc\n1,1\n2,1\n3,1\n"), "");
    assert_eq!(
        within(limits, b"arch,acc\n1,1\n2,1\n3,1\n4,1\n"),
        "FILE, line 5: more than 3 rows: divide the file"
    );
    let empty_lines = [b"arch,acc\n".to_vec(), vec![b'\n'; 1000]].concat();
    let much = "FILE, line 93: more than 100 bytes of text: divide the file";
    assert_eq!(within(limits, &empty_lines), much);
    assert_eq!(within(limits, &gzip(&empty_lines)), much);

    // 64 MiB of one line in 64 KiB of gzip are given up after 1 MiB
    let bomb = gzip(&vec![b'a'; 64 << 20]);
    let one = "FILE, line 1: the row is longer than 1048576 bytes";
    assert!(within(Limits::default(), &bomb).starts_with(one));
}

#[test]
fn writing_refuses_what_could_not_be_read_and_leaves_the_target_alone() {
    let dir = TempDir::new().unwrap();
    let file = put(&dir, b"before");
    let archs = ["aaa".to_string(), "bbb".to_string()];
    let some = [Some(1.0), Some(2.0)];
    let nan = [Some(1.0), Some(f64::NAN)];
    let said = |error: Result<(), TableError>| error.unwrap_err().to_string();
    assert!(said(tables::write_csv::<String>(&file, &[], &[])).contains("has no rows"));
    assert!(said(tables::write_csv(&file, &archs, &[("x", &some[..1])])).contains("`x` has 1 values for 2"));
    assert!(said(tables::write_csv(&file, &archs, &[("x", &nan)])).contains("line 3, field `x`"));
    assert!(
        said(tables::write_csv(&file, &archs, &[("x", &some), ("x", &some)])).contains("`x` is there twice")
    );
    let twice = ["aaa", "aaa"];
    assert!(
        said(tables::write_csv(&file, &twice, &[("x", &some)])).contains("line 2: aaa is already on line 1")
    );
    for name in ["", "arch", "a:b"] {
        assert!(said(tables::write_csv(&file, &archs, &[(name, &some)])).contains("cannot be named"));
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"before");
    let nowhere = tables::write_csv(dir.path().join("none/x.csv"), &archs, &[("x", &some)]);
    assert!(matches!(nowhere, Err(TableError::Write { .. })));

    tables::write_csv(&file, &archs, &[("x", &some)]).unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "arch,x\naaa,1.0\nbbb,2.0\n");
    // a folder in the way: the rename fails and nothing is left behind
    std::fs::create_dir(dir.path().join("folder.csv")).unwrap();
    assert!(tables::write_csv(dir.path().join("folder.csv"), &archs, &[("x", &some)]).is_err());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "no partial file stays");
}

fn finite() -> impl Strategy<Value = f64> {
    any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |value| value.is_finite())
}

proptest! {
    #[test]
    fn what_was_written_reads_back(
        rows in prop::collection::btree_map("[a-c\",\r\n é'|~+:]{0,12}", (prop::option::of(finite()), finite()), 1..30),
        zipped: bool,
        seed: u64,
    ) {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join(if zipped { "t.csv.gz" } else { "t.csv" });
        let mut rows: Vec<_> = rows.into_iter().collect();
        rand::seq::SliceRandom::shuffle(&mut rows[..], &mut Seed(seed).stream("order"));
        let archs: Vec<String> = rows.iter().map(|(arch, _)| arch.clone()).collect();
        let some: Vec<Option<f64>> = rows.iter().map(|(_, values)| values.0).collect();
        let all: Vec<Option<f64>> = rows.iter().map(|(_, values)| Some(values.1)).collect();
        tables::write_csv(&file, &archs, &[("a, \"b\"\n", &some), ("all", &all)]).unwrap();
        prop_assert_eq!(std::fs::read(&file).unwrap().starts_with(&[0x1f, 0x8b]), zipped);

        prop_assert_eq!(&read_archs(&Texts, &file).unwrap(), &archs);
        let column = tables::read_columns(&Texts, &file, &["all"]).unwrap().remove(0);
        let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(column.labelled().archs(), &archs[..]);
        prop_assert_eq!(bits(column.labelled().values()), bits(&all.into_iter().flatten().collect::<Vec<_>>()));
        match tables::read_columns(&Texts, &file, &["a, \"b\"\n"]) {
            Ok(columns) => for (arch, value) in archs.iter().zip(some) {
                prop_assert_eq!(columns[0].get(arch).map(f64::to_bits), value.map(f64::to_bits));
            },
            Err(error) => {
                let nothing = matches!(error, TableError::NoValues { .. });
                prop_assert!(nothing && some.iter().all(Option::is_none), "{}", error);
            }
        }
    }

    #[test]
    fn names_print_and_parse(file in "[^:\0]{1,10}(:[a-z]{1,3})?", column in "[^:]{1,10}") {
        let table = TableRef { file: file.into(), column };
        prop_assert_eq!(table.to_string().parse::<TableRef>().unwrap(), table);
    }
}

#[test]
fn mutated_files_are_read_or_refused() {
    let dir = TempDir::new().unwrap();
    let mut rng = Seed(1).stream("mutations");
    let words: Vec<String> = Words.enumerate().unwrap().collect();
    let rows = words.iter().enumerate().map(|(i, word)| format!("{i},\"{word}\",{}.5,{}\r\n", i * 3, i % 4));
    let plain = format!("index,arch,acc,ms\r\n{}", rows.collect::<String>()).into_bytes();
    let (mut accepted, mut refused) = (0, 0);
    for (case, original) in (0..500).flat_map(|case| [(case, plain.clone()), (case, gzip(&plain))]) {
        let mut bytes = original;
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..bytes.len().max(1)).min(bytes.len().saturating_sub(1));
            match case % 3 {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << rng.random_range(0..8_u32),
                1 => bytes.truncate(at),
                _ => bytes.insert(at, rng.random()),
            }
        }
        let file = put(&dir, &bytes);
        match tables::read_columns(&Words, &file, &["acc", "ms"]) {
            Ok(columns) => {
                accepted += 1;
                let provenance = columns[0].provenance();
                assert!(provenance.rows + provenance.without_value <= 27);
                assert!(columns.iter().all(|column| column.labelled().iter().all(|(arch, value)| {
                    words.contains(arch) && value.is_finite() && column.get(arch) == Some(value)
                })));
            }
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
            }
        }
    }
    assert_eq!(accepted + refused, 1000);
    assert!(accepted > 50 && refused > 500, "{accepted} accepted, {refused} refused");
}

#[test]
fn real_tables_where_they_are_present() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if !data.is_dir() {
        println!("skipped: no folder shared beside the workspace");
        return;
    }
    let file = data.join("nas_bench_201_accuracy.csv.gz");
    let names = ["cifar100_test_acc", "cifar10_valid_acc"];
    let columns = tables::read_columns(&Texts, file, &names).unwrap();
    let row0 =
        "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|";
    assert_eq!(columns[0].labelled().len(), 15_625);
    assert_eq!(columns[0].labelled().archs()[0], row0);
    assert_eq!(columns[0].get(&row0.into()), Some(52.913333294677734));
    assert_eq!(columns[0].join(&columns[1]).unwrap()[0], 81.98266665690103);
    let latency = data.join("nas_bench_201_latency.csv.gz");
    let pixel3 = tables::read_columns(&Texts, latency, &["pixel3_ms"]).unwrap().remove(0);
    assert_eq!(columns[0].join(&pixel3).unwrap()[0], 3.6058499999999998);
}
