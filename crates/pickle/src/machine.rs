use crate::numpy::{self, NOTHING};
use crate::opcode as op;
use crate::value::{Object, Span, Value};
use crate::{Flaw, Pickle, PickleLimits};

/// The stack machine of pickles, which makes data and calls nothing.
pub(crate) struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the instruction that is carried out stands.
    begun: usize,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: Vec<Option<Value>>,
    objects: Vec<Object>,
    limits: PickleLimits,
    /// Bytes that may still be copied: what is kept once can be named often, and must not grow by it.
    copies: usize,
}

/// Arguments of a call, and parts of a state.
const ARGUMENTS: usize = 16;

pub(crate) fn run(bytes: &[u8], limits: PickleLimits) -> Result<Pickle<'_>, Flaw> {
    if u32::try_from(bytes.len()).is_err() {
        return Err(Flaw::new("the whole", "less than 4 GiB", bytes.len()));
    }
    let (stack, marks, memo, objects) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let copies = (1 << 16) + 2 * bytes.len();
    let mut machine = Machine { bytes, at: 0, begun: 0, stack, marks, memo, objects, limits, copies };
    for _ in 0..limits.steps {
        machine.begun = machine.at;
        let opcode = machine.byte()?;
        if opcode == op::STOP {
            let root = machine.pop()?;
            let Machine { objects, .. } = machine;
            return Ok(Pickle { bytes, objects, root, archive: Vec::new() });
        }
        machine.step(opcode)?;
        if machine.marks.len() > limits.nesting {
            return Err(machine.flaw(format!("at most {} levels of nesting", limits.nesting), "more"));
        }
    }
    machine.begun = machine.at;
    Err(machine.flaw(format!("at most {} instructions", limits.steps), "more"))
}

impl<'a> Machine<'a> {
    /// A flaw in the instruction that is carried out.
    pub(crate) fn flaw(&self, expected: impl Into<String>, found: impl std::fmt::Display) -> Flaw {
        Flaw::new(format!("byte {}", self.begun), expected, found)
    }

