#[cfg(target_arch = "aarch64")]
use pulp::aarch64::Neon;
#[cfg(target_arch = "x86_64")]
use pulp::x86::{V3, V4};
use pulp::{NullaryFnOnce, Scalar128b, Simd, bytemuck::Pod};
use std::cell::Cell;

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86;

/// Channels of a block: the unit in which blocked buffers hold channels, whatever the instruction set.
pub const BLOCK: usize = 16;

/// What the kernels are compiled for; the best that the processor has is taken unless told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InstructionSet {
    /// 512-bit vectors, 32 registers.
    Avx512,
    /// 256-bit vectors with fused multiply-add, 16 registers.
    Avx2,
    /// 128-bit vectors of 64-bit ARM with fused multiply-add, 32 registers.
    Neon,
    /// Whatever the target guarantees, without fused multiply-add.
    Portable,
}

const ALL: [InstructionSet; 4] =
    [InstructionSet::Avx512, InstructionSet::Avx2, InstructionSet::Neon, InstructionSet::Portable];

thread_local! {
    static CHOSEN: Cell<Option<InstructionSet>> = const { Cell::new(None) };
}

impl InstructionSet {
    /// All that this processor can run, the best first; never empty.
    pub fn available() -> Vec<Self> {
        ALL.into_iter().filter(Self::is_available).collect()
    }

    fn is_available(&self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => V4::try_new().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => V3::try_new().is_some(),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => Neon::try_new().is_some(),
            Self::Portable => true,
            // those of other processors
            _ => false,
        }
    }

    /// The one that operators called from this thread run with.
    pub fn current() -> Self {
        let best = || ALL.into_iter().find(Self::is_available).unwrap_or(Self::Portable);
        CHOSEN.get().unwrap_or_else(best)
    }

    /// Runs `f` with the operators called from this thread held to this instruction set (or to the next
    /// poorer one that the processor has). `Portable` rounds otherwise, since it does not fuse; what is computed on
    /// [blocked](crate::blocked) images has the same bits with all others.
    ///
    /// ```
    /// use cpu_ops::InstructionSet;
    /// InstructionSet::Portable.run(|| assert_eq!(InstructionSet::current(), InstructionSet::Portable));
    /// ```
    pub fn run<R>(self, f: impl FnOnce() -> R) -> R {
        struct Restore(Option<InstructionSet>);
        impl Drop for Restore {
            fn drop(&mut self) {
                CHOSEN.set(self.0);
            }
        }
        let _restore = Restore(CHOSEN.replace(Some(self)));
        f()
    }
}

/// A computation written once for every instruction set and both element types.
pub(crate) trait Kernel<T> {
    type Output;

    /// Must be `#[inline(always)]`, as must be all that it calls in its hot part: only what is inlined here is
    /// compiled for the instruction set.
    fn run<S: Lanes<T>>(self, simd: S) -> Self::Output;
}

/// The vectors of an instruction set for one element type: what the kernels need of `pulp`, by element type.
pub(crate) trait Lanes<T>: Simd {
    type V: Pod;
    const LANES: usize = size_of::<Self::V>() / size_of::<T>();

    fn splat(self, x: T) -> Self::V;
    /// `a b + c`, fused where the instruction set can.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// The larger; `b` where one is no number.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// The transpose of 16 rows of 16.
    fn transpose(self, rows: [[T; BLOCK]; BLOCK]) -> [[T; BLOCK]; BLOCK];
}

#[inline(always)]
fn plain_transpose<T: Pod>(rows: [[T; BLOCK]; BLOCK]) -> [[T; BLOCK]; BLOCK] {
    let mut out = rows;
    for (i, row) in rows.iter().enumerate() {
        for (j, &value) in row.iter().enumerate() {
            out[j][i] = value;
        }
    }
    out
}

macro_rules! lanes {
    ($simd:ty, $t:ty, $v:ident, $splat:ident, $mul_add:expr, $add:ident, $sub:ident, $max:expr, $transpose:expr) => {
        impl Lanes<$t> for $simd {
            type V = <Self as Simd>::$v;

            #[inline(always)]
            fn splat(self, x: $t) -> Self::V {
                Simd::$splat(self, x)
            }

            #[inline(always)]
            fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
                $mul_add(self, a, b, c)
            }

            #[inline(always)]
            fn add(self, a: Self::V, b: Self::V) -> Self::V {
                Simd::$add(self, a, b)
            }

            #[inline(always)]
            fn sub(self, a: Self::V, b: Self::V) -> Self::V {
                Simd::$sub(self, a, b)
            }

            #[inline(always)]
            fn max(self, a: Self::V, b: Self::V) -> Self::V {
                $max(self, a, b)
            }

            #[inline(always)]
            fn transpose(self, rows: [[$t; BLOCK]; BLOCK]) -> [[$t; BLOCK]; BLOCK] {
                $transpose(self, rows)
            }
        }
    };
}
pub(crate) use lanes;

// where nothing fuses, `mul_add` of the standard library is a call to a slow emulation
lanes!(
    Scalar128b,
    f32,
    f32s,
    splat_f32s,
    |simd: Self, a, b, c| simd.add_f32s(simd.mul_f32s(a, b), c),
    add_f32s,
    sub_f32s,
    |simd: Self, a, b| simd.select_f32s(simd.greater_than_f32s(a, b), a, b),
    |_, rows| plain_transpose(rows)
);
lanes!(
    Scalar128b,
    f64,
    f64s,
    splat_f64s,
    |simd: Self, a, b, c| simd.add_f64s(simd.mul_f64s(a, b), c),
    add_f64s,
    sub_f64s,
    |simd: Self, a, b| simd.select_f64s(simd.greater_than_f64s(a, b), a, b),
    |_, rows| plain_transpose(rows)
);

macro_rules! run_with {
    ($function:ident, $t:ty) => {
        /// Runs a kernel compiled for an instruction set, or for the next poorer one that is there.
        #[inline]
        pub(crate) fn $function<K: Kernel<$t>>(set: InstructionSet, kernel: K) -> K::Output {
            struct Call<S, K>(S, K);
            impl<S: Lanes<$t>, K: Kernel<$t>> NullaryFnOnce for Call<S, K> {
                type Output = K::Output;

                #[inline(always)]
                fn call(self) -> K::Output {
                    self.1.run(self.0)
                }
            }
            #[cfg(target_arch = "x86_64")]
            {
                if set == InstructionSet::Avx512
                    && let Some(simd) = V4::try_new()
                {
                    return simd.vectorize(Call(simd, kernel));
                }
                if set != InstructionSet::Portable
                    && let Some(simd) = V3::try_new()
                {
                    return simd.vectorize(Call(simd, kernel));
                }
            }
            #[cfg(target_arch = "aarch64")]
            if set != InstructionSet::Portable
                && let Some(simd) = Neon::try_new()
            {
                return simd.vectorize(Call(simd, kernel));
            }
            #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
            let _ = set;
            Call(Scalar128b, kernel).call()
        }
    };
}

run_with!(run_f32, f32);
run_with!(run_f64, f64);
