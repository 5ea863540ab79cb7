//! The tables of a search, as columns over the space.

use super::args::{Args, LimitBy, Source};
use super::settings::{Plan, Settings};
use crate::columns;
use crate::failure::{Broken, Failure, OrFail};
use crate::features::Features;
use crate::named_scores::{Computed, Proxies, Scores};
use crate::predictable::Predictable;
use crate::registry::{LISTED, different};
use crate::score::Scoring;
use anyhow::anyhow;
use nas_core::{Labelled, SearchSpace, Seed, Stream};
use rand::seq::SliceRandom;
use search::Domain;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};
use tables::{Column, TableRef};

/// What there is beside candidates that were drawn.
#[derive(Debug)]
enum Beyond<A> {
    Nothing,
    /// All of the space.
    Space,
    /// All that the tables know, or all classes, and one for each that is the same in other words.
    Rows {
        all: Vec<A>,
        by_key: BTreeMap<A, A>,
    },
}

/// What is known of the space.
pub(super) struct Data<S: Predictable> {
    pub(super) space: &'static S,
    /// All that are known by name, in index order: those of the accuracy table, or of the space, or some that were drawn from
    /// it.
    pub(super) archs: Vec<S::Arch>,
    /// What may be trained, in index order: all of them that every table of a result knows, or some that were drawn from
    /// these. Latencies that a predictor is fitted to need not be there.
    pub(super) candidates: Vec<S::Arch>,
    /// What may be trained beside them, where they were drawn.
    beyond: Beyond<S::Arch>,
    /// Whether a class of equal architectures is one of them, by its first.
    pub(super) by_class: bool,
    pub(super) accuracy: Option<Column<S::Arch>>,
    pub(super) test: Option<Column<S::Arch>>,
    pub(super) latency: Option<Column<S::Arch>>,
    /// What a latency predictor learns from.
    pub(super) latency_rows: Option<Labelled<S::Arch>>,
    /// Seconds that a training costs.
    pub(super) cost: Option<Column<S::Arch>>,
    /// What the predictor is pre-trained on, where that is a table.
    pub(super) source: Option<Column<S::Arch>>,
    /// Scores without training, where a part needs them.
    pub(super) scores: Option<Scores<S>>,
    /// The tables that scores come from.
    columns: Vec<Column<S::Arch>>,
    /// What surrogates see, where one is used.
    pub(super) features: Option<Features<S::Arch>>,
    rows: OnceLock<Vec<(S::Arch, Vec<f64>)>>,
    /// Where all of it comes from.
    pub(super) provenance: Vec<Value>,
}

