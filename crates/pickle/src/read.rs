use crate::value::{Object, Span, Value};
use crate::{Flaw, Node, machine, zip};

/// What a pickle may hold, so that none can exhaust the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PickleLimits {
    /// Instructions, which bounds values, and so memory: about 130 bytes each at worst.
    pub steps: usize,
    /// Lists, dicts and tuples within one another while they are filled.
    pub nesting: usize,
}

impl Default for PickleLimits {
    /// 8 million instructions, 100 levels; the largest published file needs less than a million and 8.
    fn default() -> Self {
        Self { steps: 8 << 20, nesting: 100 }
    }
}

/// A pickle that was read. It borrows the bytes, and [`Pickle::root`] is what it holds.
///
/// ```
/// let bytes = b"\x80\x04}\x94(\x8c\x01a\x94K\x01\x8c\x01b\x94]\x94(G?\xf8\0\0\0\0\0\0Nea.";
/// # let bytes = b"\x80\x04}\x94(\x8c\x01a\x94K\x01\x8c\x01b\x94]\x94(G?\xf8\0\0\0\0\0\0Neu.";
/// let pickle = pickle::Pickle::read(bytes, Default::default())?;
/// assert_eq!(pickle.root().get("a")?.int()?, 1);
/// assert_eq!(pickle.root().get("b")?.numbers()?, [Some(1.5), None]);
///
/// let error = pickle::Pickle::read(b"cos\nsystem\n.", Default::default()).unwrap_err();
/// assert_eq!(error.to_string(), "byte 0: expected plain data, OrderedDict, numpy or torch arrays, found the name os.system");
/// # Ok::<(), pickle::Flaw>(())
/// ```
#[derive(Debug, Clone)]
pub struct Pickle<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) objects: Vec<Object>,
    pub(crate) root: Value,
    /// The files of a torch archive, by name.
    pub(crate) archive: Vec<(String, &'a [u8])>,
}

impl<'a> Pickle<'a> {
    /// Reads a pickle, O(n) in its bytes.
    ///
    /// # Errors
    /// A name that is not known, an instruction that is not known or does not fit, a pickle that is cut off or
    /// goes beyond the limits; the byte is counted from 0.
    pub fn read(bytes: &'a [u8], limits: PickleLimits) -> Result<Self, Flaw> {
        machine::run(bytes, limits)
    }

    /// Reads what `torch.save` wrote: a zip archive of a pickle and the numbers of its tensors.
    ///
    /// # Errors
    /// As [`Pickle::read`], and an archive that is cut off, compressed or damaged, or of a machine that writes the
    /// highest byte of a number first.
    pub fn read_torch(bytes: &'a [u8], limits: PickleLimits) -> Result<Self, Flaw> {
        let archive = zip::entries(bytes)?;
        // archives before PyTorch 2.1 do not say it
        if let Some((name, order)) = archive.iter().find(|(name, _)| name.ends_with("/byteorder"))
            && order.trim_ascii() != b"little"
        {
            let order = String::from_utf8_lossy(order).into_owned();
            return Err(Flaw::new(name.as_str(), "the byte order little", order));
        }
        let main = archive.iter().find(|(name, _)| name.ends_with("/data.pkl"));
        let (_, main) = main.ok_or_else(|| Flaw::new("the archive", "a file data.pkl", "none"))?;
        let mut pickle = Self::read(main, limits).map_err(|flaw| flaw.within("data.pkl"))?;
        pickle.archive = archive;
        Ok(pickle)
    }

    /// What the pickle holds.
    pub fn root(&self) -> Node<'_> {
        Node { pickle: self, value: self.root }
    }

    pub(crate) fn span(&self, span: Span) -> &'a [u8] {
        let start = span.start as usize;
        self.bytes.get(start..start + span.len as usize).unwrap_or_default()
    }

    pub(crate) fn object(&self, id: u32) -> Option<&Object> {
        self.objects.get(id as usize)
    }
}
