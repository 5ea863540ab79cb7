//! Draws random DARTS genotypes without repetition, 10 million or as many as the first argument says, and checks
//! that no two are the same: `cargo run --release -p spaces --example distinct`.

#![allow(clippy::print_stdout, reason = "it shows what it found")]

use nas_core::Seed;
use spaces::Darts;

fn main() -> Result<(), std::num::ParseIntError> {
    let count = std::env::args().nth(1).map_or(Ok(10_000_000), |text| text.parse())?;
    let mut rng = Seed(0).stream("distinct");
    // drawing needs no memory; eight bytes each are for the check
    let mut drawn: Vec<u64> =
        Darts.distinct(&mut rng).take(count).map(|genotype| Darts.index(&genotype)).collect();
    drawn.sort_unstable();
    drawn.dedup();
    println!("{count} drawn, {} of them distinct", drawn.len());
    Ok(())
}
