/// Structs of Thrift's compact protocol as bytes: every method writes one field behind the one before.
#[derive(Default)]
pub(super) struct ThriftOut {
    pub(super) bytes: Vec<u8>,
    /// The number of the last field of each struct that is open.
    fields: Vec<u8>,
}

/// Kinds of values.
const I32: u8 = 5;
const I64: u8 = 6;
const TEXT: u8 = 8;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

impl ThriftOut {
    /// One struct.
    pub(super) fn of(fill: impl FnOnce(&mut Self)) -> Vec<u8> {
        let mut out = Self::default();
        out.item(fill);
        out.bytes
    }

    pub(super) fn i32(&mut self, field: u8, value: i64) {
        self.head(field, I32);
        self.zigzag(value);
    }

    pub(super) fn i64(&mut self, field: u8, value: u64) {
        self.head(field, I64);
        self.zigzag(value.cast_signed());
    }

    pub(super) fn text(&mut self, field: u8, text: &str) {
        self.head(field, TEXT);
        self.bare_text(text);
    }

    pub(super) fn inner(&mut self, field: u8, fill: impl FnOnce(&mut Self)) {
        self.head(field, STRUCT);
        self.item(fill);
    }

    /// A list of structs.
    pub(super) fn structs<T>(&mut self, field: u8, items: &[T], mut fill: impl FnMut(&mut Self, &T)) {
        self.list(field, STRUCT, items.len());
        items.iter().for_each(|item| self.item(|out| fill(out, item)));
    }

    /// A list of numbers.
    pub(super) fn i32s(&mut self, field: u8, values: &[i64]) {
        self.list(field, I32, values.len());
        values.iter().for_each(|value| self.zigzag(*value));
    }

    /// A list of one text.
    pub(super) fn texts(&mut self, field: u8, text: &str) {
        self.list(field, TEXT, 1);
        self.bare_text(text);
    }

    fn item(&mut self, fill: impl FnOnce(&mut Self)) {
        self.fields.push(0);
        fill(self);
        self.fields.pop();
        self.bytes.push(0);
    }

    fn head(&mut self, field: u8, kind: u8) {
        let last = self.fields.last_mut().map_or(0, |last| std::mem::replace(last, field));
        self.bytes.push((field - last) << 4 | kind);
    }

    fn list(&mut self, field: u8, kind: u8, len: usize) {
        self.head(field, LIST);
        if len < 15 {
            self.bytes.push((len as u8) << 4 | kind);
        } else {
            self.bytes.push(0xf0 | kind);
            varint(&mut self.bytes, len as u64);
        }
    }

    fn bare_text(&mut self, text: &str) {
        varint(&mut self.bytes, text.len() as u64);
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn zigzag(&mut self, value: i64) {
        varint(&mut self.bytes, (value << 1 ^ value >> 63).cast_unsigned());
    }
}

/// A number in groups of seven bits, the lowest first.
pub(super) fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value > 127 {
        bytes.push(value as u8 | 128);
        value >>= 7;
    }
    bytes.push(value as u8);
}