impl<S: Predictable> Data<S> {
    /// Reads each file once, however many columns of it are named.
    pub(super) fn read(space: &'static S, args: &Args, settings: &Settings) -> Result<Self, Failure> {
        let (proxy, features) = (settings.proxy.as_ref(), settings.scores.as_ref());
        for proxies in [proxy.filter(|proxy| !proxy.compute()), features].into_iter().flatten() {
            proxies.check(space).or_input()?;
        }
        let source = match &args.transfer_from {
            Some(Source::Table(table)) => Some(table.clone()),
            _ => None,
        };
        let proxies: Vec<&TableRef> = proxy.into_iter().flat_map(Proxies::tables).collect();
        let seen: Vec<&TableRef> = features.into_iter().flat_map(Proxies::tables).collect();
        let named = [&args.accuracy, &args.test, &args.latency, &args.cost, &source];
        let wanted: Vec<&TableRef> =
            named.into_iter().flatten().chain(proxies.iter().chain(&seen).copied()).collect();
        let mut known: Vec<(&TableRef, Column<S::Arch>)> = Vec::new();
        for table in &wanted {
            if known.iter().any(|(name, _)| name == table) {
                continue;
            }
            let mut names: Vec<&TableRef> = Vec::new();
            for other in wanted.iter().filter(|other| other.file == table.file) {
                if !names.contains(other) {
                    names.push(other);
                }
            }
            let columns: Vec<&str> = names.iter().map(|name| name.column.as_str()).collect();
            let read = columns::read_columns(space, &table.file, &columns)?;
            known.extend(names.into_iter().zip(read));
        }
        let one = |name: &TableRef| known.iter().find(|(known, _)| *known == name).map(|(_, c)| c.clone());
        let find = |name: &Option<TableRef>| name.as_ref().and_then(&one);
        let accuracy = find(&args.accuracy);
        let (mut archs, drawn) = architectures(space, args, accuracy.as_ref())?;
        // whatever the order of a table's rows
        archs.sort_by_cached_key(|arch| (space.number(arch), arch.clone()));
        let (test, latency, cost, source) =
            (find(&args.test), find(&args.latency), find(&args.cost), find(&source));
        latency.iter().chain(&cost).try_for_each(columns::check_costs)?;
        let latency_rows =
            latency.as_ref().map(|column| columns::rows_of(space, args.latency.as_ref(), column));
        let latency_rows = latency_rows.map(|rows| in_order(space, &rows));
        // what is looked up in other tables than the one that names the architectures
        let reworded = |column: Option<Column<S::Arch>>| {
            column.map(|column| columns::reworded(space, &column, &archs)).transpose()
        };
        let one = |name: &TableRef| reworded(one(name));
        let by_class = columns::is_benchmark(args.accuracy.as_ref()) || (accuracy.is_none() && !drawn);
        let all = |names: &[&TableRef]| -> Result<Vec<Column<S::Arch>>, Failure> {
            names.iter().filter_map(|name| one(name).transpose()).collect()
        };
        let (columns, seen) = (all(&proxies)?, all(&seen)?);
        for (flag, told) in
            [("--proxy", &columns[..]), ("--scores", &seen), ("--transfer-from", source.as_slice())]
        {
            check_hidden(flag, told, [("--accuracy", &accuracy), ("--test", &test)])?;
        }
        // what is computed has to wait for the run folder
        let known = proxy.filter(|proxy| !proxy.compute());
        let scores = known.map(|proxy| Scores::known(space, proxy, &columns, &archs)).transpose()?;
        let features =
            features.map(|proxies| Features::of_accuracies(space, &archs, proxies, &seen)).transpose()?;
        let (test, latency, cost) = (reworded(test)?, reworded(latency)?, reworded(cost)?);
        let parts =
            [&accuracy, &test, &latency, &source, &cost].into_iter().flatten().chain(&columns).chain(&seen);
        let provenance = parts.map(|column| serde_json::to_value(column.provenance()));
        let provenance = provenance.collect::<Result<_, _>>().or_failed()?;
        let mut data = Self {
            space,
            archs,
            candidates: Vec::new(),
            beyond: if drawn { Beyond::Space } else { Beyond::Nothing },
            by_class,
            accuracy,
            test,
            latency,
            latency_rows,
            cost,
            source,
            scores,
            columns,
            features,
            rows: OnceLock::new(),
            provenance,
        };
        data.candidates = data.known(settings);
        data.draw(args, settings)?;
        data.check_enough(args, settings)?;
        Ok(data)
    }

    /// Has scores computed that no table knows, into a store of their own.
    pub(super) fn compute(&mut self, proxy: &Proxies, scoring: Scoring, store: PathBuf, threads: usize) {
        let (space, proxies, columns) = (self.space, proxy.clone(), self.columns.clone());
        let (held, broken) = (Mutex::default(), Broken::default());
        let computed = Computed { space, proxies, columns, scoring, store, threads, held, broken };
        self.scores = Some(Scores::Computed(Box::new(computed)));
    }

