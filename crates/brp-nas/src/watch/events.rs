//! TensorBoard's event files: TFRecord around the few fields of `tensorflow.Event` that a scalar needs.

use std::io::{self, Write};
use tables::masked_crc32c;

/// A name and what it is now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scalar<'a>(pub(crate) &'a str, pub(crate) f64);

/// A file that scalars are written to.
#[derive(Debug)]
pub(crate) struct Events<W> {
    to: W,
}

impl<W: Write> Events<W> {
    /// Begins with the version of the format, at this time in seconds since 1970.
    pub(crate) fn new(to: W, time_s: f64) -> io::Result<Self> {
        let mut events = Self { to };
        let mut event = Vec::new();
        fixed64(&mut event, 1, time_s);
        bytes(&mut event, 3, b"brain.Event:2");
        events.record(&event)?;
        Ok(events)
    }

    /// One event of several scalars.
    pub(crate) fn write(&mut self, time_s: f64, step: u64, scalars: &[Scalar<'_>]) -> io::Result<()> {
        let mut summary = Vec::new();
        for Scalar(name, value) in scalars {
            let mut one = Vec::new();
            bytes(&mut one, 1, name.as_bytes());
            // `simple_value` is a float
            tag(&mut one, 2, 5);
            one.extend((*value as f32).to_le_bytes());
            bytes(&mut summary, 1, &one);
        }
        let mut event = Vec::new();
        fixed64(&mut event, 1, time_s);
        tag(&mut event, 2, 0);
        varint(&mut event, step);
        bytes(&mut event, 5, &summary);
        self.record(&event)
    }

    /// Length, its checksum, the data, their checksum; in one write, so that no part of it stands alone.
    fn record(&mut self, data: &[u8]) -> io::Result<()> {
        let length = (data.len() as u64).to_le_bytes();
        let parts: [&[u8]; 4] =
            [&length, &masked_crc32c(&length).to_le_bytes(), data, &masked_crc32c(data).to_le_bytes()];
        self.to.write_all(&parts.concat())?;
        self.to.flush()
    }
}

fn tag(to: &mut Vec<u8>, field: u64, kind: u64) {
    varint(to, field << 3 | kind);
}

fn varint(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

fn fixed64(to: &mut Vec<u8>, field: u64, number: f64) {
    tag(to, field, 1);
    to.extend(number.to_le_bytes());
}

fn bytes(to: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    tag(to, field, 2);
    varint(to, bytes.len() as u64);
    to.extend(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields of a message: number, and what stands there.
    fn fields(mut message: &[u8]) -> Vec<(u64, Vec<u8>)> {
        fn number(message: &mut &[u8]) -> u64 {
            let end = message.iter().position(|byte| byte & 0x80 == 0).unwrap();
            let (digits, rest) = message.split_at(end + 1);
            *message = rest;
            digits.iter().rev().fold(0, |sum, byte| sum << 7 | u64::from(byte & 0x7f))
        }
        let mut found = Vec::new();
        while !message.is_empty() {
            let tag = number(&mut message);
            let value = match tag & 7 {
                0 => number(&mut message).to_le_bytes().to_vec(),
                kind => {
                    let length = match kind {
                        1 => 8,
                        5 => 4,
                        _ => number(&mut message) as usize,
                    };
                    let (value, rest) = message.split_at(length);
                    message = rest;
                    value.to_vec()
                }
            };
            found.push((tag >> 3, value));
        }
        found
    }

    /// The events of a file, whose checksums must be right.
    fn read(mut file: &[u8]) -> Vec<Vec<(u64, Vec<u8>)>> {
        let mut events = Vec::new();
        while !file.is_empty() {
            let (head, rest) = file.split_at(12);
            assert_eq!(head[8..], masked_crc32c(&head[..8]).to_le_bytes());
            let length = u64::from_le_bytes(head[..8].try_into().unwrap()) as usize;
            let (data, rest) = rest.split_at(length);
            assert_eq!(rest[..4], masked_crc32c(data).to_le_bytes());
            events.push(fields(data));
            file = &rest[4..];
        }
        events
    }

    #[test]
    fn what_is_written_can_be_read() {
        let mut file = Vec::new();
        let mut events = Events::new(&mut file, 1.5).unwrap();
        events.write(2.5, 0, &[Scalar("value", 71.25), Scalar("latency_ms", 0.5)]).unwrap();
        events.write(3.5, 300, &[]).unwrap();
        let events = read(&file);
        let time = |seconds: f64| (1, seconds.to_le_bytes().to_vec());
        assert_eq!(events[0], [time(1.5), (3, b"brain.Event:2".to_vec())]);
        assert_eq!(events[1][..2], [time(2.5), (2, 0_u64.to_le_bytes().to_vec())]);
        let values: Vec<_> = fields(&events[1][2].1).iter().map(|(_, value)| fields(value)).collect();
        let scalar =
            |name: &str, value: f32| vec![(1, name.as_bytes().to_vec()), (2, value.to_le_bytes().to_vec())];
        assert_eq!(values, [scalar("value", 71.25), scalar("latency_ms", 0.5)]);
        assert_eq!(events[2][1], (2, 300_u64.to_le_bytes().to_vec()));
    }
}
