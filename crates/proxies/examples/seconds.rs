//! For every line of names on stdin, the processor seconds that these proxies take together on the NAS-Bench-201 network
//! of six 3x3 convolutions (C=16, N=5, batch 64): the partner of `fixtures/proxies/speed/compare.py`.
#![allow(clippy::print_stdout, reason = "it talks to the one who runs it")]

use candle_core::{DType, Device, Tensor};
use cellnet::CellStyle;
use nas_core::Seed;
use proxies::{Batch, CellModel, Need, observe};
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
    let skeleton = Skeleton::default();
    let model = CellModel::nas_bench_201(&cell, &skeleton, 3, CellStyle::scored(), DType::F32, Seed(0))?;
    let values = (0..64 * 3 * 32 * 32).map(|i| (i * 7919 % 1009) as f32 / 1009.0 - 0.5);
    let images = Tensor::from_iter(values, &Device::Cpu)?.reshape((64, 3, 32, 32))?;
    let batch = Batch::new(images, (0..64).map(|image| image % 10).collect())?;
    for line in std::io::stdin().lines() {
        let wanted = line?.split_whitespace().map(proxies::by_name).collect::<Result<Vec<_>, _>>()?;
        let needs: Vec<Need> = wanted.iter().flat_map(|proxy| proxy.needs()).copied().collect();
        let start = cpu_s();
        let seen = observe(&model, &batch, &needs, Seed(0), &mut |_| {})?;
        for proxy in wanted {
            proxy.score(&seen)?;
        }
        println!("{}", cpu_s() - start);
    }
    Ok(())
}
