use pulp::x86::{V3, V4};
use pulp::{NullaryFnOnce, Scalar128b, Simd, bytemuck::Pod};
use std::cell::Cell;

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
    /// Whatever the target guarantees, without fused multiply-add.
    Portable,
}

thread_local! {
    static CHOSEN: Cell<Option<InstructionSet>> = const { Cell::new(None) };
}

impl InstructionSet {
    /// All that this processor can run, the best first; never empty.
    pub fn available() -> Vec<Self> {
        let has =
            [V4::try_new().map(|_| Self::Avx512), V3::try_new().map(|_| Self::Avx2), Some(Self::Portable)];
        has.into_iter().flatten().collect()
    }

    /// The one that operators called from this thread run with.
    pub fn current() -> Self {
        CHOSEN.get().unwrap_or_else(|| {
            if V4::try_new().is_some() {
                Self::Avx512
            } else if V3::try_new().is_some() {
                Self::Avx2
            } else {
                Self::Portable
            }
        })
    }

    /// Runs `f` with the operators called from this thread held to this instruction set (or to the next
    /// poorer one that the processor has). Rounding differs between sets, since only some fuse.
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
    ($simd:ty, $t:ty, $v:ident, $splat:ident, $mul_add:expr, $add:ident, $sub:ident, $transpose:expr) => {
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
            fn transpose(self, rows: [[$t; BLOCK]; BLOCK]) -> [[$t; BLOCK]; BLOCK] {
                $transpose(self, rows)
            }
        }
    };
}

lanes!(V4, f32, f32s, splat_f32s, Simd::mul_add_f32s, add_f32s, sub_f32s, transpose_512);
lanes!(V4, f64, f64s, splat_f64s, Simd::mul_add_f64s, add_f64s, sub_f64s, |_, rows| plain_transpose(rows));
lanes!(V3, f32, f32s, splat_f32s, Simd::mul_add_f32s, add_f32s, sub_f32s, transpose_256);
lanes!(V3, f64, f64s, splat_f64s, Simd::mul_add_f64s, add_f64s, sub_f64s, |_, rows| plain_transpose(rows));

// where nothing fuses, `mul_add` of the standard library is a call to a slow emulation
lanes!(
    Scalar128b,
    f32,
    f32s,
    splat_f32s,
    |simd: Self, a, b, c| simd.add_f32s(simd.mul_f32s(a, b), c),
    add_f32s,
    sub_f32s,
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
    |_, rows| plain_transpose(rows)
);

/// In registers: rows interleaved in pairs, pairs in pairs, then the quarters of the vectors exchanged.
#[inline(always)]
fn transpose_512(simd: V4, rows: [[f32; BLOCK]; BLOCK]) -> [[f32; BLOCK]; BLOCK] {
    use std::arch::x86_64::__m512;
    let f = simd.avx512f;
    let mut r: [__m512; BLOCK] = [f._mm512_setzero_ps(); BLOCK];
    for (r, row) in r.iter_mut().zip(rows) {
        *r = pulp::cast(row);
    }
    let mut pairs = r;
    for i in 0..8 {
        pairs[2 * i] = f._mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        pairs[2 * i + 1] = f._mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
    let mut fours = pairs;
    for i in 0..4 {
        let [a, b, c, d] = [pairs[4 * i], pairs[4 * i + 1], pairs[4 * i + 2], pairs[4 * i + 3]];
        fours[4 * i] = f._mm512_shuffle_ps::<0b01_00_01_00>(a, c);
        fours[4 * i + 1] = f._mm512_shuffle_ps::<0b11_10_11_10>(a, c);
        fours[4 * i + 2] = f._mm512_shuffle_ps::<0b01_00_01_00>(b, d);
        fours[4 * i + 3] = f._mm512_shuffle_ps::<0b11_10_11_10>(b, d);
    }
    // quarter q of fours[4 i + j] is column 4 q + j of rows 4 i to 4 i + 3
    let mut out = fours;
    for j in 0..4 {
        let [a, b, c, d] = [fours[j], fours[4 + j], fours[8 + j], fours[12 + j]];
        let low =
            [f._mm512_shuffle_f32x4::<0b10_00_10_00>(a, b), f._mm512_shuffle_f32x4::<0b10_00_10_00>(c, d)];
        let high =
            [f._mm512_shuffle_f32x4::<0b11_01_11_01>(a, b), f._mm512_shuffle_f32x4::<0b11_01_11_01>(c, d)];
        out[j] = f._mm512_shuffle_f32x4::<0b10_00_10_00>(low[0], low[1]);
        out[4 + j] = f._mm512_shuffle_f32x4::<0b10_00_10_00>(high[0], high[1]);
        out[8 + j] = f._mm512_shuffle_f32x4::<0b11_01_11_01>(low[0], low[1]);
        out[12 + j] = f._mm512_shuffle_f32x4::<0b11_01_11_01>(high[0], high[1]);
    }
    let mut columns = rows;
    for (column, out) in columns.iter_mut().zip(out) {
        *column = pulp::cast(out);
    }
    columns
}

/// In registers, by quarters of 8 by 8.
#[inline(always)]
fn transpose_256(simd: V3, rows: [[f32; BLOCK]; BLOCK]) -> [[f32; BLOCK]; BLOCK] {
    use std::arch::x86_64::__m256;
    let halves: [[pulp::f32x8; 2]; BLOCK] = pulp::bytemuck::cast(rows);
    let f = simd.avx;
    let mut out = halves;
    for i in 0..2 {
        for j in 0..2 {
            let mut r: [__m256; 8] = [f._mm256_setzero_ps(); 8];
            for (r, halves) in r.iter_mut().zip(&halves[8 * i..]) {
                *r = pulp::cast(halves[j]);
            }
            let mut pairs = r;
            for k in 0..4 {
                pairs[2 * k] = f._mm256_unpacklo_ps(r[2 * k], r[2 * k + 1]);
                pairs[2 * k + 1] = f._mm256_unpackhi_ps(r[2 * k], r[2 * k + 1]);
            }
            let mut fours = pairs;
            for k in 0..2 {
                let [a, b, c, d] = [pairs[4 * k], pairs[4 * k + 1], pairs[4 * k + 2], pairs[4 * k + 3]];
                fours[4 * k] = f._mm256_shuffle_ps::<0b01_00_01_00>(a, c);
                fours[4 * k + 1] = f._mm256_shuffle_ps::<0b11_10_11_10>(a, c);
                fours[4 * k + 2] = f._mm256_shuffle_ps::<0b01_00_01_00>(b, d);
                fours[4 * k + 3] = f._mm256_shuffle_ps::<0b11_10_11_10>(b, d);
            }
            for k in 0..4 {
                out[8 * j + k][i] = pulp::cast(f._mm256_permute2f128_ps::<0x20>(fours[k], fours[4 + k]));
                out[8 * j + 4 + k][i] = pulp::cast(f._mm256_permute2f128_ps::<0x31>(fours[k], fours[4 + k]));
            }
        }
    }
    pulp::bytemuck::cast(out)
}

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
            if set == InstructionSet::Avx512
                && let Some(simd) = V4::try_new()
            {
                simd.vectorize(Call(simd, kernel))
            } else if set != InstructionSet::Portable
                && let Some(simd) = V3::try_new()
            {
                simd.vectorize(Call(simd, kernel))
            } else {
                Call(Scalar128b, kernel).call()
            }
        }
    };
}

run_with!(run_f32, f32);
run_with!(run_f64, f64);
