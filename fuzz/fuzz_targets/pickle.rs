//! Any bytes as a pickle: read as data or refused.
#![no_main]
use pickle::{Node, Pickle, PickleLimits};

fn walk(node: Node<'_>, depth: u8, left: &mut u32) {
    if depth == 0 || *left == 0 {
        return;
    }
    *left -= 1;
    let _ = (node.to_string(), node.int(), node.number(), node.numbers().map(|numbers| numbers.len()));
    if let Ok(items) = node.items() {
        items.take(20).for_each(|item| walk(item, depth - 1, left));
    }
    if let Ok(entries) = node.entries() {
        entries.take(20).for_each(|(key, value)| {
            walk(key, depth - 1, left);
            walk(value, depth - 1, left);
        });
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let limits = PickleLimits { steps: 100_000, nesting: 100 };
    for pickle in [Pickle::read(bytes, limits), Pickle::read_torch(bytes, limits)].into_iter().flatten() {
        walk(pickle.root(), 8, &mut 1000);
    }
});
