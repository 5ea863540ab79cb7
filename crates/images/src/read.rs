use crate::idx::IMAGES;
use crate::pickled::PICKLED;
use crate::set::LIMIT;
use crate::{Cifar, ImageError, Images, from_cifar, from_idx, from_pickle};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// Reads a set from a file of any known kind, plain or gzipped; which is seen from its bytes.
///
/// CIFAR-10 and CIFAR-100 (fine labels) binary files; pickled batches of these and of ImageNet16-120
/// ([`from_pickle`]); IDX images of 10 classes, whose labels are in the file beside it with `labels-idx1` for
/// `images-idx3` in its name.
///
/// # Errors
/// A file that cannot be read or is of no known kind, and what the reader of its kind finds.
pub fn read(file: impl AsRef<Path>) -> Result<Images, ImageError> {
    let file = file.as_ref();
    let bytes = contents(file)?;
    if bytes.starts_with(&IMAGES.to_be_bytes()) {
        let labels = labels_beside(file).ok_or_else(|| ImageError::NoLabels.of(file))?;
        return from_idx(&bytes, &contents(&labels)?, 10).map_err(|error| error.of(file));
    }
    if bytes.first() == Some(&PICKLED) {
        return from_pickle(&bytes).map_err(|error| error.of(file));
    }
    let kinds = [Cifar::Ten, Cifar::Hundred];
    let of_kind = |kind: &Cifar| !bytes.is_empty() && bytes.len().is_multiple_of(kind.record());
    let mut read = kinds.into_iter().filter(of_kind).map(|kind| from_cifar(&bytes, kind));
    let first = read.next().unwrap_or(Err(ImageError::UnknownKind { bytes: bytes.len() }));
    // a length that fits both kinds
    let read = if first.is_err() { read.find(Result::is_ok).unwrap_or(first) } else { first };
    read.map_err(|error| error.of(file))
}

/// Reads binary files of CIFAR, plain or gzipped, as one set in the order given.
///
/// # Errors
/// The first file that cannot be read, and what [`from_cifar`] finds; no file.
pub fn read_cifar(files: &[impl AsRef<Path>], kind: Cifar) -> Result<Images, ImageError> {
    let read = |file: &Path| from_cifar(&contents(file)?, kind).map_err(|error| error.of(file));
    let sets: Vec<Images> = files.iter().map(|file| read(file.as_ref())).collect::<Result<_, _>>()?;
    Images::join(&sets)
}

/// Reads a file of grey images and one of their labels in the IDX format, plain or gzipped.
///
/// # Errors
/// A file that cannot be read, and what [`from_idx`] finds.
pub fn read_idx(
    images: impl AsRef<Path>,
    labels: impl AsRef<Path>,
    classes: usize,
) -> Result<Images, ImageError> {
    let (pixels, names) = (contents(images.as_ref())?, contents(labels.as_ref())?);
    from_idx(&pixels, &names, classes).map_err(|error| error.of(images.as_ref()))
}

/// `train-labels-idx1-ubyte.gz` of `train-images-idx3-ubyte.gz`.
fn labels_beside(images: &Path) -> Option<PathBuf> {
    let name = images.file_name()?.to_str()?;
    let labels = name.replace("images-idx3", "labels-idx1").replace("images.idx3", "labels.idx1");
    (labels != name).then(|| images.with_file_name(labels))
}

fn contents(file: &Path) -> Result<Vec<u8>, ImageError> {
    let open = || File::open(file).map_err(|error| ImageError::Open { error });
    open().and_then(|opened| unpacked(BufReader::new(opened))).map_err(|error| error.of(file))
}

/// All bytes, after unpacking where they are gzipped.
pub(crate) fn unpacked(mut from: impl Read) -> Result<Vec<u8>, ImageError> {
    let mut head = Vec::new();
    from.by_ref().take(2).read_to_end(&mut head).map_err(|error| ImageError::Read { at: 0, error })?;
    let zipped = head == [0x1f, 0x8b];
    let all = std::io::Cursor::new(head).chain(from);
    if zipped { limited(MultiGzDecoder::new(all)) } else { limited(all) }
}

fn limited(from: impl Read) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Vec::new();
    let read = from.take(LIMIT + 1).read_to_end(&mut bytes);
    read.map_err(|error| ImageError::Read { at: bytes.len(), error })?;
    if bytes.len() as u64 > LIMIT {
        let limit = usize::try_from(LIMIT).unwrap_or(usize::MAX);
        return Err(ImageError::TooLarge { what: "a file".into(), limit });
    }
    Ok(bytes)
}
