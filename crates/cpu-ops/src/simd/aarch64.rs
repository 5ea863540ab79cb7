//! NEON, which every 64-bit ARM processor has.

use super::{BLOCK, Lanes, lanes, plain_transpose};
use pulp::Simd;
use pulp::aarch64::Neon;

lanes!(
    Neon,
    f32,
    f32s,
    splat_f32s,
    Simd::mul_add_f32s,
    add_f32s,
    sub_f32s,
    // the processor's own maximum is no number where either is none
    |simd: Self, a, b| simd.select_f32s(simd.greater_than_f32s(a, b), a, b),
    transpose
);
lanes!(
    Neon,
    f64,
    f64s,
    splat_f64s,
    Simd::mul_add_f64s,
    add_f64s,
    sub_f64s,
    |simd: Self, a, b| simd.select_f64s(simd.greater_than_f64s(a, b), a, b),
    |_, rows| plain_transpose(rows)
);

/// In registers, by quarters of 4 by 4.
#[inline(always)]
fn transpose(simd: Neon, rows: [[f32; BLOCK]; BLOCK]) -> [[f32; BLOCK]; BLOCK] {
    use std::arch::aarch64::float32x4_t;
    let n = simd.neon;
    let quarters: [[pulp::f32x4; 4]; BLOCK] = pulp::bytemuck::cast(rows);
    let mut out = quarters;
    for i in 0..4 {
        for j in 0..4 {
            let row = |k: usize| -> float32x4_t { pulp::cast(quarters[4 * i + k][j]) };
            let [a, b, c, d] = [row(0), row(1), row(2), row(3)];
            // the first two columns and the last two, of rows 0 and 2 and of rows 1 and 3
            let first = [n.vzip1q_f32(a, c), n.vzip1q_f32(b, d)];
            let last = [n.vzip2q_f32(a, c), n.vzip2q_f32(b, d)];
            let columns = [
                n.vzip1q_f32(first[0], first[1]),
                n.vzip2q_f32(first[0], first[1]),
                n.vzip1q_f32(last[0], last[1]),
                n.vzip2q_f32(last[0], last[1]),
            ];
            for (k, column) in columns.into_iter().enumerate() {
                out[4 * j + k][i] = pulp::cast(column);
            }
        }
    }
    pulp::bytemuck::cast(out)
}
