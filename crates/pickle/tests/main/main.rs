//! Pickles of CPython, numpy and PyTorch, and those that are refused.

#![allow(clippy::unwrap_used, reason = "helpers of tests are no tests to clippy")]

use pickle::{Node, Pickle, PickleLimits};
use proptest::prelude::*;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

/// A file of `fixtures/pickle/values`.
fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/pickle/values").join(name)
}

/// A node is what Python wrote as JSON.
fn same(node: Node<'_>, json: &Value) -> bool {
    match json {
        Value::Null => node.is_none(),
        Value::Bool(value) => node.to_string() == value.to_string(),
        Value::Number(number) if number.is_i64() => node.int().ok() == number.as_i64(),
        Value::Number(number) => node.number().ok().map(f64::to_bits) == number.as_f64().map(f64::to_bits),
        Value::String(text) => node.text().ok() == Some(text),
        Value::Array(items) => node.items().is_ok_and(|mut nodes| {
            nodes.len() == items.len()
                && items.iter().all(|json| nodes.next().is_some_and(|node| same(node, json)))
        }),
        Value::Object(entries) => {
            node.entries().is_ok_and(|found| found.len() == entries.len())
                && entries.iter().all(|(key, json)| node.get(key).is_ok_and(|node| same(node, json)))
        }
    }
}

#[test]
fn plain_data_of_every_protocol() {
    let json = serde_json::from_slice::<Value>(&fs::read(fixture("expected.json")).unwrap()).unwrap();
    for protocol in 0..6 {
        let bytes = fs::read(fixture(&format!("plain.{protocol}.pickle"))).unwrap();
        let pickle = Pickle::read(&bytes, PickleLimits::default()).unwrap();
        let mut json = json.clone();
        if protocol == 0 {
            json["text"] = "grun".into();
        }
        for (key, json) in json.as_object().unwrap() {
            assert!(same(pickle.root().get(key).unwrap(), json), "protocol {protocol}, {key}");
        }
        for cut in 0..bytes.len() {
            let error = Pickle::read(&bytes[..cut], PickleLimits::default()).unwrap_err().to_string();
            assert!(error.starts_with("byte "), "{error}");
        }
    }
}

#[test]
fn numbers_of_numpy() {
    for protocol in 2..6 {
        let bytes = fs::read(fixture(&format!("numbers.{protocol}.pickle"))).unwrap();
        let pickle = Pickle::read(&bytes, PickleLimits::default()).unwrap();
        let arrays = pickle.root().get("arrays").unwrap();
        assert_eq!(arrays.entries().unwrap().len(), 13);
        for (name, array) in arrays.entries().unwrap() {
            let numbers = array.numbers().map_err(|flaw| flaw.to_string());
            let expected = match name.text().unwrap() {
                "?" => Err("expected numbers, found an array of shape [4] of truths".into()),
                _ => Ok([0.0, 1.0, 3.0, 100.0].map(Some).to_vec()),
            };
            assert_eq!(numbers, expected, "protocol {protocol}, {name}");
        }
        let matrix = pickle.root().get("matrix").unwrap();
        assert_eq!(matrix.to_string(), "an array of shape [2, 3]");
        assert_eq!(matrix.numbers().unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0].map(Some));
        let scalars: Vec<String> =
            pickle.root().get("scalars").unwrap().items().unwrap().map(|node| node.to_string()).collect();
        assert_eq!(scalars, ["1.5", "0.10000000149011612", "-7", "7", "true"]);
        assert_eq!(pickle.root().get("set").unwrap().items().unwrap().len(), 3);
    }
}

#[test]
fn lists_and_tensors_of_torch() {
    let read = |name: &str| {
        let bytes = fs::read(fixture(&format!("{name}.pt"))).unwrap();
        Pickle::read_torch(&bytes, PickleLimits::default()).and_then(|pickle| pickle.root().numbers())
    };
    assert_eq!(read("list").unwrap(), [1.5, 2.5].map(Some));
    assert_eq!(read("tensor").unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0].map(Some));
    assert_eq!(read("part").unwrap(), [4.0, 8.0, 5.0, 9.0, 6.0, 10.0, 7.0, 11.0].map(Some));
}

