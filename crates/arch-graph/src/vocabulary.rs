use crate::GraphError;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An operation: its place in a [`Vocabulary`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Op(pub u8);

impl Op {
    /// The place as an index.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The operation names of a space, in order and distinct. Cloning is cheap: the names are shared.
///
/// ```
/// use arch_graph::Vocabulary;
/// let words = Vocabulary::new(["conv", "pool"])?;
/// assert_eq!(words.op("pool")?.index(), 1);
/// let error = words.op("lstm").unwrap_err();
/// assert_eq!(error.to_string(), "unknown operation `lstm`: expected one of conv, pool");
/// # Ok::<(), arch_graph::GraphError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Vocabulary(Arc<[String]>);

impl Vocabulary {
    /// A vocabulary of at most 256 names.
    ///
    /// # Errors
    /// A name that stands twice, or too many names.
    pub fn new(names: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, GraphError> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let max = usize::from(u8::MAX) + 1;
        if names.len() > max {
            return Err(GraphError::TooManyOperations { count: names.len(), max });
        }
        for (second, name) in names.iter().enumerate() {
            if let Some(first) = names[..second].iter().position(|other| other == name) {
                return Err(GraphError::DuplicateOperation { name: name.clone(), first, second });
            }
        }
        Ok(Self(names.into()))
    }

    /// The names in order.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// Number of operations.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The operation called `name`, in time linear in the number of names.
    ///
    /// # Errors
    /// The unknown name, and the names there are.
    pub fn op(&self, name: &str) -> Result<Op, GraphError> {
        (0..=u8::MAX)
            .zip(self.names())
            .find(|(_, known)| *known == name)
            .map(|(place, _)| Op(place))
            .ok_or_else(|| GraphError::UnknownOperation { name: name.into(), known: self.0.to_vec() })
    }

    /// The name of an operation, if it is one of these.
    pub fn name(&self, op: Op) -> Option<&str> {
        self.0.get(op.index()).map(String::as_str)
    }

    pub(crate) fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self == other
    }
}

impl TryFrom<Vec<String>> for Vocabulary {
    type Error = GraphError;

    fn try_from(names: Vec<String>) -> Result<Self, GraphError> {
        Self::new(names)
    }
}

impl From<Vocabulary> for Vec<String> {
    fn from(words: Vocabulary) -> Self {
        words.0.to_vec()
    }
}
