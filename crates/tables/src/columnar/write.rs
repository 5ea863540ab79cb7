use super::footer::FOOTER;
use super::thrift_out::{ThriftOut, varint};
use super::{KEY, Known, VERSION};
use crate::source::LINE;
use crate::{ColumnInfo, Kind, Origin, Values};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::Range;

/// Bytes of a page before it is packed; one text may make it larger.
const PAGE: usize = 1 << 20;
/// Texts of a dictionary, and their bytes: half of what a page may have when it is read.
const DICTIONARY: usize = 1 << 14;
const DICTIONARY_BYTES: usize = 32 << 20;
/// Rows and values of a row group, below what is read at once.
const ROWS: usize = 1 << 20;
const VALUES: usize = 1 << 24;

/// Numbers of parquet.thrift: kinds of pages, and encodings.
const DATA_PAGE: i64 = 0;
const DICTIONARY_PAGE: i64 = 2;
const PLAIN: i64 = 0;
const RLE: i64 = 3;
const RLE_DICTIONARY: i64 = 8;

/// A Parquet file that is being written: a row group a call, or several where there are many rows, Snappy, every value
/// optional, pages of version 1. Texts that repeat go into a dictionary.
pub(crate) struct ParquetRows {
    file: BufWriter<File>,
    at: u64,
    columns: Vec<ColumnInfo>,
    groups: Vec<(u64, Vec<Part>)>,
}

/// Where the values of a column of a row group stand.
struct Part {
    kind: Kind,
    name: String,
    values: u64,
    dictionary: Option<u64>,
    data: u64,
    packed: u64,
    unpacked: u64,
}

impl ParquetRows {
    pub(crate) fn new(file: File, columns: &[ColumnInfo]) -> io::Result<Self> {
        let mut file = BufWriter::with_capacity(1 << 16, file);
        file.write_all(b"PAR1")?;
        Ok(Self { file, at: 4, columns: columns.to_vec(), groups: Vec::new() })
    }

    pub(crate) fn write(&mut self, values: &[Values]) -> io::Result<()> {
        let rows = values.first().map_or(0, Values::len);
        let most = ROWS.min(VALUES / values.len().max(1)).max(1);
        (0..rows).step_by(most).try_for_each(|from| self.group(values, from..rows.min(from + most)))
    }

    /// Writes these rows as one group.
    fn group(&mut self, values: &[Values], rows: Range<usize>) -> io::Result<()> {
        let mut parts = Vec::with_capacity(values.len());
        for (i, values) in values.iter().enumerate() {
            let name = self.columns.get(i).map(|column| column.name.clone()).unwrap_or_default();
            let (kind, len) = (values.kind(), rows.len() as u64);
            let mut part =
                Part { kind, name, values: len, dictionary: None, data: 0, packed: 0, unpacked: 0 };
            match values {
                Values::Number(values) => self.plain(&mut part, &values[rows.clone()], |bytes, value| {
                    bytes.extend_from_slice(&value.to_le_bytes());
                })?,
                Values::Integer(values) => self.plain(&mut part, &values[rows.clone()], |bytes, value| {
                    bytes.extend_from_slice(&value.to_le_bytes());
                })?,
                Values::Text(values) => self.texts(&mut part, &values[rows.clone()])?,
            }
            parts.push(part);
        }
        self.groups.push((rows.len() as u64, parts));
        Ok(())
    }

