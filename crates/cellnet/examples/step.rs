//! Times the network of six 3x3 convolutions (C=16, N=5) through candle and through the engine: the partner of
//! `fixtures/cellnet/speed/compare.py`. Every line of the input asks for one: `candle`, `engine` (forward and backward
//! of 64 images), `inference` (one image), with `wall` behind it in wall time instead of processor time; `memory` gives
//! the largest memory so far, in bytes.
#![allow(clippy::print_stdout, reason = "it talks to the one who runs it")]

use candle_core::{DType, Device, Tensor};
use cellnet::{CellStyle, Engine, Mode, Settings, Weights, cross_entropy, forward, nas_bench_201};
use nas_core::Seed;
use rustix::time::{ClockId, clock_gettime};
use spaces::nas_bench_201::{Cell, Operation, Skeleton};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH: usize = 64;

fn seconds(clock: ClockId) -> f64 {
    let now = clock_gettime(clock);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

fn largest_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cell = Cell::new([Operation::Conv3x3; 6]);
    let network = nas_bench_201(&cell, &Skeleton::default(), 3, CellStyle::trained())?;
    let weights = Weights::init(&network, DType::F32, Seed(0))?;
    let values: Vec<f32> =
        (0..BATCH * 3 * 32 * 32).map(|i| (i * 7919 % 1009) as f32 / 1009.0 - 0.5).collect();
    let targets: Vec<u32> = (0..BATCH as u32).map(|i| i % 10).collect();
    let (mut engine, mut inference) = (None, None);
    for line in std::io::stdin().lines() {
        let line = line?;
        let clock = if line.ends_with("wall") { ClockId::Monotonic } else { ClockId::ProcessCPUTime };
        let start = seconds(clock);
        match line.split(' ').next() {
            Some("candle") => {
                let images = Tensor::from_slice(&values, (BATCH, 3, 32, 32), &Device::Cpu)?;
                let logits = forward(&network, &weights, &images, Mode::Train, |_, x| Ok(x))?.logits;
                let after = seconds(clock);
                cpu_ops::cross_entropy(&logits, &targets, 0.0)?.backward()?;
                println!("{} {}", after - start, seconds(clock) - start);
            }
            Some("engine") => {
                if engine.is_none() {
                    engine = Some(Engine::<f32>::new(&network, Settings::training())?);
                }
                let Some(engine) = &mut engine else { continue };
                // as in a training, where the weights are others in every step
                engine.load(&weights)?;
                engine.forward(&values)?;
                let after = seconds(clock);
                let (_, gradient) = cross_entropy(engine.logits(), 10, &targets, 0.0)?;
                engine.backward(&gradient)?;
                println!("{} {}", after - start, seconds(clock) - start);
            }
            Some("inference") => {
                if inference.is_none() {
                    let mut engine = Engine::<f32>::new(&network, Settings::inference())?;
                    engine.load(&weights)?;
                    inference = Some(engine);
                }
                let Some(engine) = &mut inference else { continue };
                let start = seconds(clock);
                engine.forward(&values[..3 * 32 * 32])?;
                let one = seconds(clock) - start;
                println!("{one} {one}");
            }
            Some("memory") => println!("{0} {0}", largest_memory().unwrap_or(0)),
            _ => println!("0 0"),
        }
    }
    Ok(())
}
