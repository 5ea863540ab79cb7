//! The same bytes for any number of threads.

use crate::{numbers, single};
use candle_core::{Tensor, Var};
use cpu_ops::{Conv2d, Padding, Pool2d, avg_pool2d, batch_norm, conv2d, relu};

fn bytes(tensor: &Tensor) -> Vec<u32> {
    tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
}

/// All operators in a row, forward and backward.
fn run() -> Vec<Vec<u32>> {
    let var = |shape: &[usize], stream| Var::from_tensor(&single(&numbers(shape, stream))).unwrap();
    let (x, w, wide) = (var(&[19, 20, 9, 9], 1), var(&[36, 20, 3, 3], 2), var(&[36, 36, 3, 3], 3));
    let (weight, bias) = (var(&[36], 4), var(&[36], 5));
    let y = conv2d(&x, &w, Some(&bias), &Conv2d::new(2, 1)).unwrap();
    let y = relu(&batch_norm(&y, &weight, &bias, 1e-5).unwrap().0).unwrap();
    let y = conv2d(&y, &wide, None, &Conv2d::new(1, 1)).unwrap();
    let y = avg_pool2d(&y, &Pool2d::new(3, 1, 1), Padding::Excluded).unwrap();
    let grads = y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
    let vars = [&x, &w, &wide, &weight, &bias];
    vars.iter().map(|v| bytes(grads.get(v.as_tensor()).unwrap())).chain([bytes(&y)]).collect()
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let on = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run);
    let one = on(1);
    for threads in [2, 3, 7] {
        assert_eq!(on(threads), one, "{threads} threads");
    }
}
