//! What the columns of text files hold, where nothing but their fields says it.

use crate::Kind;

/// Whole numbers up to here, 2^53, are whole as numbers of 64 bits too.
const EXACT: u64 = 1 << 53;

/// What a column can hold without a loss, after some of its fields were seen.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Guess {
    kind: Option<Kind>,
    /// Whether a whole number is there that would be another one beside fractions.
    large: bool,
}

impl Guess {
    /// Sees a field of CSV; an empty one says nothing.
    pub(crate) fn see_field(&mut self, text: &str) {
        match text.trim() {
            "" => {}
            number if is_written_as_number(number) => self.see_number(number),
            _ => self.see(Kind::Text),
        }
    }

    /// Sees a value of JSON as it is written; null says nothing.
    pub(crate) fn see_json(&mut self, value: &str) {
        match value.as_bytes() {
            b"null" => {}
            [b'-' | b'0'..=b'9', ..] => self.see_number(value),
            _ => self.see(Kind::Text),
        }
    }

    /// What the column holds: numbers where no field said anything.
    pub(crate) fn kind(self) -> Kind {
        match self.kind.unwrap_or(Kind::Number) {
            Kind::Number if self.large => Kind::Text,
            kind => kind,
        }
    }

    fn see_number(&mut self, text: &str) {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let is_whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse::<i64>() {
            // a whole number has no zero below zero
            Ok(0) if digits.len() < text.len() => self.see(Kind::Number),
            Ok(whole) => {
                self.large |= whole.unsigned_abs() > EXACT;
                self.see(Kind::Integer);
            }
            // a seed or hash of more than 64 bits
            Err(_) if is_whole => self.see(Kind::Text),
            Err(_) if text.parse().is_ok_and(f64::is_finite) => self.see(Kind::Number),
            Err(_) => self.see(Kind::Text),
        }
    }

    fn see(&mut self, kind: Kind) {
        self.kind = Some(match self.kind {
            None => kind,
            Some(known) if known == kind => known,
            Some(known) if [known, kind].contains(&Kind::Text) => Kind::Text,
            Some(_) => Kind::Number,
        });
    }
}

/// Whether a text is what programs make of a number, and not a name that could be read as one: `007`, `+5`,
/// `inf`, or `1234e56`, which is a revision.
///
/// An exponent has a sign, as in `1e-05` of Python, or stands behind a point, as in `1.5e7`. Without either there
/// is one digit in front and three at most behind, as in `1e16` of Rust; revisions are longer.
fn is_written_as_number(text: &str) -> bool {
    let bare = text.strip_prefix('-').unwrap_or(text);
    let (digits, exponent) = bare.split_once(['e', 'E']).map_or((bare, None), |(d, e)| (d, Some(e)));
    let is_padded = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    let starts_well = bare.starts_with(|first: char| first.is_ascii_digit() || first == '.');
    let is_short = digits.len() == 1 && bare.len() <= 5;
    let ends_well =
        exponent.is_none_or(|exponent| exponent.starts_with(['+', '-']) || digits.contains('.') || is_short);
    starts_well && ends_well && !is_padded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(fields: &[&str]) -> Kind {
        let mut guess = Guess::default();
        fields.iter().for_each(|field| guess.see_field(field));
        guess.kind()
    }

    #[test]
    fn numbers_as_programs_write_them() {
        for text in ["0", "7", "-7", " 7 ", "9223372036854775807", "-9223372036854775808"] {
            assert_eq!(kind_of(&[text]), Kind::Integer, "{text}");
        }
        for text in [
            "0.5",
            "-0.5",
            ".5",
            "5.",
            "-0",
            "0.0",
            "1e-05",
            "1.5e-7",
            "1e+16",
            "1e16",
            "1E5",
            "5e-324",
            "1e308",
            "1.7976931348623157e308",
            "12e-3",
            "0e0",
        ] {
            assert_eq!(kind_of(&[text]), Kind::Number, "{text}");
        }
    }

    #[test]
    fn what_a_number_would_change_is_text() {
        for text in [
            "007",
            "-01",
            "00",
            "00.5",
            "01e-5",
            "+5",
            "+1.5",
            "1234e56",
            "12e34",
            "0e12345",
            "7e123456",
            "1e999",
            "nan",
            "NaN",
            "inf",
            "-inf",
            "infinity",
            "1_000",
            "0x1f",
            "18446744073709551615",
            "-99999999999999999999",
            "a",
            "-",
            "e5",
            "--5",
            "-+5",
        ] {
            assert_eq!(kind_of(&[text]), Kind::Text, "{text}");
        }
    }

    #[test]
    fn columns_of_several_kinds() {
        assert_eq!(kind_of(&["", " "]), Kind::Number);
        assert_eq!(kind_of(&["1", "", "2"]), Kind::Integer);
        assert_eq!(kind_of(&["1", "1.5"]), Kind::Number);
        assert_eq!(kind_of(&["1.5", "a", "1"]), Kind::Text);
        assert_eq!(kind_of(&["9007199254740992", "1.5"]), Kind::Number);
        assert_eq!(kind_of(&["9007199254740993"]), Kind::Integer);
        assert_eq!(kind_of(&["9007199254740993", "1.5"]), Kind::Text);
        assert_eq!(kind_of(&["1.5", "-9007199254740993"]), Kind::Text);
    }
}
