//! Values that are published by index, or by a vector of operations, and the cells of NAS-Bench-201 they mean.

use crate::Flaw;
use nas_core::SearchSpace;
use spaces::NasBench201;
use spaces::nas_bench_201::{Cell, Operation};

/// Number of cells of NAS-Bench-201.
pub(super) fn cells() -> usize {
    NasBench201.len().and_then(|len| usize::try_from(len).ok()).unwrap_or_default()
}

/// The text of every cell, in the published order.
pub(super) fn texts() -> Vec<Option<String>> {
    (0..cells()).map(|index| NasBench201.get(index).ok().map(|cell| cell.to_string())).collect()
}

/// The index of every cell.
pub(super) fn numbers() -> Vec<Option<i64>> {
    (0..cells()).map(|index| i64::try_from(index).ok()).collect()
}

/// The cell of an eagle vector: an operation for each edge, in the order of the published text, numbered
/// none 0, skip_connect 1, nor_conv_1x1 2, nor_conv_3x3 3, avg_pool_3x3 4.
pub(super) fn eagle(numbers: &[i64]) -> Result<Cell, Flaw> {
    const ORDER: [&str; 5] = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"];
    vector(numbers, ORDER, [0, 1, 2, 3, 4, 5])
}

/// The cell of a NASLib vector: edges from the first node, then from the second, then from the third; numbered
/// skip_connect 0, none 1, nor_conv_3x3 2, nor_conv_1x1 3, avg_pool_3x3 4.
pub(super) fn naslib(numbers: &[i64]) -> Result<Cell, Flaw> {
    const ORDER: [&str; 5] = ["skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3"];
    // the place in the vector of each edge of the published text: 1<-0; 2<-0, 2<-1; 3<-0, 3<-1, 3<-2
    vector(numbers, ORDER, [0, 1, 3, 2, 4, 5])
}

fn vector(numbers: &[i64], order: [&str; 5], places: [usize; 6]) -> Result<Cell, Flaw> {
    let wrong =
        || Flaw::new("", "6 numbers from 0 to 4", format!("{:?}", numbers.get(..8).unwrap_or(numbers)));
    if numbers.len() != places.len() {
        return Err(wrong());
    }
    let mut operations = [Operation::None; 6];
    for (operation, place) in operations.iter_mut().zip(places) {
        let number = numbers.get(place).and_then(|number| usize::try_from(*number).ok());
        let name = number.and_then(|number| order.get(number));
        *operation = name.and_then(|name| name.parse().ok()).ok_or_else(wrong)?;
    }
    Ok(Cell::new(operations))
}
