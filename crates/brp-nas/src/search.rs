//! `brp-nas search`.

mod args;
mod compare;
mod data;
mod objective;
mod one;
mod predictor;
mod report;
mod settings;
mod words;

pub(crate) use args::Args;

use crate::failure::{Broken, Failure, OrFail};
use crate::host::Stopwatch;
use crate::options::repeats;
use crate::output;
use crate::predictable::Predictable;
use crate::progress::{Progress, beside};
use crate::record::{Begun, Record, trials_name};
use crate::registry::on_space;
use crate::score::Scoring;
use crate::train::{self, Bench};
use crate::watch::Watcher;
use anyhow::{Context, anyhow};
use args::{Algorithm, Place};
use compare::Comparison;
use data::{Data, fit_plans, note_smallest, note_unscored};
use nas_core::{Seed, Trial};
use objective::{Elsewhere, Training, Work};
use one::{Files, Search};
use report::{Found, Report, why_nothing};
use search::SearchError;
use serde::Serialize;
use settings::{FREE, Plan, Settings};
use std::fmt::Display;
use std::sync::atomic::Ordering;

/// What the record says of a search: all settings, and the flags as they were given.
#[derive(Serialize)]
struct Recorded<'a> {
    #[serde(flatten)]
    settings: &'a Settings,
    flags: &'a Args,
}

pub(crate) fn main(args: Args) -> Result<(), Failure> {
    let watch = Stopwatch::start();
    let (resume, config, out) = (args.resume.as_deref(), args.config.as_deref(), args.common.out.as_deref());
    let (begun, config) = Begun::or_config("search", resume, config, out)?;
    let given = args.clone();
    let mut args: Args = args.or(config);
    if args.resume.is_some() {
        args.common.out.clone_from(&args.resume);
    }
    if args.accuracy.is_none() && args.train != Some(true) {
        args.use_benchmark();
    }
    let mut settings = Settings::new(&args, repeats(args.repeats)?)?;
    settings.check_used(&given, args.train == Some(true))?;
    begun.iter().for_each(|begun| settings.keep(begun, &given));
    on_space!(settings.space, space => of_space(space, &args, settings, begun.as_ref(), &watch))
}

fn of_space<S: Predictable>(
    space: &'static S,
    args: &Args,
    mut settings: Settings,
    begun: Option<&Begun>,
    watch: &Stopwatch,
) -> Result<(), Failure> {
    let (cores, repeats) = (args.common.cores()?, settings.repeats);
    let mut data = Data::read(space, args, &settings)?;
    let computed = settings.proxy.as_ref().filter(|proxy| proxy.compute());
    let scoring = || Scoring::on(settings.space, args.proxy_images.clone(), settings.seed);
    let scoring = computed.map(|_| scoring()).transpose()?;
    settings.scored = scoring.as_ref().map(Scoring::text);
    fit_plans(&mut settings.plans, data.candidates.len());
    let bench = bench(args, &mut settings, &data.candidates)?;
    let recorded = Recorded { settings: &settings, flags: args };
    let record = match (begun, &args.resume) {
        (Some(begun), Some(folder)) => {
            begun.check("search", &recorded, &data.provenance, &FREE)?;
            Record::go_on(folder, begun, &recorded)?
        }
        _ => Record::start("search", args.common.out.as_deref(), settings.seed, &recorded, &data.provenance)?,
    };
    eprintln!(
        "{}, {} to train{}; the record is in {}",
        data.count(&settings),
        settings.budget,
        if repeats > 1 { format!(", {repeats} repeats") } else { String::new() },
        record.folder().display()
    );
    if let (Some(proxy), Some(scoring)) = (&settings.proxy, scoring) {
        let store = args.proxy_store.clone().unwrap_or_else(|| record.folder().join("scores.sqlite"));
        data.compute(proxy, scoring, store, cores);
    }
    note_unscored(&data, &settings);
    note_smallest(&data, args);
    let jobs = settings.plans.len() * repeats;
    let threads = cores.min(jobs);
    let spare = (cores / threads).max(1);
    let at_once = if bench.is_some() { spare.min(settings.at_once.max(settings.in_flight)) } else { 1 };
    let work = match &bench {
        Some(bench) => {
            let store = args.bench.store.clone().unwrap_or_else(|| record.folder().join("store.sqlite"));
            let elsewhere = (args.evaluate == Some(Place::Slurm)).then(|| {
                Box::new(Elsewhere {
                    folder: record.folder().join("work"),
                    args: train::Args::of_search(settings.space, args.bench.clone(), Seed(settings.seed)),
                    sbatch: args.sbatch.clone().unwrap_or_default(),
                })
            });
            let (threads, retry) = ((spare / at_once).max(1), settings.retries > 0);
            let broken = Broken::default();
            Work::Train(Training { bench, store, threads, retry, data: &data, elsewhere, broken })
        }
        None => Work::Lookup(&data),
    };
    let search = Search { settings: &settings, data: &data, work, threads: at_once };
    let found = search.check().and_then(|()| all(&search, args, &record, threads));
    let found = record.or_undo(found)?;
    finish(&settings, args, &record, found, watch)
}

