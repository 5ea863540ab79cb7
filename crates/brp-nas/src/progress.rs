use crate::failure::{Failure, OrFail};
use anyhow::anyhow;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use nas_core::{Observe, Trial};
use search::side_by_side;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A bar on stderr where that is a terminal, a line every few seconds where it is not.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    what: String,
    total: usize,
    said: Instant,
    best: Option<f64>,
}

impl Progress {
    pub(crate) fn new(what: impl Into<String>, total: usize) -> Self {
        let what = what.into();
        let bar = if std::io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr());
            let style = "{prefix} [{bar:30}] {pos}/{len} {per_sec}, {eta} left{msg}";
            bar.set_style(
                ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar.set_prefix(what.clone());
            bar
        } else {
            ProgressBar::hidden()
        };
        Self { bar, what, total, said: Instant::now(), best: None }
    }

    pub(crate) fn step(&mut self, done: usize) {
        self.bar.set_position(done as u64);
        let best = self.best.map_or_else(String::new, |best| format!(", best {best:.2}"));
        if self.bar.is_hidden() && self.said.elapsed() > Duration::from_secs(5) {
            self.said = Instant::now();
            eprintln!("{}: {done} of {}{best}", self.what, self.total);
        }
        self.bar.set_message(best);
    }
}

/// Does jobs, `threads` at once, and shows meanwhile how many units of them are done; in the order of the jobs.
pub(crate) fn beside<T: Send>(
    mut bar: Option<Progress>,
    (jobs, threads): (usize, usize),
    one: impl Fn(usize, &AtomicUsize) -> Result<T, Failure> + Sync,
) -> Result<Vec<T>, Failure> {
    let done = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let work = scope.spawn(|| side_by_side(jobs, threads, |job| one(job, &done)));
        while let Some(bar) = bar.as_mut().filter(|_| !work.is_finished()) {
            bar.step(done.load(Ordering::Relaxed));
            std::thread::park_timeout(Duration::from_millis(20));
        }
        let found = work.join().unwrap_or_else(|_| vec![Err(anyhow!("a job panicked")).or_failed()]);
        found.into_iter().collect()
    })
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl<A> Observe<A> for Progress {
    fn on_trial(&mut self, trial: &Trial<A>) -> std::io::Result<()> {
        if let Ok(evaluation) = &trial.result {
            self.best = Some(self.best.map_or(evaluation.value, |best| best.max(evaluation.value)));
        }
        self.step(trial.number + 1);
        Ok(())
    }

    fn on_recorded(&mut self, trial: &Trial<A>) -> std::io::Result<()> {
        self.on_trial(trial)
    }
}
