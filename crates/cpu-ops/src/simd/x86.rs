//! AVX-512 and AVX2.

use super::{BLOCK, Lanes, lanes, plain_transpose};
use pulp::Simd;
use pulp::x86::{V3, V4};

lanes!(V4, f32, f32s, splat_f32s, Simd::mul_add_f32s, add_f32s, sub_f32s, Simd::max_f32s, transpose_512);
lanes!(V4, f64, f64s, splat_f64s, Simd::mul_add_f64s, add_f64s, sub_f64s, Simd::max_f64s, |_, rows| {
    plain_transpose(rows)
});
lanes!(V3, f32, f32s, splat_f32s, Simd::mul_add_f32s, add_f32s, sub_f32s, Simd::max_f32s, transpose_256);
lanes!(V3, f64, f64s, splat_f64s, Simd::mul_add_f64s, add_f64s, sub_f64s, Simd::max_f64s, |_, rows| {
    plain_transpose(rows)
});

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
