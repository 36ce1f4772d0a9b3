//! Compares two syntax trees in every field but the places where their nodes stood in the text.
//!
//! A tree is written through its own serializer as tagged bytes; equal bytes mean equal trees.
//!
//! **Invariant:** a field is left out by its name here and nowhere else, so a field that a later
//! version of the grammar adds is compared.

use std::fmt::Display;

use serde::ser::{self, Impossible, Serialize, SerializeSeq, SerializeStruct};

/// Fields that say only where a node stood, or which version of the grammar read it.
const PLACES: [&str; 11] = [
    "location",
    "arg_location",
    "stmt_location",
    "stmt_len",
    "list_start",
    "list_end",
    "rexpr_list_start",
    "rexpr_list_end",
    "match_location",
    "name_location",
    "payload_location",
];

/// The bytes of a tree; nothing if it holds what no tree of this grammar holds.
pub(crate) fn digest<T: Serialize>(tree: &T) -> Option<Vec<u8>> {
    let mut writer = Writer { bytes: Vec::with_capacity(1024) };
    tree.serialize(&mut writer).ok()?;
    Some(writer.bytes)
}

/// The bytes of a field that holds a text. No text of a tree has them in it: they hold NULs.
pub(crate) fn field(key: &str, value: &str) -> Vec<u8> {
    let mut writer = Writer { bytes: Vec::new() };
    writer.tagged(b'k', key.as_bytes());
    writer.tagged(b's', value.as_bytes());
    writer.bytes
}

struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn tagged(&mut self, tag: u8, bytes: &[u8]) {
        self.bytes.push(tag);
        self.bytes.extend_from_slice(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        self.bytes.extend_from_slice(bytes);
    }
}

/// A value that the trees of this grammar do not have.
#[derive(Debug, thiserror::Error)]
#[error("unexpected value in a syntax tree")]
struct Unexpected;

impl ser::Error for Unexpected {
    fn custom<T: Display>(_message: T) -> Self {
        Self
    }
}

macro_rules! number {
    ($($method:ident: $type:ty, $tag:literal;)*) => {
        $(fn $method(self, value: $type) -> Result<(), Unexpected> {
            self.tagged($tag, &value.to_be_bytes());
            Ok(())
        })*
    };
}

macro_rules! refused {
    ($($method:ident($($type:ty),*) -> $result:ty;)*) => {
        $(fn $method(self, $(_: $type),*) -> Result<$result, Unexpected> { Err(Unexpected) })*
    };
}

impl<'a> ser::Serializer for &'a mut Writer {
    type Ok = ();
    type Error = Unexpected;
    type SerializeSeq = &'a mut Writer;
    type SerializeStruct = &'a mut Writer;
    type SerializeTuple = Impossible<(), Unexpected>;
    type SerializeTupleStruct = Impossible<(), Unexpected>;
    type SerializeTupleVariant = Impossible<(), Unexpected>;
    type SerializeMap = Impossible<(), Unexpected>;
    type SerializeStructVariant = Impossible<(), Unexpected>;

    number! {
        serialize_i32: i32, b'i';
        serialize_i64: i64, b'l';
        serialize_u32: u32, b'u';
        serialize_u64: u64, b'U';
        serialize_f64: f64, b'd';
    }

    refused! {
        serialize_i8(i8) -> ();
        serialize_i16(i16) -> ();
        serialize_u8(u8) -> ();
        serialize_u16(u16) -> ();
        serialize_f32(f32) -> ();
        serialize_char(char) -> ();
        serialize_bytes(&[u8]) -> ();
        serialize_unit() -> ();
        serialize_unit_struct(&'static str) -> ();
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize)
            -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct_variant(&'static str, u32, &'static str, usize)
            -> Self::SerializeStructVariant;
    }

    fn serialize_bool(self, value: bool) -> Result<(), Unexpected> {
        self.bytes.extend_from_slice(if value { b"T" } else { b"F" });
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Result<(), Unexpected> {
        self.tagged(b's', value.as_bytes());
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Unexpected> {
        self.bytes.push(b'N');
        Ok(())
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<(), Unexpected> {
        self.bytes.push(b'S');
        value.serialize(self)
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<(), Unexpected> {
        self.tagged(b'v', variant.as_bytes());
        self.serialize_u32(index)
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Unexpected> {
        self.tagged(b'w', name.as_bytes());
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Unexpected> {
        self.tagged(b'e', variant.as_bytes());
        value.serialize(self)
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Self::SerializeSeq, Unexpected> {
        let length = u64::try_from(length.ok_or(Unexpected)?).unwrap_or(u64::MAX);
        self.tagged(b'[', &length.to_be_bytes());
        Ok(self)
    }

    fn serialize_struct(
        self,
        name: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeStruct, Unexpected> {
        self.tagged(b'{', name.as_bytes());
        Ok(self)
    }
}

impl SerializeSeq for &mut Writer {
    type Ok = ();
    type Error = Unexpected;

    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Unexpected> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), Unexpected> {
        self.bytes.push(b']');
        Ok(())
    }
}

impl SerializeStruct for &mut Writer {
    type Ok = ();
    type Error = Unexpected;

    fn serialize_field<T: ?Sized + Serialize>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Unexpected> {
        if PLACES.contains(&key) {
            return Ok(());
        }
        self.tagged(b'k', key.as_bytes());
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), Unexpected> {
        self.bytes.push(b'}');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_places_may_differ() {
        #[rustfmt::skip]
        let cases = [
            ("SELECT a, b",     "SELECT   a /* x */, b",        true),
            ("SELECT (a)",      "SELECT a",                     true),
            ("SELECT a",        "SELECT A",                     true),
            ("SELECT a",        "SELECT b",                     false),
            ("SELECT 'a'",      "SELECT E'a'",                  true),
            ("SELECT 'a'",      "SELECT 'A'",                   false),
            ("SELECT 1",        "SELECT 1.0",                   false),
            ("SELECT a FROM t", "SELECT a FROM ONLY t",         false),
            ("SELECT a FROM t", "SELECT a FROM t FOR UPDATE",   false),
            ("SELECT a+(b+c)",  "SELECT a+b+c",                 false),
            ("SELECT a",        "SELECT DISTINCT a",            false),
            ("SELECT 1 LIMIT 1","SELECT 1 FETCH FIRST ROW WITH TIES", false),
        ];
        for (one, other, same) in cases {
            let one_tree = pg_query::parse(one, 0).map(|r| digest(&r.protobuf.stmts).unwrap());
            let other_tree = pg_query::parse(other, 0).map(|r| digest(&r.protobuf.stmts).unwrap());
            if let (Ok(one_tree), Ok(other_tree)) = (one_tree, other_tree) {
                assert_eq!(one_tree == other_tree, same, "{one} | {other}");
            }
        }
    }
}
