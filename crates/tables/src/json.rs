//! JSON before it is parsed: as Python writes it, where numbers may be NaN, Infinity or -Infinity, or cut off.

/// The same JSON with null in place of the three words that JSON does not have.
pub(crate) fn without_nan(bytes: &[u8]) -> Vec<u8> {
    const WORDS: [&[u8]; 3] = [b"NaN", b"Infinity", b"-Infinity"];
    let mut made = Vec::with_capacity(bytes.len());
    let (mut rest, mut quoted) = (bytes, false);
    while let Some((&byte, behind)) = rest.split_first() {
        let word = WORDS.into_iter().find(|word| !quoted && rest.starts_with(word));
        if let Some(word) = word {
            made.extend_from_slice(b"null");
            rest = rest.get(word.len()..).unwrap_or_default();
            continue;
        }
        made.push(byte);
        rest = behind;
        match byte {
            b'"' => quoted = !quoted,
            b'\\' if quoted => {
                made.extend(rest.first());
                rest = rest.get(1..).unwrap_or_default();
            }
            _ => {}
        }
    }
    made
}

/// Whether an object of JSON, which may be cut off, has this key at least so many objects deep.
pub(crate) fn has_key(text: &[u8], key: &str, depth: usize) -> bool {
    let (mut open, mut rest) = (0_usize, text);
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            b'{' => open += 1,
            b'}' => open = open.saturating_sub(1),
            b'"' => {
                let mut escaped = false;
                let end = rest.iter().position(|&byte| {
                    let ends = byte == b'"' && !escaped;
                    escaped = byte == b'\\' && !escaped;
                    ends
                });
                let (text, behind) = rest.split_at(end.unwrap_or(rest.len()));
                rest = behind.get(1..).unwrap_or_default();
                let is_key = rest.trim_ascii_start().starts_with(b":");
                if open >= depth && is_key && text == key.as_bytes() {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}