fn finish(
    settings: &Settings,
    args: &Args,
    record: &Record,
    found: Vec<Found>,
    watch: &Stopwatch,
) -> Result<(), Failure> {
    let nothing = why_nothing(&found);
    let or_nothing = || match nothing {
        Some(reason) => Err(anyhow!("no network has a value, {reason}")).or_failed(),
        None => Ok(()),
    };
    if settings.algorithm == Algorithm::All {
        or_nothing()?;
        let comparison = Comparison::new(settings, &found, watch.wall_s())?;
        record.write("result.json", &comparison)?;
        output::print(&comparison, args.common.format())?;
        show(record);
        return Ok(());
    }
    let report = Report::new(settings, found);
    record.write("result.json", &report)?;
    output::print(&report, args.common.format())?;
    report.notes().iter().for_each(|note| eprintln!("{note}"));
    show(record);
    or_nothing()
}

/// A page of the search beside its record. What goes wrong with it is said, and is nothing to the search.
fn show(record: &Record) {
    match crate::report::of_run(record.folder()) {
        Ok(page) => eprintln!("a page of it, with pictures: {}", page.display()),
        Err(failure) => eprintln!("no page of it can be made: {:#}", failure.error()),
    }
}

/// What architectures are trained on, where they are trained; the settings then say it too.
fn bench<A: Display>(
    args: &Args,
    settings: &mut Settings,
    candidates: &[A],
) -> Result<Option<Bench>, Failure> {
    if args.train != Some(true) {
        return Ok(None);
    }
    let bench = Bench::new(settings.space, &args.bench, Seed(settings.seed))?;
    if !bench.validates() {
        return Err(anyhow!("a search chooses by validation images: --validation must not be 0")).or_input();
    }
    if let Some(arch) = candidates.first() {
        bench.check(&arch.to_string())?;
    }
    settings.train = Some(bench.fidelity().clone());
    Ok(Some(bench))
}

/// All repeats of all plans, `threads` at once, plan by plan in the order of their seeds.
fn all<S: Predictable>(
    search: &Search<'_, S>,
    args: &Args,
    record: &Record,
    threads: usize,
) -> Result<Vec<Found>, Failure> {
    let settings = search.settings;
    let (repeats, jobs) = (settings.repeats, settings.plans.len() * settings.repeats);
    let single = jobs == 1;
    let bar = (!single).then(|| Progress::new("searches", jobs));
    beside(bar, (jobs, threads), |job, done| {
        let (plan, repeat) = (&settings.plans[job / repeats], job % repeats);
        let files = files(search.data.space, plan, repeat, (settings, args), record, single)?;
        let found = search.one(plan, settings.seed.wrapping_add(repeat as u64), files);
        done.fetch_add(1, Ordering::Relaxed);
        found
    })
}

fn files<S: Predictable>(
    space: &S,
    plan: &Plan,
    repeat: usize,
    (settings, args): (&Settings, &Args),
    record: &Record,
    single: bool,
) -> Result<Files<S::Arch>, Failure> {
    let of = (settings.plans.len() > 1).then(|| plan.name());
    let name = trials_name(of.as_deref(), (settings.repeats > 1).then_some(repeat));
    let (lines, texts) = record.lines(&format!("{name}.jsonl"))?;
    let parsed = |trial: Trial<String>| -> Result<Trial<S::Arch>, Failure> {
        let Trial { number, iteration, arch, result } = trial;
        let arch = space.parse(&arch).with_context(|| format!("{name}.jsonl, trial {number}")).or_input()?;
        Ok(Trial { number, iteration, arch, result })
    };
    let watches = args.observe.iter().flatten();
    Ok(Files {
        lines,
        recorded: texts.into_iter().map(parsed).collect::<Result<_, _>>()?,
        watchers: watches
            .map(|watch| Watcher::new(*watch, record.folder(), &name))
            .collect::<Result<_, _>>()?,
        progress: single.then(|| Progress::new("trained", settings.budget)),
    })
}

/// Settings and limits are the user's, the rest is not.
fn mine(error: SearchError) -> Failure {
    match error {
        SearchError::Setting { .. }
        | SearchError::NothingMeets { .. }
        | SearchError::OtherRecord { .. }
        | SearchError::RecordGoesOn { .. }
        | SearchError::NoCost { .. }
        | SearchError::TooFew { .. }
        | SearchError::NothingScored { .. } => Failure::Input(error.into()),
        other => Failure::Failed(other.into()),
    }
}
