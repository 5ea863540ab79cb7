use super::thrift::Thrift;
use crate::Flaw;
use crate::source::COLUMNS;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// Bytes of a footer: some fifty a column and row group.
pub(super) const FOOTER: u64 = 16 << 20;
/// Elements of a schema, keys, and parts of columns: what a footer may make room for.
const ELEMENTS: usize = 2 * COLUMNS;
const PAIRS: usize = 10_000;
const PARTS: usize = 1 << 20;
/// Groups of columns within one another.
const DEPTH: usize = 32;

/// What a file says of itself (parquet.thrift, `FileMetaData`).
#[derive(Default)]
pub(super) struct Footer {
    pub(super) rows: i64,
    /// Columns that are no groups, in the order of their parts.
    pub(super) leaves: Vec<Leaf>,
    pub(super) groups: Vec<Group>,
    /// Keys and values.
    pub(super) pairs: Vec<(String, String)>,
}

/// A column.
#[derive(Default, Clone)]
pub(super) struct Leaf {
    /// Of what stands in a group: the group's at the top, of its first column; empty of the others.
    pub(super) name: String,
    /// BOOLEAN 0, INT32 1, INT64 2, INT96 3, FLOAT 4, DOUBLE 5, BYTE_ARRAY 6, FIXED_LEN_BYTE_ARRAY 7.
    pub(super) physical: i64,
    /// UTF8 0 and so on; none where the physical type says all.
    pub(super) converted: Option<i64>,
    /// The field of parquet.thrift's `LogicalType`: STRING 1, INTEGER 10 and so on; none where none is given.
    pub(super) logical: Option<i64>,
    /// Whether that is a whole number without a sign.
    pub(super) unsigned: bool,
    pub(super) optional: bool,
    /// Neither repeated nor within a group.
    pub(super) flat: bool,
}

/// Some rows.
#[derive(Default)]
pub(super) struct Group {
    pub(super) rows: i64,
    pub(super) parts: Vec<Part>,
}

/// A column of some rows.
#[derive(Default, Clone)]
pub(super) struct Part {
    pub(super) codec: i64,
    pub(super) len: i64,
    pub(super) data: i64,
    pub(super) dictionary: Option<i64>,
}

/// An element of the schema.
#[derive(Default)]
struct Element {
    leaf: Leaf,
    physical: Option<i64>,
    repetition: i64,
    children: i64,
}

impl Footer {
    /// Reads the footer of a file.
    ///
    /// # Errors
    /// A file that is cut off, or a footer that is no such thing.
    pub(super) fn read(file: &mut File) -> Result<Self, Flaw> {
        let failed = |error: io::Error| Flaw::new("the end", "bytes", error);
        let len = file.seek(SeekFrom::End(0)).map_err(failed)?;
        file.seek(SeekFrom::Start(len.saturating_sub(8))).map_err(failed)?;
        let mut end = Vec::new();
        (&mut *file).take(8).read_to_end(&mut end).map_err(failed)?;
        let [a, b, c, d, b'P', b'A', b'R', b'1'] = end.as_slice() else {
            let found = "others: the file is cut off or no Parquet file";
            return Err(Flaw::new("the end", "the four letters PAR1", found));
        };
        let own = u64::from(u32::from_le_bytes([*a, *b, *c, *d]));
        let most = FOOTER.min(len.saturating_sub(12));
        if own > most {
            return Err(Flaw::new("the end", format!("a footer of at most {most} bytes"), own));
        }
        file.seek(SeekFrom::Start(len - 8 - own)).map_err(failed)?;
        let mut bytes = Vec::new();
        (&mut *file).take(own).read_to_end(&mut bytes).map_err(failed)?;
        let mut reader = Thrift::new(&bytes);
        let found = Self::from(&mut reader);
        let place = || {
            Flaw::new(
                "the footer",
                format!("what describes a Parquet file of at most {COLUMNS} columns and {PARTS} parts"),
                format!("something else at its byte {}", reader.at),
            )
        };
        found.ok_or_else(place)
    }

