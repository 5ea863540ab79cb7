//! What a measuring depends on beside the network: recorded, never used.

use serde::{Deserialize, Serialize};
use std::path::Path;

/// The machine as the system tells of it; nothing where it does not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Machine {
    /// The version of the kernel.
    kernel: Option<String>,
    /// How the clock rate is chosen, of the core that measures.
    governor: Option<String>,
    /// Whether the clock rate may rise above the nominal one.
    boost: Option<bool>,
    /// The core that measures, where the thread is kept on one.
    core: Option<usize>,
    /// Runnable threads, mean of the last minute, at the start.
    load: Option<f64>,
}

impl Machine {
    pub(super) fn here(core: Option<usize>) -> Self {
        let policy = format!("/sys/devices/system/cpu/cpu{}/cpufreq/scaling_governor", core.unwrap_or(0));
        let off = line("/sys/devices/system/cpu/intel_pstate/no_turbo").map(|text| text == "0");
        let boost = line("/sys/devices/system/cpu/cpufreq/boost").map(|text| text == "1").or(off);
        Self { kernel: line("/proc/sys/kernel/osrelease"), governor: line(policy), boost, core, load: load() }
    }
}

/// Runnable threads, mean of the last minute.
pub(super) fn load() -> Option<f64> {
    line("/proc/loadavg")?.split_whitespace().next()?.parse().ok()
}

fn line(file: impl AsRef<Path>) -> Option<String> {
    Some(std::fs::read_to_string(file).ok()?.trim().to_owned())
}