    /// All that every table of a result knows, in index order.
    fn known(&self, settings: &Settings) -> Vec<S::Arch> {
        let predicted = settings.max_latency.is_some() && settings.limit_by != LimitBy::Table;
        let known = |column: &Option<Column<S::Arch>>, arch: &S::Arch| {
            column.as_ref().is_none_or(|column| column.get(arch).is_some())
        };
        let mut archs = self.archs.clone();
        archs.retain(|arch| (predicted || known(&self.latency, arch)) && known(&self.cost, arch));
        let dropped = self.archs.len() - archs.len();
        if dropped > 0 {
            let unmeasured = self.archs.iter().any(|arch| !known(&self.latency, arch));
            let advice = if unmeasured && settings.max_latency.is_none() {
                "; with --max-latency, latencies are predicted"
            } else {
                ""
            };
            eprintln!(
                "{dropped} architectures have an accuracy but no latency or cost and are left out{advice}"
            );
        }
        archs
    }

    /// Keeps so many candidates of a table, or of classes, as are asked for, drawn at random whatever the order of rows.
    fn draw(&mut self, args: &Args, settings: &Settings) -> Result<(), Failure> {
        let Some(count) = args.candidates.filter(|_| !self.drawn()) else { return Ok(()) };
        let candidates = std::mem::take(&mut self.candidates);
        if count >= candidates.len() {
            let of_tables = self.accuracy.is_some() || candidates.len() < self.archs.len();
            let known = if of_tables {
                format!("the tables know only {} architectures", candidates.len())
            } else {
                format!("{} has only {} that differ", self.space.name(), candidates.len())
            };
            return Err(anyhow!("--candidates is {count}, but {known}: leave it out, or draw fewer"))
                .or_input();
        }
        let by_key = candidates.iter().map(|arch| (self.key(arch), arch.clone())).collect();
        self.beyond = Beyond::Rows { all: candidates.clone(), by_key };
        let mut places: Vec<usize> = (0..candidates.len()).collect();
        places.shuffle(&mut Seed(settings.seed).derive("pool").stream("rows"));
        places.truncate(count);
        places.sort_unstable();
        self.candidates = places.into_iter().map(|place| candidates[place].clone()).collect();
        Ok(())
    }

    /// Equal for what is one row of a table, in whatever words.
    pub(super) fn key(&self, arch: &S::Arch) -> S::Arch {
        let first = self.by_class.then(|| self.space.representative(arch));
        self.space.written(first.as_ref().unwrap_or(arch))
    }

    /// That there are as many as are to be trained, and as many as the warm-up that somebody asked for.
    fn check_enough(&self, args: &Args, settings: &Settings) -> Result<(), Failure> {
        let most = match &self.beyond {
            Beyond::Space if !settings.bound() => usize::MAX,
            Beyond::Rows { all, .. } if !settings.bound() => all.len(),
            _ => self.candidates.len(),
        };
        let asked =
            [("--budget", Some(settings.budget), most), ("--warmup", args.warmup, self.candidates.len())];
        for (flag, wanted, count) in asked {
            if let Some(wanted) = wanted.filter(|&wanted| wanted > count) {
                let there = match (&self.beyond, &self.accuracy) {
                    (Beyond::Rows { all, .. }, _) if count < all.len() => "--candidates draws",
                    (_, Some(_)) => "the tables know",
                    (_, None) => "there are",
                };
                return Err(anyhow!(
                    "{flag} is {wanted}, but {there} only {count} architectures: ask for at most {count}"
                ))
                .or_input();
            }
        }
        Ok(())
    }

    /// What a last ranking is of: all that are known by name, or what was drawn from them.
    pub(super) fn ranked(&self) -> &[S::Arch] {
        if matches!(self.beyond, Beyond::Rows { .. }) { &self.candidates } else { &self.archs }
    }

    /// How many there are, for people.
    pub(super) fn count(&self, settings: &Settings) -> String {
        match &self.beyond {
            Beyond::Space if !settings.listed() => format!("all of {}", self.space.name()),
            Beyond::Rows { all, .. } if !settings.listed() => format!("{} architectures", all.len()),
            _ => format!("{} architectures", self.candidates.len()),
        }
    }

    /// Whether others may join the candidates.
    pub(super) fn drawn(&self) -> bool {
        !matches!(self.beyond, Beyond::Nothing)
    }

