use std::sync::atomic::{AtomicUsize, Ordering};

/// Does `work` for the numbers from 0 to `count - 1`, up to `threads` of them at once, and gives the results in
/// their order: one search a seed. The results do not depend on the number of threads where `work` does not.
///
/// ```
/// use nas_core::Seed;
/// use search::side_by_side;
/// let seeds = side_by_side(5, 2, |repeat| Seed(10 + repeat as u64));
/// assert_eq!(seeds[4], Seed(14));
/// ```
///
/// # Panics
/// Where `work` does.
pub fn side_by_side<T: Send>(count: usize, threads: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return done;
            }
            done.push((number, work(number)));
        }
    };
    let mut all: Vec<(usize, T)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.clamp(1, count.max(1))).map(|_| scope.spawn(worker)).collect();
        let join = |worker: std::thread::ScopedJoinHandle<'_, Vec<(usize, T)>>| match worker.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        workers.into_iter().flat_map(join).collect()
    });
    all.sort_by_key(|(number, _)| *number);
    all.into_iter().map(|(_, result)| result).collect()
}
