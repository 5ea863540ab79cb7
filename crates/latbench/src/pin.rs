use crate::error::LatencyError;

/// The cores that this thread may run on, ascending; none where the system does not say.
pub fn cores() -> Vec<usize> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Ok(set) = rustix::thread::sched_getaffinity(None) {
        return (0..rustix::thread::CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect();
    }
    Vec::new()
}

/// Keeps this thread on one core, so that its cache stays its own and the system does not move it.
///
/// # Errors
/// A core that is not there or not ours, or a system where threads cannot be kept (anything but Linux).
pub fn pin_to(core: usize) -> Result<(), LatencyError> {
    let known = cores();
    if !known.is_empty() && !known.contains(&core) {
        return Err(LatencyError::Pin { core, reason: format!("this thread may run on {known:?}") });
    }
    set(core).map_err(|reason| LatencyError::Pin { core, reason })
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn set(core: usize) -> Result<(), String> {
    let mut set = rustix::thread::CpuSet::new();
    set.set(core);
    rustix::thread::sched_setaffinity(None, &set).map_err(|error| error.to_string())
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn set(_core: usize) -> Result<(), String> {
    Err("this system does not keep threads on cores".into())
}
