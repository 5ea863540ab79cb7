use crate::numpy::Kind;
use crate::value::{Object, Value};
use crate::{Flaw, Pickle};
use std::fmt;

/// A value within a pickle.
#[derive(Clone, Copy)]
pub struct Node<'p> {
    pub(crate) pickle: &'p Pickle<'p>,
    pub(crate) value: Value,
}

impl<'p> Node<'p> {
    fn at(self, value: Value) -> Self {
        Self { pickle: self.pickle, value }
    }

    fn object(self) -> Option<&'p Object> {
        match self.value {
            Value::Object(id) => self.pickle.object(id),
            _ => None,
        }
    }

    fn flaw(self, expected: &str) -> Flaw {
        Flaw::new("", expected, self)
    }

    /// None of Python.
    pub fn is_none(self) -> bool {
        self.value == Value::None
    }

    /// A text, of Python 2 too.
    ///
    /// # Errors
    /// Another kind of value.
    pub fn text(self) -> Result<&'p str, Flaw> {
        match self.value {
            Value::Text(span) | Value::Bytes(span) => std::str::from_utf8(self.pickle.span(span)).ok(),
            _ => None,
        }
        .ok_or_else(|| self.flaw("a text"))
    }

    /// A whole number, of numpy too.
    ///
    /// # Errors
    /// Another kind of value.
    pub fn int(self) -> Result<i64, Flaw> {
        match self.value {
            Value::Int(value) => Ok(value),
            _ => Err(self.flaw("a whole number")),
        }
    }

    /// A number, of numpy too.
    ///
    /// # Errors
    /// Another kind of value.
    pub fn number(self) -> Result<f64, Flaw> {
        self.value.number().ok_or_else(|| self.flaw("a number"))
    }

    /// The items of a list, tuple or set.
    ///
    /// # Errors
    /// Another kind of value.
    pub fn items(self) -> Result<impl ExactSizeIterator<Item = Self> + 'p, Flaw> {
        match self.object() {
            Some(Object::List(items) | Object::Tuple(items) | Object::Set(items)) => {
                Ok(items.iter().map(move |value| self.at(*value)))
            }
            _ => Err(self.flaw("a list or tuple")),
        }
    }

    /// The keys and values of a dict, in the order of the file.
    ///
    /// # Errors
    /// Another kind of value.
    pub fn entries(self) -> Result<impl ExactSizeIterator<Item = (Self, Self)> + 'p, Flaw> {
        match self.object() {
            Some(Object::Dict(pairs)) => {
                Ok(pairs.iter().map(move |(key, value)| (self.at(*key), self.at(*value))))
            }
            _ => Err(self.flaw("a dict")),
        }
    }

    /// The value of a text as key; of equal keys the last, as in Python. O(n) in the keys.
    ///
    /// # Errors
    /// No dict, or no such key.
    pub fn get(self, key: &str) -> Result<Self, Flaw> {
        self.find(key)?.ok_or_else(|| Flaw::new("", format!("a key '{key}'"), self))
    }

    /// [`Node::get`], none where there is no such key.
    ///
    /// # Errors
    /// No dict.
    pub fn find(self, key: &str) -> Result<Option<Self>, Flaw> {
        // bytes, because a long text would be checked again for every look-up
        let is_key = |name: Self| match name.value {
            Value::Text(span) | Value::Bytes(span) => self.pickle.span(span) == key.as_bytes(),
            _ => false,
        };
        let found = self.entries()?.filter(|(name, _)| is_key(*name)).last();
        Ok(found.map(|(_, value)| value))
    }

    /// A list, an array or a tensor of numbers, row by row; None of Python is none.
    ///
    /// # Errors
    /// Anything else, as truths, which are no numbers, or a tensor that reaches beyond its storage.
    pub fn numbers(self) -> Result<Vec<Option<f64>>, Flaw> {
        match self.object() {
            Some(Object::Array { dtype, .. }) if dtype.kind == Kind::Bool => {
                Err(Flaw::new("", "numbers", format!("{self} of truths")))
            }
            Some(Object::Array { dtype, data, .. }) => {
                let data = self.at(*data).bytes();
                Ok(data.chunks_exact(dtype.size).map(|bytes| dtype.number(bytes)?.number()).collect())
            }
            Some(Object::Tensor { storage, first, shape, strides }) => {
                self.tensor(*storage, *first, shape, strides)
            }
            _ => {
                let one = |(i, node): (usize, Self)| match node.value {
                    Value::None => Ok(None),
                    value => {
                        value.number().map(Some).ok_or_else(|| node.flaw("a number").within(format!("[{i}]")))
                    }
                };
                self.items()?.enumerate().map(one).collect()
            }
        }
    }

    /// The shape of an array of whole numbers from 0 to 255, numpy's `uint8`, and these row by row, without a copy.
    ///
    /// ```
    /// // numpy.array([[1, 2, 3]], "uint8"), by protocol 5
    /// # let bytes = b"\x80\x05cnumpy.core.numeric\n_frombuffer\n(C\x03\x01\x02\x03cnumpy\ndtype\n(X\x02\0\0\0u1K\0K\x01tR(K\x03X\x01\0\0\0|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tbK\x01K\x03\x86X\x01\0\0\0CtR.";
    /// let pickle = pickle::Pickle::read(bytes, Default::default())?;
    /// assert_eq!(pickle.root().byte_array()?, (&[1, 3][..], &[1, 2, 3][..]));
    /// # Ok::<(), pickle::Flaw>(())
    /// ```
    ///
    /// # Errors
    /// Anything else.
    pub fn byte_array(self) -> Result<(&'p [u64], &'p [u8]), Flaw> {
        match self.object() {
            Some(Object::Array { dtype, shape, data }) if (dtype.kind, dtype.size) == (Kind::Unsigned, 1) => {
                Ok((shape, self.at(*data).bytes()))
            }
            _ => Err(self.flaw("an array of uint8")),
        }
    }

    /// What an array's numbers are made of.
    fn bytes(self) -> &'p [u8] {
        match (self.value, self.object()) {
            (Value::Bytes(span), _) => self.pickle.span(span),
            (_, Some(Object::Owned(bytes))) => bytes,
            _ => &[],
        }
    }

    fn tensor(
        self,
        storage: u32,
        first: u64,
        shape: &[u64],
        strides: &[u64],
    ) -> Result<Vec<Option<f64>>, Flaw> {
        let wrong = |expected: &str| {
            Flaw::new("a tensor", expected, format!("the shape {shape:?}, strides {strides:?}"))
        };
        let Some(Object::Storage { dtype, key }) = self.pickle.object(storage) else {
            return Err(wrong("a storage"));
        };
        if dtype.kind == Kind::Bool {
            return Err(Flaw::new("", "numbers", format!("{self} of truths")));
        }
        let key = self.at(*key).text()?;
        let ends = |name: &str| name.strip_suffix(key).is_some_and(|folder| folder.ends_with("/data/"));
        let data = self.pickle.archive.iter().find(|(name, _)| ends(name)).map(|(_, data)| *data);
        let data =
            data.ok_or_else(|| Flaw::new("a tensor", format!("a file data/{key} in the archive"), "none"))?;
        let stored = (data.len() / dtype.size) as u64;
        let count = shape.iter().try_fold(1_u64, |product, size| product.checked_mul(*size));
        // a stride of 0 repeats numbers; no published file does, and it could make much of little
        let count = count.filter(|count| *count <= stored && shape.len() == strides.len());
        let count = count.ok_or_else(|| wrong("as many numbers as are stored"))?;
        let mut numbers = Vec::new();
        for place in 0..count {
            let (mut rest, mut offset) = (place, first);
            for (size, stride) in shape.iter().zip(strides).rev() {
                offset = (rest % size.max(&1))
                    .checked_mul(*stride)
                    .and_then(|step| step.checked_add(offset))
                    .unwrap_or(u64::MAX);
                rest /= size.max(&1);
            }
            let start = usize::try_from(offset).ok().and_then(|offset| offset.checked_mul(dtype.size));
            let number = start.and_then(|start| dtype.number(data.get(start..)?)?.number());
            numbers.push(Some(number.ok_or_else(|| wrong("numbers within the storage"))?));
        }
        Ok(numbers)
    }
}

