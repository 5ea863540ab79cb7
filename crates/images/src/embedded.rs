use crate::read::unpacked;
use crate::{ImageError, Images, from_idx};

macro_rules! file {
    ($name:literal) => {
        include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../fixtures/images/fashion_mnist/",
            $name,
            "-ubyte.gz"
        ))
    };
}

/// A class-balanced part of Fashion-MNIST (Xiao, Rasul and Vollgraf 2017; MIT licence), which is inside the
/// program: 2,000 training images and 1,000 test images, 28x28 grey, 10 classes that take turns.
///
/// Which images they are is said in `fixtures/images/fashion_mnist/README.md`. Unpacked at every call.
///
/// # Errors
/// None but a lack of memory.
///
/// ```
/// let (training, test) = images::fashion_mnist()?;
/// assert_eq!((training.len(), test.len()), (2_000, 1_000));
/// # Ok::<(), images::ImageError>(())
/// ```
pub fn fashion_mnist() -> Result<(Images, Images), ImageError> {
    let set = |images: &[u8], labels: &[u8]| from_idx(&unpacked(images)?, &unpacked(labels)?, 10);
    Ok((
        set(file!("train-images-idx3"), file!("train-labels-idx1"))?,
        set(file!("test-images-idx3"), file!("test-labels-idx1"))?,
    ))
}