    /// Writes the footer, and everything to the disk.
    pub(crate) fn finish(mut self, origin: &Origin) -> io::Result<()> {
        let known = Known { version: VERSION, origin: origin.clone(), columns: self.columns.clone() };
        let known = serde_json::to_string(&known).map_err(io::Error::other)?;
        let rows = self.groups.iter().map(|(rows, _)| rows).sum();
        let footer = ThriftOut::of(|out| {
            out.i32(1, 1);
            let root = std::iter::once(None).chain(self.columns.iter().map(Some));
            out.structs(2, &root.collect::<Vec<_>>(), |out, column| match column {
                Some(column) => schema(out, column),
                None => {
                    out.text(4, "table");
                    out.i32(5, self.columns.len() as i64);
                }
            });
            out.i64(3, rows);
            out.structs(4, &self.groups, |out, (rows, parts)| {
                out.structs(1, parts, chunk);
                out.i64(2, parts.iter().map(|part| part.unpacked).sum());
                out.i64(3, *rows);
            });
            out.structs(5, &[()], |out, ()| {
                out.text(1, KEY);
                out.text(2, &known);
            });
            out.text(6, "brp-nas");
        });
        let len = u32::try_from(footer.len()).ok().filter(|len| u64::from(*len) <= FOOTER);
        let len = len.ok_or_else(|| {
            let (columns, groups) = (self.columns.len(), self.groups.len());
            io::Error::other(format!("{columns} columns in {groups} parts are too many to be found again"))
        })?;
        self.file.write_all(&footer)?;
        self.file.write_all(&len.to_le_bytes())?;
        self.file.write_all(b"PAR1")?;
        self.file.into_inner().map_err(|error| error.into_error())?.sync_all()
    }

    /// The values of a column as they are.
    fn plain<V>(
        &mut self,
        part: &mut Part,
        values: &[Option<V>],
        put: impl Fn(&mut Vec<u8>, &V),
    ) -> io::Result<()> {
        part.data = self.at;
        let (mut body, mut from) = (Vec::new(), 0);
        for (i, value) in values.iter().enumerate() {
            if let Some(value) = value {
                put(&mut body, value);
            }
            if body.len() >= PAGE || i + 1 == values.len() {
                let rows = values.get(from..=i).unwrap_or_default();
                let there = rows.iter().map(Option::is_some);
                self.data_page(part, PLAIN, rows.len(), there, &body)?;
                body.clear();
                from = i + 1;
            }
        }
        Ok(())
    }

    /// Texts of a dictionary, where there are few different ones; else as they are.
    fn texts(&mut self, part: &mut Part, values: &[Option<String>]) -> io::Result<()> {
        // a longer one would not be read
        if let Some(text) = values.iter().flatten().find(|text| text.len() > LINE) {
            return Err(io::Error::other(format!("a text of {} bytes; at most {LINE} are kept", text.len())));
        }
        let put = |bytes: &mut Vec<u8>, text: &String| {
            bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        };
        let Some((places, texts)) = dictionary(values) else { return self.plain(part, values, put) };
        part.dictionary = Some(self.at);
        let mut body = Vec::new();
        texts.iter().for_each(|text| put(&mut body, text));
        let head = |out: &mut ThriftOut| {
            out.inner(7, |out| {
                out.i32(1, texts.len() as i64);
                out.i32(2, PLAIN);
            });
        };
        self.page(part, DICTIONARY_PAGE, &body, head)?;
        part.data = self.at;
        // so that a place takes 14 bits at most, and a page less than it may
        let rows = PAGE / 2;
        let mut places = places.into_iter();
        for values in values.chunks(rows) {
            let count = values.iter().flatten().count();
            let body = packed(places.by_ref().take(count).collect(), texts.len());
            self.data_page(part, RLE_DICTIONARY, values.len(), values.iter().map(Option::is_some), &body)?;
        }
        Ok(())
    }

    /// A page of so many rows: which of them have a value, then the values.
    fn data_page(
        &mut self,
        part: &mut Part,
        encoding: i64,
        rows: usize,
        there: impl Iterator<Item = bool>,
        body: &[u8],
    ) -> io::Result<()> {
        let levels = runs(there);
        let mut whole = (levels.len() as u32).to_le_bytes().to_vec();
        whole.extend_from_slice(&levels);
        whole.extend_from_slice(body);
        self.page(part, DATA_PAGE, &whole, |out| {
            out.inner(5, |out| {
                out.i32(1, rows as i64);
                out.i32(2, encoding);
                out.i32(3, RLE);
                out.i32(4, RLE);
            });
        })
    }

