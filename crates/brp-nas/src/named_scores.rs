//! Scores without training by name: for warm-up, moves and features.

use crate::columns;
use crate::failure::{Broken, Failure, OrFail};
use crate::predictable::Predictable;
use crate::registry::Proxy;
use crate::score::Scoring;
use anyhow::anyhow;
use nas_core::Scorer;
use proxies::log_rank_sum;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use store::Store;
use tables::{Column, TableRef};

/// Where a score comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// The program knows how to work it out.
    Known(Proxy),
    /// A column of a table.
    Table(TableRef),
}

/// One or several scores, written with commas between them. A name alone is the column of the file before it, where that
/// has one, and else a score that the program knows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Proxies(pub(crate) Vec<Part>);

impl Default for Proxies {
    fn default() -> Self {
        Self(vec![Part::Known(Proxy::Params)])
    }
}

impl FromStr for Proxies {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut file: Option<PathBuf> = None;
        let mut parts = Vec::new();
        for name in text.split(',').map(str::trim) {
            // what cannot be read is told where it is read
            let has =
                |file: &PathBuf| columns::names_of(file).is_ok_and(|names| names.iter().any(|n| n == name));
            let part = match (Proxy::known(name), name.parse::<TableRef>(), &file) {
                (Some(known), _, file) if !file.as_ref().is_some_and(has) => Part::Known(known),
                (None, Ok(table), _) => {
                    file = Some(table.file.clone());
                    Part::Table(table)
                }
                (_, _, Some(file)) if !name.is_empty() => {
                    Part::Table(TableRef { file: file.clone(), column: name.into() })
                }
                _ => {
                    let known = Proxy::names().join(", ");
                    return Err(format!("`{name}` is no proxy: expected {known}, or a table as FILE:COLUMN"));
                }
            };
            parts.push(part);
        }
        Ok(Self(parts))
    }
}

impl TryFrom<String> for Proxies {
    type Error = String;

    /// What a record says of them, where `none` stands for none.
    fn try_from(text: String) -> Result<Self, String> {
        if text == "none" { Ok(Self(Vec::new())) } else { text.parse() }
    }
}

impl From<Proxies> for String {
    fn from(proxies: Proxies) -> Self {
        proxies.to_string()
    }
}

impl std::fmt::Display for Proxies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (place, part) in self.0.iter().enumerate() {
            f.write_str(if place > 0 { "," } else { "" })?;
            match part {
                Part::Known(known) => f.write_str(known.name())?,
                Part::Table(table) => write!(f, "{table}")?,
            }
        }
        Ok(())
    }
}

impl Proxies {
    /// What predictors see of nearly all of the space without a table where nothing is named.
    pub(crate) fn complete(space: &impl Predictable) -> Self {
        Self(space.seen().into_iter().map(Part::Known).collect())
    }

    /// Whether the space has those that are no column of a table.
    pub(crate) fn check(&self, space: &impl Predictable) -> anyhow::Result<()> {
        let has = space.scores();
        for part in &self.0 {
            if let Part::Known(proxy) = part
                && !has.contains(proxy)
            {
                let (name, space) = (proxy.name(), space.name());
                let known = has.iter().map(|proxy| proxy.name()).collect::<Vec<_>>().join(", ");
                let known = if known.is_empty() { "none".into() } else { known };
                return Err(anyhow!(
                    "`{name}` is not known of {space}, only: {known}; name a column as FILE:{name}"
                ));
            }
        }
        Ok(())
    }

    /// What each is called: a column by its name alone, where no other has it.
    pub(crate) fn names(&self) -> Vec<String> {
        let short = |part: &Part| match part {
            Part::Known(known) => known.name().to_owned(),
            Part::Table(table) => table.column.clone(),
        };
        let alone = |part: &&Part| self.0.iter().filter(|other| short(other) == short(part)).count() == 1;
        let name = |part: &Part| match part {
            Part::Table(table) if !alone(&part) => table.to_string(),
            part => short(part),
        };
        self.0.iter().map(name).collect()
    }

    pub(crate) fn tables(&self) -> impl Iterator<Item = &TableRef> {
        self.0.iter().filter_map(|part| match part {
            Part::Table(table) => Some(table),
            Part::Known(_) => None,
        })
    }

