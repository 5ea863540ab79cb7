/// As much of Thrift's compact protocol as Parquet needs to be read. Nothing is made room for before its bytes
/// are seen; none means that the bytes end or are no such thing.
pub(super) struct Thrift<'a> {
    bytes: &'a [u8],
    pub(super) at: usize,
}

/// Structs and lists within one another.
const DEPTH: u8 = 16;

impl<'a> Thrift<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Hands over the fields of a struct, each with its number and kind, to be read.
    pub(super) fn fields(&mut self, each: &mut dyn FnMut(&mut Self, i64, u8) -> Option<()>) -> Option<()> {
        let mut field = 0_i64;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(());
            }
            field = match i64::from(head >> 4) {
                0 => self.zigzag()?,
                step => field.checked_add(step)?,
            };
            each(self, field, head & 15)?;
        }
    }

    /// Hands over the items of a list of structs, to be read.
    pub(super) fn structs(&mut self, each: &mut dyn FnMut(&mut Self) -> Option<()>) -> Option<()> {
        let (count, kind) = self.list()?;
        // some writers give an empty list no kind
        if kind != 12 && count > 0 {
            return None;
        }
        (0..count).try_for_each(|_| each(self))
    }

    fn list(&mut self) -> Option<(u64, u8)> {
        let head = self.byte()?;
        let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        Some((count, head & 15))
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at).copied()?;
        self.at += 1;
        Some(byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Some(value);
            }
        }
        None
    }

    /// A whole number of any size.
    pub(super) fn zigzag(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// A text.
    pub(super) fn text(&mut self) -> Option<&'a str> {
        let len = usize::try_from(self.varint()?).ok()?;
        let text = self.bytes.get(self.at..self.at.checked_add(len)?)?;
        self.at += len;
        std::str::from_utf8(text).ok()
    }

    /// Passes over a value of some kind.
    pub(super) fn skip(&mut self, kind: u8) -> Option<()> {
        self.skip_within(kind, 0)
    }

    fn skip_within(&mut self, kind: u8, depth: u8) -> Option<()> {
        if depth > DEPTH {
            return None;
        }
        match kind {
            // bools, which stand in the kind itself
            1 | 2 => {}
            3 => drop(self.byte()?),
            4..=6 => drop(self.varint()?),
            7 => self.pass(8)?,
            8 => {
                let len = usize::try_from(self.varint()?).ok()?;
                self.pass(len)?;
            }
            9 | 10 => {
                let (count, kind) = self.list()?;
                // a bool in a list takes a byte
                let kind = if kind <= 2 { 3 } else { kind };
                (0..count).try_for_each(|_| self.skip_within(kind, depth + 1))?;
            }
            12 => self.fields(&mut |reader, _, kind| reader.skip_within(kind, depth + 1))?,
            _ => return None,
        }
        Some(())
    }

    fn pass(&mut self, len: usize) -> Option<()> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.bytes.len())?;
        self.at = end;
        Some(())
    }
}