impl Value {
    fn number(self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(value as f64),
            Self::Float(value) => Some(value),
            _ => None,
        }
    }
}

/// What kind of value it is, for errors.
impl fmt::Display for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value {
            Value::None => f.write_str("None"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Int(value) => write!(f, "{value}"),
            Value::Float(value) => write!(f, "{value:?}"),
            Value::Text(span) | Value::Bytes(span) => match std::str::from_utf8(self.pickle.span(span)) {
                Ok(text) => write!(f, "'{}'", Flaw::cut(text)),
                Err(_) => f.write_str("bytes"),
            },
            Value::Object(_) => match self.object() {
                Some(Object::List(items)) => write!(f, "a list of {}", items.len()),
                Some(Object::Tuple(items)) => write!(f, "a tuple of {}", items.len()),
                Some(Object::Set(items)) => write!(f, "a set of {}", items.len()),
                Some(Object::Dict(pairs)) => write!(f, "a dict of {}", pairs.len()),
                Some(Object::Owned(bytes)) => write!(f, "{} bytes", bytes.len()),
                Some(Object::Array { shape, .. }) => write!(f, "an array of shape {shape:?}"),
                Some(Object::Tensor { shape, .. }) => write!(f, "a tensor of shape {shape:?}"),
                Some(
                    Object::Function(_) | Object::Dtype(_) | Object::EmptyArray | Object::Storage { .. },
                )
                | None => f.write_str("no data"),
            },
        }
    }
}

impl fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