    /// Of every part what is known of the architectures.
    pub(crate) fn looked_up<S: Predictable>(
        &self,
        space: &S,
        columns: &[Column<S::Arch>],
        archs: &[S::Arch],
    ) -> Vec<Vec<Option<f64>>> {
        let mut columns = columns.iter();
        let mut of = |part: &Part| match part {
            Part::Known(known) => archs.iter().map(|arch| space.score(*known, arch)).collect(),
            Part::Table(_) => {
                let column = columns.next();
                archs.iter().map(|arch| column.and_then(|column| column.get(arch))).collect()
            }
        };
        self.0.iter().map(&mut of).collect()
    }

    /// Those that are computed.
    fn computed(&self) -> Vec<&'static dyn proxies::Proxy> {
        let name = |part: &Part| match part {
            Part::Known(Proxy::Computed(name)) => proxies::by_name(name).ok(),
            _ => None,
        };
        self.0.iter().filter_map(name).collect()
    }

    /// Whether any has to be computed.
    pub(crate) fn compute(&self) -> bool {
        !self.computed().is_empty()
    }

    /// The same, with nothing looked up that could be computed.
    pub(crate) fn all_computed(self) -> Self {
        let part = |part| match part {
            Part::Known(Proxy::Kept(name)) => Part::Known(Proxy::Computed(name)),
            part => part,
        };
        Self(self.0.into_iter().map(part).collect())
    }
}

/// Scores as features; none of them where the text is `none`.
pub(crate) fn as_features(text: &str) -> Result<Proxies, String> {
    if text == "none" {
        return Ok(Proxies(Vec::new()));
    }
    let proxies: Proxies = text.parse()?;
    if proxies.compute() {
        let names = "score the whole space with `score --all true`, and name the table";
        return Err(format!("`{text}` would have to be computed; {names}"));
    }
    Ok(proxies)
}

/// The scores of a space. Several are combined by the sum of log ranks, log(rank / n) with rank 1 for the smallest,
/// which punishes a single bad one, among the architectures that all of them score.
#[derive(Debug)]
pub(crate) enum Scores<S: Predictable> {
    /// Looked up, and combined among all architectures.
    Known {
        /// By architecture.
        sorted: Vec<(S::Arch, f64)>,
        /// How many of the space have none.
        unscored: usize,
        /// What is not among them.
        others: Others<S>,
    },
    /// Some are computed when they are asked for, and combined among those that are asked for together.
    Computed(Box<Computed<S>>),
}

/// Scores of what was not among those that were combined, where the space itself knows them.
#[derive(Debug)]
pub(crate) struct Others<S: Predictable> {
    space: &'static S,
    /// None where a table has to tell one of them.
    parts: Vec<Proxy>,
    /// What each is worth, where there are several.
    ladders: Vec<Ladder>,
}

impl<S: Predictable> Others<S> {
    fn new(
        space: &'static S,
        proxies: &Proxies,
        each: &[Vec<Option<f64>>],
        full: &[usize],
    ) -> Result<Self, Failure> {
        let known = |part: &Part| if let Part::Known(proxy) = part { Some(*proxy) } else { None };
        let parts: Vec<Proxy> = proxies.0.iter().map(known).collect::<Option<_>>().unwrap_or_default();
        let ladder = |scores: &Vec<Option<f64>>| {
            let scores: Vec<f64> = full.iter().filter_map(|&i| scores[i]).collect();
            let worth = log_rank_sum(std::slice::from_ref(&scores)).or_failed()?;
            Ok(Ladder::new(&scores.into_iter().map(Some).collect::<Vec<_>>(), &worth))
        };
        let several = if parts.len() > 1 { each } else { &[] };
        Ok(Self { space, parts, ladders: several.iter().map(ladder).collect::<Result<_, Failure>>()? })
    }

    fn score(&self, arch: &S::Arch) -> Option<f64> {
        let scores = self.parts.iter().map(|part| self.space.score(*part, arch));
        let scores: Vec<f64> = scores.collect::<Option<_>>()?;
        match scores[..] {
            [] => None,
            [score] => Some(score),
            _ => self.ladders.iter().zip(scores).map(|(ladder, score)| ladder.place(Some(score))).sum(),
        }
    }
}

/// What scores are worth, from the lowest.
#[derive(Debug)]
pub(crate) struct Ladder(Vec<[f64; 2]>);

/// No score is below all others, as in [`surrogates::by_rank`].
fn or_lowest(score: Option<f64>) -> f64 {
    score.filter(|score| !score.is_nan()).unwrap_or(f64::NEG_INFINITY)
}