    /// A random edit, to what may be trained; the same again where no table knows what it comes to.
    pub(super) fn edit(&self, arch: &S::Arch, rng: &mut Stream) -> S::Arch {
        let child = self.space.mutate(arch, rng);
        match &self.beyond {
            Beyond::Rows { by_key, .. } => by_key.get(&self.key(&child)).unwrap_or(arch).clone(),
            Beyond::Nothing | Beyond::Space => child,
        }
    }

    /// What strategies that look at no list may ask for, in the words of `space`: all that candidates were drawn from.
    pub(super) fn domain<'a, T: SearchSpace<Arch = S::Arch>>(&self, space: &'a T) -> Domain<'a, T> {
        match &self.beyond {
            Beyond::Nothing => Domain::listed(space, self.candidates.clone()),
            Beyond::Rows { all, .. } => Domain::listed(space, all.clone()),
            Beyond::Space => Domain::of(space),
        }
    }

    /// The features of an architecture, made once; none where no surrogate is used.
    pub(super) fn features_of(&self, arch: &S::Arch) -> Vec<f64> {
        let Some(features) = &self.features else { return Vec::new() };
        let rows = self.rows.get_or_init(|| {
            let mut archs = self.candidates.clone();
            archs.sort_unstable();
            archs.into_iter().map(|arch| (arch.clone(), features.of(&arch))).collect()
        });
        match rows.binary_search_by(|(known, _)| known.cmp(arch)) {
            Ok(place) => rows[place].1.clone(),
            Err(_) => features.of(arch),
        }
    }

    /// Whether the latency of an architecture was measured.
    pub(super) fn measured(&self, arch: &S::Arch) -> bool {
        self.latency.as_ref().is_some_and(|column| column.get(arch).is_some())
    }

    /// All that may be trained, where candidates grow with others that join them; nothing where that is a space that
    /// nobody has gone through.
    pub(super) fn reach(&self, grows: bool) -> Option<&[S::Arch]> {
        match &self.beyond {
            Beyond::Rows { all, .. } if grows => Some(all),
            Beyond::Space if grows => None,
            _ => Some(&self.candidates),
        }
    }

    /// What a search within a limit could find at best, where the tables know all of the candidates, and of those that may
    /// join them where they grow.
    pub(super) fn optimum(&self, limit: f64, grows: bool) -> Option<Optimum<S::Arch>> {
        let (accuracy, latency) = (self.accuracy.as_ref()?, self.latency.as_ref()?);
        let known =
            self.reach(grows)?.iter().map(|arch| Some((arch, latency.get(arch)?, accuracy.get(arch)?)));
        let mut known: Vec<(&S::Arch, f64, f64)> = known.collect::<Option<_>>()?;
        known.retain(|(_, ms, _)| *ms <= limit);
        let value = known.iter().map(|(.., value)| *value).reduce(f64::max)?;
        let class = |arch: &S::Arch| self.space.representative(arch);
        let best: BTreeSet<_> =
            known.iter().filter(|(.., v)| *v >= value).map(|(arch, ..)| class(arch)).collect();
        let equal = known.into_iter().filter(|(arch, ..)| best.contains(&class(arch)));
        Some(Optimum { value, equal: equal.map(|(arch, ..)| arch.clone()).collect() })
    }

    /// The largest latency there is: what a front is measured from.
    pub(super) fn slowest(&self) -> Option<f64> {
        let latency = self.latency.as_ref()?;
        latency.labelled().values().iter().copied().reduce(f64::max)
    }
}

/// The best that meets a limit.
pub(super) struct Optimum<A> {
    pub(super) value: f64,
    /// The architectures within the limit that are its network, itself included, as the space's classes say. What
    /// tells them apart is the noise of their trainings.
    pub(super) equal: BTreeSet<A>,
}

/// Drawn from a space that is larger than [`LISTED`], where nobody says how many.
const DRAWN: usize = 10_000;

