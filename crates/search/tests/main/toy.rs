//! A small space that is not one of the published ones: words of letters.

use nas_core::{Decisions, Evaluation, ParseArchError, SearchSpace, Stream};
use rand::RngExt;
use std::fmt;

/// Letters from `a` on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Word(Vec<u8>);

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|&letter| write!(f, "{}", char::from(b'a' + letter)))
    }
}

/// Words of `length` letters out of `letters`; no word has its first letter twice in a row at the start, so that
/// not every choice makes one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words {
    pub(crate) length: usize,
    pub(crate) letters: u8,
    /// Whether the space can be listed.
    pub(crate) listed: bool,
}

impl Words {
    fn word(&self, letters: Vec<u8>) -> Option<Word> {
        let fits = letters.len() == self.length && letters.iter().all(|&letter| letter < self.letters);
        (fits && (letters.len() < 2 || letters[0] != letters[1])).then_some(Word(letters))
    }

    /// The share of letters that are the last one, in percent, and a little by the place.
    pub(crate) fn value(word: &Word, letters: u8) -> f64 {
        let good = word.0.iter().filter(|&&letter| letter + 1 == letters).count() as f64;
        100.0 * good / word.0.len() as f64 + f64::from(*word.0.last().unwrap_or(&0)) / 10.0
    }

    pub(crate) fn evaluate(&self) -> impl Fn(&Word) -> Result<Evaluation, std::io::Error> + Sync {
        let letters = self.letters;
        move |word: &Word| {
            let latency_ms = Some(1.0 + f64::from(word.0.iter().map(|&l| u32::from(l)).sum::<u32>()));
            Ok(Evaluation { value: Self::value(word, letters), latency_ms, cost_s: Some(2.0) })
        }
    }
}

impl SearchSpace for Words {
    type Arch = Word;

    fn name(&self) -> &str {
        "words"
    }

    fn len(&self) -> Option<u64> {
        let letters = u64::from(self.letters);
        match self.length {
            0 | 1 => Some(letters.pow(self.length as u32)),
            length => Some(letters * (letters - 1) * letters.pow(length as u32 - 2)),
        }
    }

    fn sample(&self, rng: &mut Stream) -> Word {
        loop {
            let letters = (0..self.length).map(|_| rng.random_range(0..self.letters)).collect();
            if let Some(word) = self.word(letters) {
                return word;
            }
        }
    }

    fn mutate(&self, word: &Word, rng: &mut Stream) -> Word {
        let near = self.neighbours(word);
        near[rng.random_range(0..near.len())].clone()
    }

    fn neighbours(&self, word: &Word) -> Vec<Word> {
        let mut near = Vec::new();
        for at in 0..self.length {
            for letter in (0..self.letters).filter(|&letter| letter != word.0[at]) {
                let mut changed = word.0.clone();
                changed[at] = letter;
                near.extend(self.word(changed));
            }
        }
        near
    }

    fn parse(&self, text: &str) -> Result<Word, ParseArchError> {
        let letters = text.bytes().map(|byte| byte.wrapping_sub(b'a')).collect();
        self.word(letters).ok_or_else(|| ParseArchError::at("words", text, 0, "a word"))
    }

    fn enumerate(&self) -> Option<Box<dyn Iterator<Item = Word> + '_>> {
        let all = u64::from(self.letters).pow(self.length as u32);
        let spell = move |mut number: u64| {
            let mut letters = vec![0; self.length];
            for letter in letters.iter_mut().rev() {
                *letter = (number % u64::from(self.letters)) as u8;
                number /= u64::from(self.letters);
            }
            self.word(letters)
        };
        self.listed.then(|| Box::new((0..all).filter_map(spell)) as Box<dyn Iterator<Item = Word>>)
    }
}

impl Decisions for Words {
    fn decisions(&self) -> Vec<usize> {
        vec![usize::from(self.letters); self.length]
    }

    fn choices_of(&self, word: &Word) -> Vec<usize> {
        word.0.iter().map(|&letter| usize::from(letter)).collect()
    }

    fn arch_of(&self, choices: &[usize]) -> Option<Word> {
        self.word(choices.iter().map(|&choice| u8::try_from(choice)).collect::<Result<_, _>>().ok()?)
    }
}