impl Ladder {
    pub(crate) fn new(scores: &[Option<f64>], worth: &[f64]) -> Self {
        let mut steps: Vec<[f64; 2]> =
            scores.iter().zip(worth).map(|(score, worth)| [or_lowest(*score), *worth]).collect();
        steps.sort_by(|a, b| a[0].total_cmp(&b[0]));
        Self(steps)
    }

    /// What the next lower score is worth, or the lowest where none is lower.
    pub(crate) fn place(&self, score: Option<f64>) -> Option<f64> {
        let score = or_lowest(score);
        let above = self.0.partition_point(|step| step[0] <= score);
        Some(self.0.get(above.saturating_sub(1))?[1])
    }
}

/// Scores that are computed.
#[derive(Debug)]
pub(crate) struct Computed<S: Predictable> {
    pub(crate) space: &'static S,
    pub(crate) proxies: Proxies,
    pub(crate) columns: Vec<Column<S::Arch>>,
    pub(crate) scoring: Scoring,
    /// Where those are that were computed before.
    pub(crate) store: PathBuf,
    pub(crate) threads: usize,
    /// By class of equal architectures and proxy. One search computes at a time, on all threads.
    pub(crate) held: Mutex<BTreeMap<S::Arch, Vec<f64>>>,
    /// Where it is left that nothing can be computed any more.
    pub(crate) broken: Broken,
}

impl<S: Predictable> Scores<S> {
    /// Looked up for all `archs`; of others what the space knows itself.
    pub(crate) fn known(
        space: &'static S,
        proxies: &Proxies,
        columns: &[Column<S::Arch>],
        archs: &[S::Arch],
    ) -> Result<Self, Failure> {
        let each = proxies.looked_up(space, columns, archs);
        let (full, sums) = combined(&each).or_failed()?;
        if full.is_empty() {
            return Err(anyhow!("--proxy {proxies} scores none of the {} architectures", archs.len()))
                .or_input();
        }
        let mut sorted: Vec<(S::Arch, f64)> = full.iter().map(|&i| archs[i].clone()).zip(sums).collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        let others = Others::new(space, proxies, &each, &full)?;
        Ok(Self::Known { unscored: archs.len() - sorted.len(), sorted, others })
    }

    /// That an architecture could be scored now, and its scores kept.
    pub(crate) fn check(&self, arch: &S::Arch) -> Result<(), Failure> {
        let Self::Computed(computed) = self else { return Ok(()) };
        let Computed { proxies, scoring, store, .. } = &**computed;
        Store::open_or_create(store).or_input()?;
        scoring.check(&arch.to_string(), &proxies.computed())
    }

    /// Why nothing can be scored any more, where that is so.
    pub(crate) fn broken(&self) -> Option<String> {
        if let Self::Computed(computed) = self { computed.broken.said(None) } else { None }
    }

    /// How many of the space have no score, as far as that is known.
    pub(crate) fn unscored(&self) -> usize {
        if let Self::Known { unscored, .. } = self { *unscored } else { 0 }
    }
}

/// Which have all scores, and what these come to.
fn combined(each: &[Vec<Option<f64>>]) -> Result<(Vec<usize>, Vec<f64>), proxies::ProxyError> {
    let count = each.first().map_or(0, Vec::len);
    let full: Vec<usize> = (0..count).filter(|&i| each.iter().all(|scores| scores[i].is_some())).collect();
    let mut kept: Vec<Vec<f64>> =
        each.iter().map(|scores| full.iter().filter_map(|&i| scores[i]).collect()).collect();
    let sums = match kept.len() {
        _ if full.is_empty() => Vec::new(),
        1 => kept.remove(0),
        _ => log_rank_sum(&kept)?,
    };
    Ok((full, sums))
}

impl<S: Predictable> Computed<S> {
    fn scores(&self, archs: &[S::Arch]) -> Result<Vec<Option<f64>>, Failure> {
        let proxies = self.proxies.computed();
        let firsts: Vec<S::Arch> = archs.iter().map(|arch| self.space.representative(arch)).collect();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut missing: Vec<&S::Arch> = firsts.iter().filter(|arch| !held.contains_key(arch)).collect();
        missing.sort_unstable();
        missing.dedup();
        let texts: Vec<String> = missing.iter().map(ToString::to_string).collect();
        let found = self.scoring.scores(&texts, &proxies, &self.store, self.threads)?;
        held.extend(missing.into_iter().cloned().zip(found));
        let mut each = self.proxies.looked_up(self.space, &self.columns, archs);
        let computed = self.proxies.0.iter().zip(&mut each);
        let computed = computed.filter(|(part, _)| matches!(part, Part::Known(Proxy::Computed(_))));
        for (place, (_, scores)) in computed.enumerate() {
            for (score, first) in scores.iter_mut().zip(&firsts) {
                *score = held.get(first).map(|row| row[place]).filter(|value| !value.is_nan());
            }
        }
        let (full, sums) = combined(&each).or_failed()?;
        let mut all = vec![None; archs.len()];
        full.into_iter().zip(sums).for_each(|(place, sum)| all[place] = Some(sum));
        Ok(all)
    }
}

