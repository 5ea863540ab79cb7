//! What the known names make, as data.

use crate::Flaw;
use crate::machine::Machine;
use crate::value::{Object, Span, Value};

/// A name that a pickle may mention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    OrderedDict,
    Set,
    Dtype,
    Scalar,
    Reconstruct,
    Ndarray,
    FromBuffer,
    /// `_codecs.encode(text, 'latin1')`: how protocol 2 writes bytes.
    Encode,
    RebuildTensor,
    Storage(Dtype),
}

/// The form of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dtype {
    pub(crate) kind: Kind,
    pub(crate) size: usize,
    pub(crate) big_endian: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Float,
    Signed,
    Unsigned,
    Bool,
}

impl Dtype {
    const fn little(kind: Kind, size: usize) -> Self {
        Self { kind, size, big_endian: false }
    }

    /// By numpy's short name.
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "f8" => Self::little(Kind::Float, 8),
            "f4" => Self::little(Kind::Float, 4),
            "i8" => Self::little(Kind::Signed, 8),
            "i4" => Self::little(Kind::Signed, 4),
            "i2" => Self::little(Kind::Signed, 2),
            "i1" => Self::little(Kind::Signed, 1),
            "u4" => Self::little(Kind::Unsigned, 4),
            "u2" => Self::little(Kind::Unsigned, 2),
            "u1" => Self::little(Kind::Unsigned, 1),
            "b1" => Self::little(Kind::Bool, 1),
            _ => return None,
        })
    }

    /// The number in the first bytes; none where there are too few.
    pub(crate) fn number(self, bytes: &[u8]) -> Option<Value> {
        let mut eight = [0_u8; 8];
        let own = eight.get_mut(..self.size)?;
        own.copy_from_slice(bytes.get(..self.size)?);
        if self.big_endian {
            own.reverse();
        }
        let bits = u64::from_le_bytes(eight);
        let shift = 64 - 8 * self.size as u32;
        Some(match self.kind {
            Kind::Float if self.size == 4 => Value::Float(f64::from(f32::from_bits(bits as u32))),
            Kind::Float => Value::Float(f64::from_bits(bits)),
            Kind::Signed => Value::Int((bits << shift).cast_signed() >> shift),
            Kind::Unsigned => Value::Int(bits.cast_signed()),
            Kind::Bool => Value::Bool(bits != 0),
        })
    }
}

/// The name, if it is known.
pub(crate) fn function(module: &str, name: &str) -> Option<Function> {
    use Function::{
        Dtype as D, Encode, FromBuffer, Ndarray, OrderedDict, RebuildTensor, Reconstruct, Scalar, Set,
    };
    let storage = |kind, size| Some(Function::Storage(Dtype::little(kind, size)));
    Some(match (module, name) {
        ("collections", "OrderedDict") => OrderedDict,
        ("builtins" | "__builtin__", "set") => Set,
        ("numpy", "dtype") => D,
        ("numpy", "ndarray") => Ndarray,
        ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Scalar,
        ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => Reconstruct,
        ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => FromBuffer,
        ("_codecs", "encode") => Encode,
        ("torch._utils", "_rebuild_tensor_v2") => RebuildTensor,
        ("torch", "DoubleStorage") => return storage(Kind::Float, 8),
        ("torch", "FloatStorage") => return storage(Kind::Float, 4),
        ("torch", "LongStorage") => return storage(Kind::Signed, 8),
        ("torch", "IntStorage") => return storage(Kind::Signed, 4),
        ("torch", "ShortStorage") => return storage(Kind::Signed, 2),
        ("torch", "CharStorage") => return storage(Kind::Signed, 1),
        ("torch", "ByteStorage") => return storage(Kind::Unsigned, 1),
        ("torch", "BoolStorage") => return storage(Kind::Bool, 1),
        _ => return None,
    })
}

