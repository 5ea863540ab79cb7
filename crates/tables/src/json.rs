//! JSON as Python writes it, where numbers may be NaN, Infinity or -Infinity.

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