    fn step(&mut self, opcode: u8) -> Result<(), Flaw> {
        match opcode {
            op::PROTO => {
                let protocol = self.byte()?;
                if protocol > 5 { Err(self.flaw("a pickle of protocol 5 at most", protocol)) } else { Ok(()) }
            }
            op::FRAME => self.take(8).map(drop),
            op::MARK => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            op::POP => match self.marks.pop_if(|mark| *mark == self.stack.len()) {
                Some(_) => Ok(()),
                None => self.pop().map(drop),
            },
            op::POP_MARK => self.pop_mark().map(drop),
            op::NONE => self.push(Value::None),
            op::NEWTRUE => self.push(Value::Bool(true)),
            op::NEWFALSE => self.push(Value::Bool(false)),
            op::BINFLOAT => {
                let bytes = self.array::<8>()?;
                self.push(Value::Float(f64::from_be_bytes(bytes)))
            }
            op::BININT => {
                let bytes = self.array::<4>()?;
                self.push(Value::Int(i64::from(i32::from_le_bytes(bytes))))
            }
            op::BININT1 => {
                let byte = self.byte()?;
                self.push(Value::Int(i64::from(byte)))
            }
            op::BININT2 => {
                let bytes = self.array::<2>()?;
                self.push(Value::Int(i64::from(u16::from_le_bytes(bytes))))
            }
            op::LONG1 | op::LONG4 => self.long(opcode),
            op::INT | op::LONG | op::FLOAT => self.decimal(opcode),
            op::SHORT_BINUNICODE | op::BINUNICODE | op::BINUNICODE8 | op::UNICODE => self.push_text(opcode),
            op::SHORT_BINSTRING
            | op::BINSTRING
            | op::SHORT_BINBYTES
            | op::BINBYTES
            | op::BINBYTES8
            | op::BYTEARRAY8 => {
                let span = self.sized(opcode)?;
                self.push(Value::Bytes(span))
            }
            op::STRING => {
                let line = self.line()?;
                let text = self.piece(line);
                let quoted =
                    |quote: u8| text.len() > 1 && text.starts_with(&[quote]) && text.ends_with(&[quote]);
                if !(quoted(b'\'') || quoted(b'"')) || text.contains(&b'\\') {
                    return Err(self.flaw("a quoted text without escapes", String::from_utf8_lossy(text)));
                }
                self.push(Value::Bytes(Span { start: line.start + 1, len: line.len - 2 }))
            }
            op::EMPTY_LIST => self.push_object(Object::List(Vec::new())),
            op::EMPTY_DICT => self.push_object(Object::Dict(Vec::new())),
            op::EMPTY_SET => self.push_object(Object::Set(Vec::new())),
            op::EMPTY_TUPLE => self.push_object(Object::Tuple(Vec::new())),
            op::TUPLE1 => self.tuple(1),
            op::TUPLE2 => self.tuple(2),
            op::TUPLE3 => self.tuple(3),
            op::TUPLE | op::LIST | op::FROZENSET => {
                let items = self.pop_mark()?;
                self.push_object(match opcode {
                    op::TUPLE => Object::Tuple(items),
                    op::LIST => Object::List(items),
                    _ => Object::Set(items),
                })
            }
            op::DICT => {
                let items = self.pop_mark()?;
                let pairs = self.pairs(&items)?;
                self.push_object(Object::Dict(pairs))
            }
            op::APPEND => {
                let item = self.pop()?;
                self.extend(&[item])
            }
            op::APPENDS | op::ADDITEMS => {
                let items = self.pop_mark()?;
                self.extend(&items)
            }
            op::SETITEM => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.extend_dict(&[key, value])
            }
            op::SETITEMS => {
                let items = self.pop_mark()?;
                self.extend_dict(&items)
            }
            op::MEMOIZE => self.put(self.memo.len()),
            op::BINPUT | op::LONG_BINPUT | op::PUT => {
                let index = self.index(opcode)?;
                self.put(index)
            }
            op::BINGET | op::LONG_BINGET | op::GET => {
                let index = self.index(opcode)?;
                let value = self.memo.get(index).copied().flatten();
                self.push(
                    value.ok_or_else(|| {
                        self.flaw("a value that was kept before", format!("number {index}"))
                    })?,
                )
            }
            op::GLOBAL => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(module, name)
            }
            op::STACK_GLOBAL => match (self.pop()?, self.pop()?) {
                (Value::Text(name), Value::Text(module)) => self.global(module, name),
                _ => Err(self.flaw("a name", "another value")),
            },
            op::REDUCE => {
                let (arguments, callee) = (self.pop()?, self.pop()?);
                let arguments = match self.get(arguments) {
                    Some(Object::Tuple(items)) if items.len() <= ARGUMENTS => items.clone(),
                    _ => return Err(self.flaw("a tuple of a few arguments", "another value")),
                };
                let made = numpy::call(self, callee, &arguments)?;
                self.push(made)
            }
            op::BUILD => {
                let (state, target) = (self.pop()?, self.pop()?);
                let built = numpy::build(self, target, state)?;
                self.push(built)
            }
            op::BINPERSID => {
                let name = self.pop()?;
                let storage = numpy::persistent(self, name)?;
                self.push(storage)
            }
            op::DUP => Err(self.flaw("plain data", "the instruction DUP")),
            other => Err(match op::refused(other) {
                Some(name) => self.flaw("plain data", format!("the instruction {name}")),
                None => self.flaw("an instruction of a pickle", format!("the byte 0x{other:02x}")),
            }),
        }
    }

    fn byte(&mut self) -> Result<u8, Flaw> {
        let byte = self.bytes.get(self.at).copied();
        self.at += 1;
        byte.ok_or_else(|| self.flaw("more bytes", "the end: the pickle is cut off"))
    }

    fn take(&mut self, len: usize) -> Result<Span, Flaw> {
        let start = self.at;
        let left = self.bytes.len().saturating_sub(start);
        if len > left {
            return Err(self.flaw(format!("{len} bytes"), format!("{left}: the pickle is cut off")));
        }
        self.at = start + len;
        Ok(Span { start: start as u32, len: len as u32 })
    }

    fn piece(&self, span: Span) -> &'a [u8] {
        let start = span.start as usize;
        self.bytes.get(start..start + span.len as usize).unwrap_or_default()
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Flaw> {
        let span = self.take(N)?;
        self.piece(span).try_into().map_err(|_| self.flaw("more bytes", "the end"))
    }

    /// Up to the end of the line, which is taken too.
    fn line(&mut self) -> Result<Span, Flaw> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        // no line of a pickle is long, and a search to the end for each would take quadratic time
        let end = rest.iter().take(1 << 16).position(|byte| *byte == b'\n');
        let end =
            end.ok_or_else(|| self.flaw("a line of less than 65,536 bytes", "a longer one, or the end"))?;
        let span = self.take(end)?;
        self.at += 1;
        Ok(span)
    }

    /// Bytes behind their length.
    fn sized(&mut self, opcode: u8) -> Result<Span, Flaw> {
        let len = match opcode {
            op::SHORT_BINUNICODE | op::SHORT_BINBYTES | op::SHORT_BINSTRING => u64::from(self.byte()?),
            op::BINUNICODE | op::BINBYTES | op::BINSTRING => u64::from(u32::from_le_bytes(self.array()?)),
            _ => u64::from_le_bytes(self.array()?),
        };
        self.take(usize::try_from(len).unwrap_or(usize::MAX))
    }

    fn push_text(&mut self, opcode: u8) -> Result<(), Flaw> {
        let span = if opcode == op::UNICODE { self.line()? } else { self.sized(opcode)? };
        match std::str::from_utf8(self.piece(span)) {
            Ok(text) if opcode != op::UNICODE || !text.contains('\\') => self.push(Value::Text(span)),
            Ok(text) => Err(self.flaw("a text without escapes", text)),
            Err(error) => Err(self.flaw("UTF-8", format!("something else {} bytes on", error.valid_up_to()))),
        }
    }

    /// A whole number of any length, of which 64 bits are enough.
    fn long(&mut self, opcode: u8) -> Result<(), Flaw> {
        let len = if opcode == op::LONG1 { usize::from(self.byte()?) } else { self.index(op::LONG_BINGET)? };
        let span = self.take(len)?;
        let bytes = self.piece(span);
        let mut eight = [if bytes.last().is_some_and(|last| *last > 127) { 0xff } else { 0 }; 8];
        match eight.get_mut(..len) {
            Some(own) => own.copy_from_slice(bytes),
            None => return Err(self.flaw("a whole number of 64 bits", format!("{len} bytes"))),
        }
        self.push(Value::Int(i64::from_le_bytes(eight)))
    }

    /// Numbers as text, of protocol 0.
    fn decimal(&mut self, opcode: u8) -> Result<(), Flaw> {
        let line = self.line()?;
        let text = std::str::from_utf8(self.piece(line)).unwrap_or("bytes");
        let value = match (opcode, text) {
            (op::INT, "01") => Some(Value::Bool(true)),
            (op::INT, "00") => Some(Value::Bool(false)),
            (op::FLOAT, _) => text.parse().ok().map(Value::Float),
            _ => text.trim_end_matches('L').parse().ok().map(Value::Int),
        };
        self.push(value.ok_or_else(|| self.flaw("a number of 64 bits", text))?)
    }

    /// The number of a kept value.
    fn index(&mut self, opcode: u8) -> Result<usize, Flaw> {
        Ok(match opcode {
            op::BINGET | op::BINPUT => usize::from(self.byte()?),
            op::LONG_BINGET | op::LONG_BINPUT => u32::from_le_bytes(self.array()?) as usize,
            _ => {
                let line = self.line()?;
                let text = std::str::from_utf8(self.piece(line)).unwrap_or("bytes");
                text.parse().map_err(|_| self.flaw("the number of a kept value", text))?
            }
        })
    }

    fn push(&mut self, value: Value) -> Result<(), Flaw> {
        self.stack.push(value);
        Ok(())
    }

    fn push_object(&mut self, object: Object) -> Result<(), Flaw> {
        let value = self.add(object)?;
        self.push(value)
    }

    /// Before so many bytes are copied.
    pub(crate) fn spend(&mut self, bytes: usize) -> Result<(), Flaw> {
        let left = self.copies.checked_sub(bytes);
        self.copies = left
            .ok_or_else(|| self.flaw("values that are written once", "one that is named again and again"))?;
        Ok(())
    }

    /// A tuple of a few values.
    pub(crate) fn few(&self, value: Value) -> Option<Vec<Value>> {
        match self.get(value) {
            Some(Object::Tuple(items)) if items.len() <= ARGUMENTS => Some(items.clone()),
            _ => None,
        }
    }

    /// Keeps an object.
    pub(crate) fn add(&mut self, object: Object) -> Result<Value, Flaw> {
        let id = u32::try_from(self.objects.len()).map_err(|_| self.flaw("fewer objects", "more"))?;
        self.objects.push(object);
        Ok(Value::Object(id))
    }

    pub(crate) fn replace(&mut self, target: Value, object: Object) {
        if let Value::Object(id) = target
            && let Some(place) = self.objects.get_mut(id as usize)
        {
            *place = object;
        }
    }

    pub(crate) fn get(&self, value: Value) -> Option<&Object> {
        match value {
            Value::Object(id) => self.objects.get(id as usize),
            _ => None,
        }
    }

    pub(crate) fn text(&self, value: Value) -> Option<&'a str> {
        match value {
            Value::Text(span) | Value::Bytes(span) => std::str::from_utf8(self.piece(span)).ok(),
            _ => None,
        }
    }

    pub(crate) fn data(&self, value: Value) -> Option<&[u8]> {
        match value {
            Value::Bytes(span) => Some(self.piece(span)),
            // an empty bytes of protocol 2
            Value::Text(NOTHING) => Some(&[]),
            _ => match self.get(value) {
                Some(Object::Owned(bytes)) => Some(bytes),
                _ => None,
            },
        }
    }

    /// A tuple of sizes.
    pub(crate) fn sizes(&self, value: Value) -> Option<Vec<u64>> {
        let size = |value: &Value| match value {
            Value::Int(size) => u64::try_from(*size).ok(),
            _ => None,
        };
        match self.get(value) {
            Some(Object::Tuple(items)) if items.len() <= 8 => items.iter().map(size).collect(),
            _ => None,
        }
    }

    fn pop(&mut self) -> Result<Value, Flaw> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(self.flaw("a value on the stack", "none"));
        }
        self.stack.pop().ok_or_else(|| self.flaw("a value on the stack", "none"))
    }

    fn pop_mark(&mut self) -> Result<Vec<Value>, Flaw> {
        let mark = self.marks.pop().ok_or_else(|| self.flaw("a mark on the stack", "none"))?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn tuple(&mut self, len: usize) -> Result<(), Flaw> {
        let mut items = Vec::with_capacity(len);
        for _ in 0..len {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push_object(Object::Tuple(items))
    }

    fn put(&mut self, index: usize) -> Result<(), Flaw> {
        let value = self.stack.last().copied().ok_or_else(|| self.flaw("a value to keep", "none"))?;
        if index > self.limits.steps {
            return Err(self.flaw(format!("a number up to {}", self.limits.steps), index));
        }
        if index >= self.memo.len() {
            self.memo.resize(index + 1, None);
        }
        if let Some(place) = self.memo.get_mut(index) {
            *place = Some(value);
        }
        Ok(())
    }

    /// The list, set or dict on top of the stack.
    fn top(&mut self) -> Option<&mut Object> {
        match self.stack.last() {
            Some(Value::Object(id)) => self.objects.get_mut(*id as usize),
            _ => None,
        }
    }

    fn extend(&mut self, items: &[Value]) -> Result<(), Flaw> {
        match self.top() {
            Some(Object::List(list) | Object::Set(list)) => list.extend_from_slice(items),
            _ => return Err(self.flaw("a list to append to", "another value")),
        }
        Ok(())
    }

    fn extend_dict(&mut self, items: &[Value]) -> Result<(), Flaw> {
        let pairs = self.pairs(items)?;
        match self.top() {
            Some(Object::Dict(dict)) => dict.extend(pairs),
            _ => return Err(self.flaw("a dict to fill", "another value")),
        }
        Ok(())
    }

    fn pairs(&self, items: &[Value]) -> Result<Vec<(Value, Value)>, Flaw> {
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(self.flaw("a value for every key", "a key alone"));
        }
        Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect())
    }

    fn global(&mut self, module: Span, name: Span) -> Result<(), Flaw> {
        let text = |span| String::from_utf8_lossy(self.piece(span));
        let (module, name) = (text(module), text(name));
        let found = numpy::function(&module, &name);
        let unknown = || {
            let found = format!("the name {module}.{name}");
            self.flaw("plain data, OrderedDict, numpy or torch arrays", found)
        };
        self.push_object(Object::Function(found.ok_or_else(unknown)?))
    }
}