    fn from(reader: &mut Thrift<'_>) -> Option<Self> {
        let (mut found, mut elements, mut parts) = (Self::default(), Vec::new(), 0);
        reader.fields(&mut |reader, field, kind| match (field, kind) {
            (2, 9) => reader.structs(&mut |reader| push(&mut elements, element(reader)?, ELEMENTS)),
            (3, 6) => {
                found.rows = reader.zigzag()?;
                Some(())
            }
            (4, 9) => reader.structs(&mut |reader| {
                let group = group(reader, &mut parts)?;
                push(&mut found.groups, group, PARTS)
            }),
            (5, 9) => reader.structs(&mut |reader| {
                let (mut key, mut value) = (String::new(), String::new());
                reader.fields(&mut |reader, field, kind| {
                    match (field, kind) {
                        (1, 8) => key = reader.text()?.into(),
                        (2, 8) => value = reader.text()?.into(),
                        _ => reader.skip(kind)?,
                    }
                    Some(())
                })?;
                push(&mut found.pairs, (key, value), PAIRS)
            }),
            _ => reader.skip(kind),
        })?;
        found.leaves = leaves(elements)?;
        Some(found)
    }
}

/// Adds an item, where that is not one too many.
fn push<V>(list: &mut Vec<V>, item: V, most: usize) -> Option<()> {
    (list.len() < most).then(|| list.push(item))
}

/// The columns of a schema, whose groups stand in front of what they hold.
fn leaves(elements: Vec<Element>) -> Option<Vec<Leaf>> {
    let mut leaves = Vec::new();
    // children that are still to come of each group around
    let mut open: Vec<i64> = Vec::new();
    let mut top = String::new();
    for (i, element) in elements.into_iter().enumerate() {
        while open.pop_if(|left| *left == 0).is_some() {}
        if i > 0 {
            *open.last_mut()? -= 1;
        }
        if open.len() == 1 {
            top = element.leaf.name;
        }
        if i == 0 || element.physical.is_none() {
            if element.children < 0 || open.len() == DEPTH {
                return None;
            }
            open.push(element.children);
        } else {
            let (optional, flat) = (element.repetition == 1, element.repetition < 2 && open.len() == 1);
            let (name, physical) = (std::mem::take(&mut top), element.physical?);
            leaves.push(Leaf { name, physical, optional, flat, ..element.leaf });
        }
    }
    open.iter().all(|left| *left == 0).then_some(leaves)
}

/// Of `LogicalType`.
pub(super) const STRING: i64 = 1;
pub(super) const INTEGER: i64 = 10;
pub(super) const UNKNOWN: i64 = 11;

fn element(reader: &mut Thrift<'_>) -> Option<Element> {
    let mut found = Element::default();
    reader.fields(&mut |reader, field, kind| {
        match (field, kind) {
            (1, 5) => found.physical = Some(reader.zigzag()?),
            (3, 5) => found.repetition = reader.zigzag()?,
            (4, 8) => found.leaf.name = reader.text()?.into(),
            (5, 5) => found.children = reader.zigzag()?,
            (6, 5) => found.leaf.converted = Some(reader.zigzag()?),
            // a union: one field, which says which
            (10, 12) => reader.fields(&mut |reader, which, kind| {
                found.leaf.logical = Some(which);
                match (which, kind) {
                    // a bool stands in the kind itself: 1 is true, 2 is false
                    (INTEGER, 12) => reader.fields(&mut |reader, field, kind| {
                        found.leaf.unsigned |= (field, kind) == (2, 2);
                        reader.skip(kind)
                    }),
                    _ => reader.skip(kind),
                }
            })?,
            _ => reader.skip(kind)?,
        }
        Some(())
    })?;
    found.leaf.unsigned |= matches!(found.leaf.converted, Some(11..=14));
    Some(found)
}

/// A group, whose parts are counted with those of the groups before.
fn group(reader: &mut Thrift<'_>, parts: &mut usize) -> Option<Group> {
    let mut found = Group::default();
    reader.fields(&mut |reader, field, kind| match (field, kind) {
        (1, 9) => reader.structs(&mut |reader| {
            let mut part = Part::default();
            reader.fields(&mut |reader, field, kind| match (field, kind) {
                (3, 12) => reader.fields(&mut |reader, field, kind| {
                    match (field, kind) {
                        (4, 5) => part.codec = reader.zigzag()?,
                        (7, 6) => part.len = reader.zigzag()?,
                        (9, 6) => part.data = reader.zigzag()?,
                        (11, 6) => part.dictionary = Some(reader.zigzag()?),
                        _ => reader.skip(kind)?,
                    }
                    Some(())
                }),
                _ => reader.skip(kind),
            })?;
            *parts += 1;
            (*parts <= PARTS).then(|| found.parts.push(part))
        }),
        (3, 6) => {
            found.rows = reader.zigzag()?;
            Some(())
        }
        _ => reader.skip(kind),
    })?;
    Some(found)
}
