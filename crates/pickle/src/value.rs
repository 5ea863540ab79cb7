//! What a pickle is made of.

use crate::numpy::{Dtype, Function};

/// A piece of the pickle's own bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

/// A value; what is larger than a number stands in the bytes of the pickle or in the objects of the pickle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// UTF-8, checked.
    Text(Span),
    Bytes(Span),
    Object(u32),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Object {
    List(Vec<Value>),
    Tuple(Vec<Value>),
    Set(Vec<Value>),
    /// In the order of the file; of equal keys the last counts.
    Dict(Vec<(Value, Value)>),
    /// Bytes that are not in the file as they are.
    Owned(Vec<u8>),
    Function(Function),
    Dtype(Dtype),
    /// Numbers in row-major order.
    Array {
        dtype: Dtype,
        shape: Vec<u64>,
        data: Value,
    },
    /// An array that has been announced, and gets its numbers next.
    EmptyArray,
    /// A file of a torch archive with numbers.
    Storage {
        dtype: Dtype,
        key: Value,
    },
    Tensor {
        storage: u32,
        first: u64,
        shape: Vec<u64>,
        strides: Vec<u64>,
    },
}
