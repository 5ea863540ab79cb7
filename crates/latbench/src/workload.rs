use crate::error::WorkloadError;

/// Something whose latency is measured: a network with its input at hand.
///
/// Every closure that may fail is one.
///
/// ```
/// use latbench::Workload;
/// let mut sum = 0_u64;
/// let mut add = || {
///     sum = (0..1_000).fold(sum, u64::wrapping_add);
///     Ok(())
/// };
/// add.run()?;
/// # Ok::<(), latbench::WorkloadError>(())
/// ```
pub trait Workload {
    /// Does the work once. Whatever is to be measured is finished when it returns; whatever is not, as reading a file
    /// or building a network, is done before the first.
    ///
    /// # Errors
    /// Whatever hinders it: the measuring ends with it.
    fn run(&mut self) -> Result<(), WorkloadError>;
}

impl<F: FnMut() -> Result<(), WorkloadError>> Workload for F {
    fn run(&mut self) -> Result<(), WorkloadError> {
        self()
    }
}
