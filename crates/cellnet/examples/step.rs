//! Times forward and backward of the network of six 3x3 convolutions (C=16, N=5, batch 64) through candle, in seconds
//! of processor time: the partner of `fixtures/cellnet/speed/compare.py`.
#![allow(clippy::print_stdout, reason = "it talks to the one who runs it")]

use candle_core::{DType, Device, Tensor};
use cellnet::{CellStyle, Mode, Weights, forward, nas_bench_201};
use cpu_ops::cross_entropy;
use nas_core::Seed;
use rustix::time::{ClockId, clock_gettime};
use spaces::nas_bench_201::{Cell, Operation, Skeleton};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn cpu_s() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cell = Cell::new([Operation::Conv3x3; 6]);
    let network = nas_bench_201(&cell, &Skeleton::default(), 3, CellStyle::trained())?;
    let weights = Weights::init(&network, DType::F32, Seed(0))?;
    let values = (0..64 * 3 * 32 * 32).map(|i| (i * 7919 % 1009) as f32 / 1009.0 - 0.5);
    let images = Tensor::from_iter(values, &Device::Cpu)?.reshape((64, 3, 32, 32))?;
    let targets: Vec<u32> = (0..64).map(|i| i % 10).collect();
    for _ in std::io::stdin().lines() {
        let start = cpu_s();
        let logits = forward(&network, &weights, &images, Mode::Train, |_, x| Ok(x))?.logits;
        let after = cpu_s();
        cross_entropy(&logits, &targets, 0.0)?.backward()?;
        println!("{} {}", after - start, cpu_s() - start);
    }
    Ok(())
}