/// The data that a call would make.
pub(crate) fn call(machine: &mut Machine<'_>, callee: Value, arguments: &[Value]) -> Result<Value, Flaw> {
    let known = match machine.get(callee) {
        Some(Object::Function(function)) => *function,
        _ => return Err(machine.flaw("the call of a known name", "another")),
    };
    let wrong = |machine: &Machine<'_>| {
        machine.flaw("arguments that numpy or torch write", format!("others for {known:?}"))
    };
    let made = match (known, arguments) {
        (Function::OrderedDict, []) => Object::Dict(Vec::new()),
        (Function::OrderedDict, [pairs]) => {
            let pairs = dict_of(machine, *pairs).ok_or_else(|| wrong(machine))?;
            machine.spend(8 * pairs.len())?;
            Object::Dict(pairs)
        }
        (Function::Set, [list]) => match machine.get(*list) {
            Some(Object::List(items)) => {
                let items = items.clone();
                machine.spend(8 * items.len())?;
                Object::Set(items)
            }
            _ => return Err(wrong(machine)),
        },
        (Function::Dtype, [name, ..]) => {
            let name = machine.text(*name).ok_or_else(|| wrong(machine))?.trim_start_matches(['<', '|', '=']);
            let dtype = Dtype::named(name);
            Object::Dtype(
                dtype.ok_or_else(|| machine.flaw("a dtype f8, f4, i8 to i1, u4 to u1 or b1", name))?,
            )
        }
        (Function::Scalar, [dtype, data]) => {
            let (dtype, data) = (dtype_of(machine, *dtype), machine.data(*data));
            let (Some(dtype), Some(data)) = (dtype, data) else { return Err(wrong(machine)) };
            let number = dtype.number(data).filter(|_| data.len() == dtype.size);
            return number.ok_or_else(|| machine.flaw(format!("{} bytes", dtype.size), data.len()));
        }
        (Function::Reconstruct, [kind, ..])
            if matches!(machine.get(*kind), Some(Object::Function(Function::Ndarray))) =>
        {
            Object::EmptyArray
        }
        (Function::FromBuffer, [data, dtype, shape, order]) if machine.text(*order) == Some("C") => {
            array(machine, *dtype, *shape, *data)?
        }
        (Function::Encode, [text, codec]) if machine.text(*codec) == Some("latin1") => {
            let text = machine.text(*text).ok_or_else(|| wrong(machine))?;
            machine.spend(text.len())?;
            let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
            Object::Owned(bytes.ok_or_else(|| wrong(machine))?)
        }
        (Function::RebuildTensor, [Value::Object(storage), Value::Int(first), shape, strides, ..])
            if matches!(machine.get(Value::Object(*storage)), Some(Object::Storage { .. })) =>
        {
            let (shape, strides) = (machine.sizes(*shape), machine.sizes(*strides));
            let (Some(shape), Some(strides)) = (shape, strides) else { return Err(wrong(machine)) };
            let first = u64::try_from(*first).map_err(|_| wrong(machine))?;
            Object::Tensor { storage: *storage, first, shape, strides }
        }
        _ => return Err(wrong(machine)),
    };
    machine.add(made)
}

/// What BUILD does: it tells a dtype its byte order, and an array its numbers.
pub(crate) fn build(machine: &mut Machine<'_>, target: Value, state: Value) -> Result<Value, Flaw> {
    // torch gives an empty OrderedDict attributes of its own; they say nothing of the numbers
    if let (Some(Object::Dict(_)), Some(Object::Dict(_))) = (machine.get(state), machine.get(target)) {
        return Ok(target);
    }
    let state = machine.few(state).ok_or_else(|| machine.flaw("the state of a dtype or array", "another"))?;
    match (machine.get(target), state.as_slice()) {
        (Some(&Object::Dtype(dtype)), [_, order, ..]) => {
            let big_endian = match machine.text(*order) {
                Some(">") => true,
                Some("<" | "|" | "=") => false,
                _ => return Err(machine.flaw("a byte order", "another")),
            };
            // a dtype is made before it knows its order, and may be in the memo: change the one object
            machine.replace(target, Object::Dtype(Dtype { big_endian, ..dtype }));
        }
        (Some(Object::EmptyArray), [_, shape, dtype, fortran, data]) => {
            let made = array(machine, *dtype, *shape, *data)?;
            if matches!((&made, fortran), (Object::Array { shape, .. }, Value::Bool(true)) if shape.len() > 1)
            {
                return Err(machine.flaw("an array in C order", "Fortran order"));
            }
            machine.replace(target, made);
        }
        _ => return Err(machine.flaw("a dtype or an array to fill", "another")),
    }
    Ok(target)
}

/// A persistent name: the storage of a tensor.
pub(crate) fn persistent(machine: &mut Machine<'_>, name: Value) -> Result<Value, Flaw> {
    let parts = machine.few(name).unwrap_or_default();
    if let [word, kind, key, _, _] = parts.as_slice()
        && machine.text(*word) == Some("storage")
        && machine.text(*key).is_some()
        && let Some(Object::Function(Function::Storage(dtype))) = machine.get(*kind)
    {
        let dtype = *dtype;
        return machine.add(Object::Storage { dtype, key: *key });
    }
    Err(machine.flaw("the storage of a tensor", "another persistent name"))
}

fn dtype_of(machine: &Machine<'_>, value: Value) -> Option<Dtype> {
    match machine.get(value) {
        Some(Object::Dtype(dtype)) => Some(*dtype),
        _ => None,
    }
}

fn array(machine: &Machine<'_>, dtype: Value, shape: Value, data: Value) -> Result<Object, Flaw> {
    let wrong = || machine.flaw("an array as numpy writes it", "another");
    let dtype = dtype_of(machine, dtype).ok_or_else(wrong)?;
    let shape = machine.sizes(shape).ok_or_else(wrong)?;
    let len = machine.data(data).ok_or_else(wrong)?.len() as u64;
    let needed = shape.iter().try_fold(dtype.size as u64, |product, &size| product.checked_mul(size));
    if needed != Some(len) {
        return Err(machine.flaw(format!("{needed:?} bytes for the shape {shape:?}"), len));
    }
    Ok(Object::Array { dtype, shape, data })
}

fn dict_of(machine: &Machine<'_>, pairs: Value) -> Option<Vec<(Value, Value)>> {
    let Some(Object::List(pairs)) = machine.get(pairs) else { return None };
    let pair = |value: &Value| match machine.get(*value) {
        Some(Object::Tuple(two) | Object::List(two)) => match two.as_slice() {
            [key, value] => Some((*key, *value)),
            _ => None,
        },
        _ => None,
    };
    pairs.iter().map(pair).collect()
}

/// An empty piece, for what has no bytes.
pub(crate) const NOTHING: Span = Span { start: 0, len: 0 };
