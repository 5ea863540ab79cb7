use rayon::prelude::*;
use std::ops::Range;

/// Into how many parts a batch is cut, whatever the number of threads, so that sums over parts are always the same.
const PARTS: usize = 8;

fn ranges(count: usize) -> Vec<Range<usize>> {
    let size = count.div_ceil(PARTS).max(1);
    (0..count).step_by(size).map(|start| start..(start + size).min(count)).collect()
}

/// `f` of every part of `0..count`, in their order, on the threads of the current rayon pool.
pub(crate) fn parts<R: Send>(count: usize, f: impl Fn(Range<usize>) -> R + Sync + Send) -> Vec<R> {
    if rayon::current_num_threads() == 1 {
        return ranges(count).into_iter().map(f).collect();
    }
    ranges(count).into_par_iter().map(f).collect()
}

/// `f` of every part of `0..count` and its piece of `out`, which holds `stride` elements an index.
pub(crate) fn chunks<T: Send>(
    count: usize,
    out: &mut [T],
    stride: usize,
    f: impl Fn(Range<usize>, &mut [T]) + Sync,
) {
    assert_eq!(out.len(), count * stride, "one piece an index");
    if rayon::current_num_threads() == 1 || stride == 0 {
        return f(0..count, out);
    }
    let ranges = ranges(count);
    let size = ranges.first().map_or(1, Range::len);
    out.par_chunks_mut(size * stride).zip(ranges).for_each(|(out, range)| f(range, out));
}

/// `f` of every piece of `out` of at most `size` elements, with where it starts.
pub(crate) fn pieces<T: Send>(out: &mut [T], size: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    if rayon::current_num_threads() == 1 || out.len() <= size {
        out.chunks_mut(size).enumerate().for_each(|(i, out)| f(i * size, out));
    } else {
        out.par_chunks_mut(size).enumerate().for_each(|(i, out)| f(i * size, out));
    }
}
