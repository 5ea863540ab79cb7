use crate::set::reserve;
use crate::{ImageError, Images};
use pickle::{Flaw, Node, Pickle, PickleLimits};

/// Labels of ImageNet, from 1.
const IMAGENET: usize = 1_000;

/// The first of them are the classes of ImageNet16-120.
const TAKEN: usize = 120;

/// The first byte of a pickle of protocol 2 or above, which no label is.
pub(crate) const PICKLED: u8 = 0x80;

/// Images from the bytes of a pickled batch as Python reads it; nothing in it is run.
///
/// Rows of 3,072 bytes are CIFAR-10's or, where there are `fine_labels`, CIFAR-100's "python version" (Krizhevsky
/// 2009). Rows of 768 bytes are ImageNet's at 16x16 (Chrabaszcz, Loshchilov and Hutter 2017), of which the first 120
/// classes are taken, ImageNet16-120 of NAS-Bench-201.
///
/// # Errors
/// No pickle of a dict with `data` and labels; rows of another length, not one label for each, a label out of range.
pub fn from_pickle(bytes: &[u8]) -> Result<Images, ImageError> {
    let flaw = |flaw| ImageError::Pickle { flaw };
    let pickle = Pickle::read(bytes, PickleLimits::default()).map_err(flaw)?;
    let root = pickle.root();
    let (shape, pixels) =
        at(root, "data").and_then(|(node, at)| node.byte_array().map_err(at)).map_err(flaw)?;
    let fine = root.find("fine_labels").map_err(flaw)?.is_some();
    let (side, name, classes, first) = match (shape, fine) {
        ([_, 768], _) => (16, "labels", IMAGENET, 1),
        ([_, 3_072], true) => (32, "fine_labels", 100, 0),
        ([_, 3_072], false) => (32, "labels", 10, 0),
        _ => {
            let expected = "rows of 3,072 bytes (CIFAR) or 768 (ImageNet, 16x16)";
            return Err(flaw(Flaw::new("key 'data'", expected, format!("the shape {shape:?}"))));
        }
    };
    let labels = labels(root, name, first, classes).map_err(flaw)?;
    let bytes = 3 * side * side;
    if labels.len() != pixels.len() / bytes {
        return Err(ImageError::Counts { images: pixels.len() / bytes, labels: labels.len() });
    }
    let classes = if side == 16 { TAKEN } else { classes };
    let taken = || labels.iter().zip(pixels.chunks_exact(bytes)).filter(|(label, _)| **label < classes);
    let count = taken().count();
    let (mut own, mut names) = (reserve(count * bytes)?, reserve(count)?);
    for (label, image) in taken() {
        own.extend_from_slice(image);
        // below 120 of ImageNet, below 100 of CIFAR
        names.push(*label as u8);
    }
    Images::new([3, side, side], classes, own, names)
}

/// The value of a key, and what puts the key before a flaw in it.
fn at<'p>(root: Node<'p>, key: &str) -> Result<(Node<'p>, impl Fn(Flaw) -> Flaw), Flaw> {
    let place = format!("key '{key}'");
    Ok((root.get(key)?, move |flaw: Flaw| flaw.within(&place)))
}

/// Labels, counted from 0.
fn labels(root: Node<'_>, key: &str, first: usize, classes: usize) -> Result<Vec<usize>, Flaw> {
    let (node, at) = at(root, key)?;
    let one = |(image, label): (usize, Option<f64>)| {
        let whole = label.filter(|label| label.fract() == 0.0 && *label >= first as f64);
        let from_zero = whole.map(|label| label as usize - first).filter(|label| *label < classes);
        from_zero.ok_or_else(|| {
            let found = label.map_or("None".into(), |label| label.to_string());
            let expected = format!("a label from {first} to {}", first + classes - 1);
            at(Flaw::new(format!("[{image}]"), expected, found))
        })
    };
    node.numbers().map_err(&at)?.into_iter().enumerate().map(one).collect()
}
