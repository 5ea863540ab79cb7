use super::{Around, Scored};
use crate::failure::{Failure, OrFail};
use anyhow::anyhow;
use candle_core::DType;
use nas_core::{SearchSpace, Seed};
use proxies::{CellModel, ProxyError};
use spaces::NasBench201;
use spaces::nas_bench_201::{Cell, Skeleton};
use std::collections::BTreeSet;

impl Scored for NasBench201 {
    const STYLED: bool = true;

    fn published(&self) -> (u64, Option<u64>) {
        let Skeleton { channels, cells, .. } = Skeleton::default();
        (channels, Some(cells))
    }

    fn model(&self, cell: &Cell, around: &Around, dtype: DType, seed: Seed) -> Result<CellModel, ProxyError> {
        let Around { channels, cells, classes, image, colours, style } = *around;
        let cells = cells.unwrap_or(Skeleton::default().cells);
        let skeleton = Skeleton { channels, cells, classes, image };
        CellModel::nas_bench_201(cell, &skeleton, colours, style, dtype, seed)
    }

    fn draw(&self, count: usize, seed: Seed) -> Result<Vec<Cell>, Failure> {
        let size = self.len().unwrap_or(0) as usize;
        if count > size {
            return Err(anyhow!("--sample {count}: the space has {size} architectures")).or_input();
        }
        let mut stream = seed.stream("sample");
        let chosen = rand::seq::index::sample(&mut stream, size, count);
        chosen.into_iter().map(|index| self.get(index).or_failed()).collect()
    }

    fn whole(&self) -> Option<Vec<Cell>> {
        let mut classes = BTreeSet::new();
        let firsts = self.classes().into_iter().enumerate().filter(|(_, class)| classes.insert(*class));
        firsts.map(|(index, _)| self.get(index).ok()).collect()
    }
}
