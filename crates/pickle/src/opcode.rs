//! The instructions that are known, named as in `pickletools.py`.

macro_rules! opcodes {
    ($($name:ident = $byte:literal;)*) => { $(pub(crate) const $name: u8 = $byte;)* };
}

opcodes! {
    PROTO = 0x80; FRAME = 0x95; STOP = b'.'; MARK = b'('; POP = b'0'; POP_MARK = b'1'; DUP = b'2';
    NONE = b'N'; NEWTRUE = 0x88; NEWFALSE = 0x89;
    INT = b'I'; LONG = b'L'; BININT = b'J'; BININT1 = b'K'; BININT2 = b'M'; LONG1 = 0x8a; LONG4 = 0x8b;
    FLOAT = b'F'; BINFLOAT = b'G';
    STRING = b'S'; SHORT_BINSTRING = b'U'; BINSTRING = b'T';
    UNICODE = b'V'; SHORT_BINUNICODE = 0x8c; BINUNICODE = b'X'; BINUNICODE8 = 0x8d;
    SHORT_BINBYTES = b'C'; BINBYTES = b'B'; BINBYTES8 = 0x8e; BYTEARRAY8 = 0x96;
    EMPTY_LIST = b']'; APPEND = b'a'; APPENDS = b'e'; LIST = b'l';
    EMPTY_TUPLE = b')'; TUPLE = b't'; TUPLE1 = 0x85; TUPLE2 = 0x86; TUPLE3 = 0x87;
    EMPTY_DICT = b'}'; SETITEM = b's'; SETITEMS = b'u'; DICT = b'd';
    EMPTY_SET = 0x8f; ADDITEMS = 0x90; FROZENSET = 0x91;
    GET = b'g'; BINGET = b'h'; LONG_BINGET = b'j'; PUT = b'p'; BINPUT = b'q'; LONG_BINPUT = b'r'; MEMOIZE = 0x94;
    GLOBAL = b'c'; STACK_GLOBAL = 0x93; REDUCE = b'R'; BUILD = b'b'; BINPERSID = b'Q';
}

/// The names of instructions that would make or call something, for the error that refuses them.
pub(crate) fn refused(opcode: u8) -> Option<&'static str> {
    Some(match opcode {
        b'i' => "INST",
        b'o' => "OBJ",
        0x81 => "NEWOBJ",
        0x92 => "NEWOBJ_EX",
        0x82 => "EXT1",
        0x83 => "EXT2",
        0x84 => "EXT4",
        b'P' => "PERSID",
        0x97 => "NEXT_BUFFER",
        0x98 => "READONLY_BUFFER",
        _ => return None,
    })
}