    fn page(
        &mut self,
        part: &mut Part,
        kind: i64,
        body: &[u8],
        head: impl FnOnce(&mut ThriftOut),
    ) -> io::Result<()> {
        let packed = snap::raw::Encoder::new().compress_vec(body).map_err(io::Error::other)?;
        let header = ThriftOut::of(|out| {
            out.i32(1, kind);
            out.i32(2, body.len() as i64);
            out.i32(3, packed.len() as i64);
            head(out);
        });
        self.file.write_all(&header)?;
        self.file.write_all(&packed)?;
        let len = (header.len() + packed.len()) as u64;
        self.at += len;
        part.packed += len;
        part.unpacked += (header.len() + body.len()) as u64;
        Ok(())
    }
}

/// The physical type of a kind.
fn physical(kind: Kind) -> i64 {
    match kind {
        Kind::Number => 5,
        Kind::Integer => 2,
        Kind::Text => 6,
    }
}

/// `SchemaElement` of a column: optional, and UTF-8 where it is text.
fn schema(out: &mut ThriftOut, column: &ColumnInfo) {
    out.i32(1, physical(column.kind));
    out.i32(3, 1);
    out.text(4, &column.name);
    if column.kind == Kind::Text {
        out.i32(6, 0);
        out.inner(10, |out| out.inner(1, |_| {}));
    }
}

/// `ColumnChunk`.
fn chunk(out: &mut ThriftOut, part: &Part) {
    let first = part.dictionary.unwrap_or(part.data);
    out.i64(2, first);
    out.inner(3, |out| {
        out.i32(1, physical(part.kind));
        out.i32s(2, if part.dictionary.is_some() { &[PLAIN, RLE, RLE_DICTIONARY] } else { &[PLAIN, RLE] });
        out.texts(3, &part.name);
        out.i32(4, 1);
        out.i64(5, part.values);
        out.i64(6, part.unpacked);
        out.i64(7, part.packed);
        out.i64(9, part.data);
        if let Some(dictionary) = part.dictionary {
            out.i64(11, dictionary);
        }
    });
}

/// The different texts in the order in which they come, and the place of each text among them; none where most
/// are different, or too long for a page.
fn dictionary(values: &[Option<String>]) -> Option<(Vec<u32>, Vec<&String>)> {
    let (mut places, mut texts, mut bytes) = (Vec::new(), Vec::new(), 0);
    let mut known = BTreeMap::new();
    for text in values.iter().flatten() {
        // rows of one network stand together
        let last = places.last().filter(|last| texts.get(**last as usize) == Some(&text)).copied();
        let place = last.unwrap_or_else(|| {
            *known.entry(text).or_insert_with(|| {
                texts.push(text);
                bytes += text.len();
                texts.len() as u32 - 1
            })
        });
        places.push(place);
        if texts.len() > DICTIONARY.min(values.len() / 2) || bytes > DICTIONARY_BYTES {
            return None;
        }
    }
    (!texts.is_empty()).then_some((places, texts))
}

/// Runs of equal levels (`Encodings.md`, RLE).
fn runs(there: impl Iterator<Item = bool>) -> Vec<u8> {
    let (mut bytes, mut run) = (Vec::new(), None);
    let mut end = |run: Option<(bool, u64)>| {
        if let Some((level, len)) = run {
            varint(&mut bytes, len << 1);
            bytes.push(u8::from(level));
        }
    };
    for level in there {
        run = match run {
            Some((same, len)) if same == level => Some((same, len + 1)),
            other => {
                end(other);
                Some((level, 1))
            }
        };
    }
    end(run);
    bytes
}

/// Places in a dictionary of so many texts, in as few bits as they need, in groups of eight (`Encodings.md`,
/// bit-packed).
fn packed(places: Vec<u32>, texts: usize) -> Vec<u8> {
    let width = usize::BITS - texts.saturating_sub(1).leading_zeros();
    let mut bytes = vec![width as u8];
    if width == 0 {
        // one text: a single run
        varint(&mut bytes, (places.len() as u64) << 1);
        return bytes;
    }
    varint(&mut bytes, (places.len().div_ceil(8) as u64) << 1 | 1);
    for eight in places.chunks(8) {
        let bits = eight.iter().rev().fold(0_u128, |bits, place| bits << width | u128::from(*place));
        bytes.extend_from_slice(bits.to_le_bytes().get(..width as usize).unwrap_or_default());
    }
    bytes
}
