use thiserror::Error;

/// Numbers as Slurm writes the tasks of an array, in rising order.
///
/// ```
/// assert_eq!(cluster::ranges(&[3, 0, 1, 2, 7]), "0-3,7");
/// ```
pub fn ranges(numbers: &[u64]) -> String {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let runs = sorted.chunk_by(|a, b| a + 1 == *b);
    let text = |run: &[u64]| match run {
        [first, .., last] => format!("{first}-{last}"),
        [one] => one.to_string(),
        [] => String::new(),
    };
    runs.map(text).collect::<Vec<_>>().join(",")
}

/// Text that is no list of numbers and ranges.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("expected numbers and ranges such as 0-5,8 with at most {most} numbers, found {part:?}")]
pub struct RangesError {
    /// What is wrong in it.
    pub part: String,
    /// How many numbers may be meant.
    pub most: u64,
}

/// What [`ranges`] wrote, or a person did: numbers in rising order, each once, at most `most` of them.
///
/// # Errors
/// Anything else.
///
/// ```
/// assert_eq!(cluster::read_ranges("0-3,7", 10)?, [0, 1, 2, 3, 7]);
/// assert!(cluster::read_ranges("0-1000000000000", 10).is_err());
/// # Ok::<(), cluster::RangesError>(())
/// ```
pub fn read_ranges(text: &str, most: u64) -> Result<Vec<u64>, RangesError> {
    let mut numbers = Vec::new();
    for part in text.split(',') {
        let wrong = || RangesError { part: part.chars().take(80).collect(), most };
        let read = |text: &str| text.trim().parse::<u64>().map_err(|_| wrong());
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (read(first)?, read(last)?),
            None => (read(part)?, read(part)?),
        };
        if last < first || last - first >= most.saturating_sub(numbers.len() as u64) {
            return Err(wrong());
        }
        numbers.extend(first..=last);
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}
