use std::collections::TryReserveError;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Why images cannot be read or used. Bytes are counted from 0, after unpacking; images from 0.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImageError {
    /// What is wrong with a file.
    #[error("{}: {error}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong; it is said above, so it is no source.
        error: Box<ImageError>,
    },
    /// The file cannot be opened.
    #[error("cannot open ({error}): check the path and that the file may be read")]
    Open {
        /// What the system says.
        error: io::Error,
    },
    /// The file can be opened but not read, or not unpacked.
    #[error("cannot be read beyond byte {at} ({error}): a damaged or cut off file, fetch it again")]
    Read {
        /// Bytes that were read, after unpacking.
        at: usize,
        /// What the system or the unpacker says.
        error: io::Error,
    },
    /// Bytes that end too early.
    #[error("cut off at byte {found}: expected {expected} bytes for {what}; fetch it again")]
    Truncated {
        /// What is incomplete.
        what: String,
        /// Bytes that are needed.
        expected: usize,
        /// Bytes that are there.
        found: usize,
    },
    /// Bytes behind the last image or label.
    #[error("{found} bytes, expected {expected} for {what}: something else was joined to it, fetch it again")]
    TooLong {
        /// What is complete.
        what: String,
        /// Bytes that are needed.
        expected: usize,
        /// Bytes that are there.
        found: usize,
    },
    /// The first four bytes do not say what is expected.
    #[error("begins with {found:#010x}, expected {expected:#010x} ({what}): are images and labels swapped?")]
    Magic {
        /// What is expected.
        what: &'static str,
        /// The number that is expected.
        expected: u32,
        /// The number that is there.
        found: u32,
    },
    /// A setting out of its range.
    #[error("{setting} is {value}, expected {expected}")]
    Setting {
        /// Which.
        setting: &'static str,
        /// Its value.
        value: f64,
        /// Its range.
        expected: &'static str,
    },
    /// A file of no known kind.
    #[error(
        "of no known kind ({bytes} bytes): expected CIFAR-10 or CIFAR-100 binary (records of 3,073 or 3,074 \
         bytes), a pickled batch of them or of ImageNet at 16x16, or IDX images, any of them plain or gzipped"
    )]
    UnknownKind {
        /// Its length, after unpacking.
        bytes: usize,
    },
    /// A pickle that holds something else, or is damaged.
    #[error("no pickled batch of CIFAR or of ImageNet at 16x16: {flaw}")]
    Pickle {
        /// Where, what was expected and what was found.
        flaw: pickle::Flaw,
    },
    /// A folder that has not the files of a part of one data set.
    #[error("expected {expected}, found {found}: name the files themselves, or another folder")]
    Folder {
        /// Which files.
        expected: String,
        /// Which are there, or which is not.
        found: String,
    },
    /// A name from which that of the labels does not follow.
    #[error(
        "IDX images whose labels are not known: name it like train-images-idx3-ubyte, or name both files"
    )]
    NoLabels,
    /// A label beyond the classes.
    #[error(
        "image {image} has label {label}, expected one below {classes}: another data set or a damaged file"
    )]
    Label {
        /// The image.
        image: usize,
        /// Its label.
        label: u8,
        /// The number of classes.
        classes: usize,
    },
    /// Not one label for each image.
    #[error("{labels} labels for {images} images: name the two files of one set")]
    Counts {
        /// Images.
        images: usize,
        /// Labels.
        labels: usize,
    },
    /// A number of bytes that is not that of whole images.
    #[error("{found} bytes of pixels, expected {expected} for {images} images of {shape}")]
    Pixels {
        /// Images.
        images: usize,
        /// Channels x height x width.
        shape: String,
        /// Bytes that are needed.
        expected: usize,
        /// Bytes that are there.
        found: usize,
    },
    /// No images, or images without pixels, or no classes.
    #[error(
        "{images} images of {shape} in {classes} classes: expected at least one of each, at most 256 classes"
    )]
    Empty {
        /// Images.
        images: usize,
        /// Channels x height x width.
        shape: String,
        /// Classes.
        classes: usize,
    },
    /// More than can be worked with.
    #[error("{what}: more than the limit of {limit} (bytes, or pixels a side); take a part of it")]
    TooLarge {
        /// What is too large.
        what: String,
        /// The limit, in bytes, or in pixels of a side.
        limit: usize,
    },
    /// No memory for what is asked for.
    #[error("no memory for {bytes} bytes: take a part of it, or smaller batches")]
    Memory {
        /// Bytes that are needed.
        bytes: usize,
        /// What the allocator says.
        source: TryReserveError,
    },
    /// Sets that cannot be joined.
    #[error(
        "set {set} has images of {found}, the first of {expected}: join sets of one size and number of classes"
    )]
    Mixed {
        /// The set, from 0.
        set: usize,
        /// Channels x height x width and classes of the first.
        expected: String,
        /// The same of this one.
        found: String,
    },
    /// A part of all images, of which nothing is left.
    #[error("{asked} of {there} images asked for, and some of the rest too: ask for fewer")]
    NoneLeft {
        /// Images asked for.
        asked: usize,
        /// Images that are there.
        there: usize,
    },
    /// More images than there are.
    #[error("{asked} images asked for, there are {there}: ask for fewer, at least one")]
    TooFew {
        /// Images asked for.
        asked: usize,
        /// Images that are there.
        there: usize,
    },
    /// An image that is not there.
    #[error("image {row} asked for, there are {there}")]
    NoSuchImage {
        /// The image.
        row: usize,
        /// Images that are there.
        there: usize,
    },
    /// Pictures in which images have no room.
    #[error("images of {from} do not fit into pictures of {side}x{side}: take larger pictures")]
    Picture {
        /// Height x width of the images.
        from: String,
        /// Side of the pictures.
        side: usize,
    },
    /// A size to which images cannot be reduced.
    #[error("cannot make {to} of {from}: both sides must be at least 1 and not larger than now")]
    Size {
        /// Height x width now.
        from: String,
        /// Height x width asked for.
        to: String,
    },
    /// A number of channels that does not fit.
    #[error("{found} channels, expected {expected}")]
    Channels {
        /// Channels that are there.
        found: usize,
        /// Channels that fit.
        expected: String,
    },
    /// A spread by which nothing can be divided.
    #[error(
        "channel {channel} has mean {mean} and deviation {deviation}: expected finite ones, deviation above 0"
    )]
    Normalise {
        /// The channel.
        channel: usize,
        /// Its mean.
        mean: f32,
        /// Its standard deviation.
        deviation: f32,
    },
    /// More padding than is of use.
    #[error("padding of {pad}, expected at most the {limit} pixels of the shorter side")]
    Pad {
        /// Pixels on each side.
        pad: usize,
        /// The most.
        limit: usize,
    },
}

impl ImageError {
    /// The same, with the file where it was found.
    pub(crate) fn of(self, file: &std::path::Path) -> Self {
        Self::File { file: file.into(), error: Box::new(self) }
    }
}