/// The numbers of an archive are as the machine had them that wrote it.
#[test]
fn tensors_of_another_byte_order_are_refused() {
    let mut bytes = fs::read(fixture("tensor.pt")).unwrap();
    let sum = |order: &[u8]| {
        let mut sum = flate2::Crc::new();
        sum.update(order);
        sum.sum().to_le_bytes()
    };
    for (from, to) in [(&b"little"[..], &b"big   "[..]), (&sum(b"little"), &sum(b"big   "))] {
        while let Some(at) = bytes.windows(from.len()).position(|piece| piece == from) {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
    }
    let error = Pickle::read_torch(&bytes, PickleLimits::default()).unwrap_err().to_string();
    assert_eq!(error, "tensor/byteorder: expected the byte order little, found big   ");
}

#[test]
fn whatever_would_be_called_is_refused_by_name() {
    let named = [
        ("system", "posix.system"),
        ("datetime", "datetime.date"),
        ("decimal", "decimal.Decimal"),
        ("defaultdict", "collections.defaultdict"),
        ("object", "__main__.Local"),
        ("strings", "U1"),
        ("fortran", "Fortran order"),
        ("huge", "a whole number of 64 bits"),
    ];
    for (file, name) in named {
        let bytes = fs::read(fixture(&format!("refused/{file}.pickle"))).unwrap();
        let error = Pickle::read(&bytes, PickleLimits::default()).unwrap_err().to_string();
        assert!(error.contains(name), "{file}: {error}");
    }
    let instructions =
        [(&b"(ios\nsystem\n."[..], "INST"), (b"(co\n.", "a line"), (b"N\x81.", "NEWOBJ"), (b"N2.", "DUP")];
    for (bytes, name) in instructions {
        let error = Pickle::read(bytes, PickleLimits::default()).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn limits_hold() {
    let limits = PickleLimits { steps: 1000, nesting: 10 };
    let error = |bytes: &[u8]| Pickle::read(bytes, limits).unwrap_err().to_string();
    assert_eq!(error(&[b']'; 2000]), "byte 1000: expected at most 1000 instructions, found more");
    assert_eq!(error(&[b'('; 2000]), "byte 10: expected at most 10 levels of nesting, found more");
    // a place in the memo far away, a text that is longer than the file
    assert_eq!(error(b"Nr\xff\xff\xff\x7f."), "byte 1: expected a number up to 1000, found 2147483647");
    assert!(error(b"X\xff\xff\xff\xff.").starts_with("byte 0: expected 4294967295 bytes, found 1"));
    // a text that is kept once and encoded again and again must not grow
    let long = vec![b'a'; 60_000];
    let mut bytes = b"c_codecs\nencode\nq\0X".to_vec();
    bytes.extend(60_000_u32.to_le_bytes());
    bytes.extend(long);
    bytes.extend(b"q\x01X\x06\0\0\0latin1q\x02");
    for _ in 0..100 {
        bytes.extend(b"h\0h\x01h\x02\x86R");
    }
    assert!(error(&bytes).contains("named again and again"), "{}", error(&bytes));
}

/// Any value, as protocol 4 would write it.
#[derive(Debug, Clone)]
enum Any {
    None,
    Int(i64),
    Float(u64),
    Text(String),
    List(Vec<Any>),
    Dict(Vec<(String, Any)>),
}

fn any_value() -> impl Strategy<Value = Any> {
    let leaf = prop_oneof![
        Just(Any::None),
        any::<i64>().prop_map(Any::Int),
        any::<u64>().prop_map(Any::Float),
        "[ -~é]{0,20}".prop_map(Any::Text),
    ];
    leaf.prop_recursive(4, 60, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Any::List),
            prop::collection::btree_map("[a-z]{1,5}", inner, 0..8)
                .prop_map(|map| Any::Dict(map.into_iter().collect())),
        ]
    })
}

fn write(value: &Any, out: &mut Vec<u8>) {
    let text = |text: &str, out: &mut Vec<u8>| {
        out.extend([b'X']);
        out.extend((text.len() as u32).to_le_bytes());
        out.extend(text.as_bytes());
        out.push(0x94);
    };
    match value {
        Any::None => out.push(b'N'),
        Any::Int(value) => {
            out.extend([0x8a, 8]);
            out.extend(value.to_le_bytes());
        }
        Any::Float(bits) => {
            out.push(b'G');
            out.extend(bits.to_be_bytes());
        }
        Any::Text(value) => text(value, out),
        Any::List(items) => {
            out.extend([b']', 0x94, b'(']);
            items.iter().for_each(|item| write(item, out));
            out.push(b'e');
        }
        Any::Dict(entries) => {
            out.extend([b'}', 0x94, b'(']);
            for (key, value) in entries {
                text(key, out);
                write(value, out);
            }
            out.push(b'u');
        }
    }
}

fn equal(node: Node<'_>, value: &Any) -> bool {
    match value {
        Any::None => node.is_none(),
        Any::Int(value) => node.int() == Ok(*value),
        Any::Float(bits) => node.number().map(f64::to_bits) == Ok(*bits),
        Any::Text(text) => node.text() == Ok(text),
        Any::List(items) => node.items().unwrap().zip(items).all(|(node, item)| equal(node, item)),
        Any::Dict(entries) => entries.iter().all(|(key, value)| equal(node.get(key).unwrap(), value)),
    }
}

proptest! {
    #[test]
    fn what_was_written_reads_back(value in any_value()) {
        let mut bytes = vec![0x80, 4];
        write(&value, &mut bytes);
        bytes.push(b'.');
        let pickle = Pickle::read(&bytes, PickleLimits::default()).unwrap();
        prop_assert!(equal(pickle.root(), &value));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(pickle) = Pickle::read(&bytes, PickleLimits::default()) {
            let _ = pickle.root().numbers();
            let _ = pickle.root().to_string();
        }
    }
}
