/// Rust source with comments, strings and characters blanked, line by line as before, so that a search
/// finds code alone.
pub fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(&first) = chars.get(at) {
        let end = skipped(&chars, at);
        if end == at {
            out.push(first);
            at += 1;
        } else {
            let end = end.min(chars.len());
            out.extend(chars[at..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

/// The end of the comment or literal that begins at `at`; `at` itself where none does.
fn skipped(chars: &[char], at: usize) -> usize {
    let starts = |at: usize, what: &str| what.chars().enumerate().all(|(i, c)| chars.get(at + i) == Some(&c));
    let until = |from: usize, what: &str| {
        (from..chars.len()).find(|&i| starts(i, what)).map_or(chars.len(), |i| i + what.len())
    };
    match chars[at] {
        '/' if starts(at, "//") => (at..chars.len()).find(|&i| chars[i] == '\n').unwrap_or(chars.len()),
        '/' if starts(at, "/*") => {
            let (mut depth, mut i) = (1, at + 2);
            while depth > 0 && i < chars.len() {
                match () {
                    () if starts(i, "/*") => (depth, i) = (depth + 1, i + 2),
                    () if starts(i, "*/") => (depth, i) = (depth - 1, i + 2),
                    () => i += 1,
                }
            }
            i
        }
        '"' => {
            let mut i = at + 1;
            while i < chars.len() && chars[i] != '"' {
                i += if chars[i] == '\\' { 2 } else { 1 };
            }
            i + 1
        }
        '\'' if chars.get(at + 1) == Some(&'\\') => until(at + 3, "'"),
        '\'' if chars.get(at + 2) == Some(&'\'') => at + 3,
        'r' => {
            let before = at.checked_sub(1).map_or(' ', |i| chars[i]);
            let literal = matches!(before, 'b' | 'c') && !is_word_before(chars, at - 1);
            let word = is_word(before) && !literal;
            let hashes = chars[at + 1..].iter().take_while(|&&c| c == '#').count();
            if word || chars.get(at + 1 + hashes) != Some(&'"') {
                return at;
            }
            until(at + 2 + hashes, &format!("\"{}", "#".repeat(hashes)))
        }
        _ => at,
    }
}

fn is_word_before(chars: &[char], at: usize) -> bool {
    at.checked_sub(1).is_some_and(|i| is_word(chars[i]))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Blanked code without what stands behind `#[cfg(test)]`.
pub(crate) fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    while let Some(start) = out.find("#[cfg(test)]") {
        let rest = &out[start..];
        let open = rest.find(['{', ';']).unwrap_or(rest.len());
        let mut depth = 0_usize;
        let close = rest.char_indices().skip_while(|&(i, _)| i < open).find_map(|(i, c)| {
            match c {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            (depth == 0).then_some(i + 1)
        });
        let end = start + close.unwrap_or(rest.len());
        let blanked: String = out[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        out.replace_range(start..end, &blanked);
    }
    out
}

/// Whether `line` holds `what` as a word of its own.
pub(crate) fn holds(line: &str, what: &str) -> bool {
    let edge = |inner: Option<char>, outer: Option<char>| {
        !(inner.is_some_and(is_word) && outer.is_some_and(is_word))
    };
    line.match_indices(what).any(|(at, _)| {
        edge(what.chars().next(), line[..at].chars().next_back())
            && edge(what.chars().next_back(), line[at + what.len()..].chars().next())
    })
}