impl<S: Predictable> Scorer<S::Arch> for Scores<S> {
    fn scores(&self, archs: &[S::Arch]) -> Vec<Result<f64, String>> {
        let scores = match self {
            Self::Known { sorted, others, .. } => archs
                .iter()
                .map(|arch| match sorted.binary_search_by(|(known, _)| known.cmp(arch)) {
                    Ok(place) => Some(sorted[place].1),
                    Err(_) => others.score(arch),
                })
                .collect(),
            Self::Computed(computed) => match computed.scores(archs) {
                Ok(scores) => scores,
                Err(failure) => {
                    let why = computed.broken.say(&failure);
                    return archs.iter().map(|_| Err(why.clone())).collect();
                }
            },
        };
        let named = archs.iter().zip(scores);
        named.map(|(arch, score)| score.ok_or_else(|| format!("{arch} is not scored"))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spaces::NasBench201;
    use surrogates::by_rank;

    #[test]
    fn what_was_not_ranked_is_worth_what_scores_next_below_it() {
        let scores = [Some(3.0), None, Some(1.0), Some(3.0), Some(f64::NAN), Some(2.0)];
        let ranks = by_rank(&scores).unwrap();
        let ladder = Ladder::new(&scores, &ranks);
        for (score, rank) in scores.iter().zip(&ranks) {
            assert_eq!(ladder.place(*score), Some(*rank));
        }
        assert_eq!(ladder.place(Some(2.5)), Some(ranks[5]));
        assert_eq!(ladder.place(Some(9.0)), Some(ranks[0]));
        assert_eq!(ladder.place(Some(-9.0)), Some(ranks[1]));
    }

    #[test]
    fn a_name_alone_is_of_the_file_before_it_where_that_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t.csv");
        std::fs::write(&file, "arch,synflow,mine,params\n").unwrap();
        let file = file.display();
        let read = |text: String| text.parse::<Proxies>().unwrap().to_string();
        let whole = format!("snip,{file}:mine,{file}:synflow,flops,{file}:params");
        assert_eq!(read(format!("snip,{file}:mine,synflow,flops,params")), whole);
        assert_eq!(read(whole.clone()), whole);
        assert_eq!(read("params,synflow".into()), "params,synflow");
        let names = |text: String| text.parse::<Proxies>().unwrap().names();
        assert_eq!(
            names(format!("synflow,{file}:synflow,mine")),
            ["synflow", &format!("{file}:synflow"), "mine"]
        );
        // a column that is in no file that can be read is told where it is read
        assert_eq!(read("nowhere.csv:mine,other,snip".into()), "nowhere.csv:mine,nowhere.csv:other,snip");
    }

    #[test]
    fn what_was_not_combined_is_scored_by_what_the_space_knows() {
        let some: Vec<_> = (0..600).map(|index| NasBench201.get(index).unwrap()).collect();
        let others: Vec<_> = (600..900).map(|index| NasBench201.get(index).unwrap()).collect();
        let params = |arch| NasBench201.score(Proxy::Params, arch).unwrap();
        let one = Scores::known(&NasBench201, &"params".parse().unwrap(), &[], &some).unwrap();
        for (arch, score) in others.iter().zip(one.scores(&others)) {
            assert_eq!(score, Ok(params(arch)));
        }
        // of several, one with the numbers of another has its place
        let both = Scores::known(&NasBench201, &"params,flops".parse().unwrap(), &[], &some).unwrap();
        let flops = |arch| NasBench201.score(Proxy::Flops, arch).unwrap();
        let known = both.scores(&some);
        let costs: Vec<_> = some.iter().map(|arch| (params(arch), flops(arch))).collect();
        let mut same = 0;
        for (arch, score) in others.iter().zip(both.scores(&others)) {
            if let Some(place) = costs.iter().position(|cost| *cost == (params(arch), flops(arch))) {
                assert_eq!(score, known[place]);
                same += 1;
            }
        }
        assert!(same > 50, "{same}");
    }
}