/// Rows in index order, whatever their order in a table.
pub(super) fn in_order<S: Predictable>(space: &S, rows: &Labelled<S::Arch>) -> Labelled<S::Arch> {
    let mut places: Vec<usize> = (0..rows.len()).collect();
    let archs = rows.archs();
    places.sort_by_cached_key(|&row| (space.number(&archs[row]), archs[row].clone()));
    rows.select(&places)
}

/// What there is: the rows of the accuracy table, a class of equal architectures once where the table is of classes;
/// without a table a class of the space once, or so many drawn from it where it has no classes. Then whether there are
/// others.
fn architectures<S: Predictable>(
    space: &S,
    args: &Args,
    accuracy: Option<&Column<S::Arch>>,
) -> Result<(Vec<S::Arch>, bool), Failure> {
    let draw = |count: usize| different(space, count, Seed(args.common.seed()).derive("pool"));
    let Some(column) = accuracy else {
        let small = space.len().is_some_and(|len| len <= LISTED);
        let listed = small && (args.candidates.is_none() || space.has_classes());
        return match (args.candidates, listed.then(|| space.whole()).flatten()) {
            (None, Some(_)) if args.grow.is_some() => {
                let name = space.name();
                Err(anyhow!(
                    "--grow adds to some that were drawn, and these are all of {name}: --candidates draws"
                ))
                .or_input()
            }
            (_, Some(whole)) => Ok((whole, false)),
            (count, None) => {
                let drawn = draw(count.unwrap_or(DRAWN));
                if let Some(count) = count.filter(|count| *count > drawn.len()) {
                    let (name, there) = (space.name(), drawn.len());
                    return Err(anyhow!(
                        "--candidates is {count}, but {name} has {there}: ask for at most as many"
                    ))
                    .or_input();
                }
                Ok((drawn, true))
            }
        };
    };
    Ok((columns::rows_of(space, args.accuracy.as_ref(), column).archs().to_vec(), false))
}

/// Refuses as an input what training has to tell.
fn check_hidden<A: Ord>(
    flag: &str,
    told: &[Column<A>],
    hidden: [(&str, &Option<Column<A>>); 2],
) -> Result<(), Failure> {
    for (of, hidden) in hidden.into_iter().filter_map(|(of, column)| Some((of, column.as_ref()?))) {
        if told.iter().any(|column| columns::same(column.provenance(), hidden)) {
            return Err(anyhow!("{flag} names the column of {of}, which training has to tell: leave it out"))
                .or_input();
        }
    }
    Ok(())
}

/// Says once what has no score.
pub(super) fn note_unscored<S: Predictable>(data: &Data<S>, settings: &Settings) {
    if let (Some(scores), Some(proxy)) = (&data.scores, &settings.proxy)
        && scores.unscored() > 0
    {
        let (unscored, all) = (scores.unscored(), data.archs.len());
        eprintln!(
            "{unscored} of {all} architectures are not scored by {proxy}: a warm-up leaves them out, a move takes \
             them last"
        );
    }
}

/// Says that the largest is looked for, where a column is called as what is better small.
pub(super) fn note_smallest<S: Predictable>(data: &Data<S>, args: &Args) {
    let small = ["loss", "error", "err", "perplexity", "ppl", "ms", "latency", "flops", "params"];
    let values = data.accuracy.iter().flat_map(|column| column.labelled().values());
    if let Some(TableRef { file, column }) = &args.accuracy
        && values.into_iter().any(|value| *value > 0.0)
        && column.to_lowercase().split(['_', '-', ' ']).any(|word| small.contains(&word))
    {
        eprintln!(
            "the largest `{column}` is looked for: where the smallest is best, name its negatives, `{}:-{column}`",
            file.display()
        );
    }
}

/// A warm-up of everything, or of more than there are, where nobody asked for it, becomes as many as there are.
pub(super) fn fit_plans(plans: &mut [Plan], candidates: usize) {
    for plan in plans {
        plan.warmup = plan.warmup.map(|count| count.min(candidates));
    }
}
