//! Types that look a name up (`regclass`, `regtype`, …): what they mean here, and how a number is
//! shown as a name.
//!
//! **Invariant:** no value of such a type stands in the forwarded text, so no text or number of the
//! client's can become one there and be looked up among what is not granted. A cast to one gives a
//! number; where it is shown, the number is replaced by the name if the object is shown at all.

use pg_query::protobuf::{AConst, TypeCast, TypeName, a_const};
use pg_query::{Node, NodeEnum};

use crate::lookup::{identifiers, is_built_in, is_system_name, is_system_schema};
use crate::meaning::Meaning;
use crate::shown;
use crate::tree::{self, SYSTEM_SCHEMA};
use crate::walk::Walk;
use crate::{Refusal, analyse, types};

/// A type that looks names up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reg {
    Class,
    Type,
    Proc,
    Procedure,
    Oper,
    Operator,
    Namespace,
    Role,
    Collation,
    Config,
    Dictionary,
}

/// What a name that means nothing gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    Refused,
    Null,
}

impl Reg {
    pub(crate) fn of(type_name: &str) -> Option<Self> {
        Some(match type_name {
            "regclass" => Self::Class,
            "regtype" => Self::Type,
            "regproc" => Self::Proc,
            "regprocedure" => Self::Procedure,
            "regoper" => Self::Oper,
            "regoperator" => Self::Operator,
            "regnamespace" => Self::Namespace,
            "regrole" => Self::Role,
            "regcollation" => Self::Collation,
            "regconfig" => Self::Config,
            "regdictionary" => Self::Dictionary,
            _ => return None,
        })
    }

    /// What a cast names; nothing if it is an ordinary type.
    pub(crate) fn of_type(name: &TypeName) -> Option<Self> {
        let TypeName { names, setof, pct_type, typmods, array_bounds, .. } = name;
        if *setof || *pct_type || !typmods.is_empty() || !array_bounds.is_empty() {
            return None;
        }
        match tree::as_texts(names)?.as_slice() {
            [name] | [SYSTEM_SCHEMA, name] => Self::of(name),
            _ => None,
        }
    }

    pub(crate) fn type_name(self) -> &'static str {
        match self {
            Self::Class => "regclass",
            Self::Type => "regtype",
            Self::Proc => "regproc",
            Self::Procedure => "regprocedure",
            Self::Oper => "regoper",
            Self::Operator => "regoperator",
            Self::Namespace => "regnamespace",
            Self::Role => "regrole",
            Self::Collation => "regcollation",
            Self::Config => "regconfig",
            Self::Dictionary => "regdictionary",
        }
    }

    fn object(self) -> &'static str {
        match self {
            Self::Class => "relation",
            Self::Type => "type",
            Self::Proc | Self::Procedure => "function",
            Self::Oper | Self::Operator => "operator",
            Self::Namespace => "schema",
            Self::Role => "role",
            Self::Collation => "collation",
            Self::Config | Self::Dictionary => "text search object",
        }
    }
}

impl Walk<'_> {
    /// A cast to such a type: the number of what is meant.
    pub(crate) fn reg_cast(&mut self, reg: Reg, value: Node) -> Result<Node, Refusal> {
        self.number(reg, value, Missing::Refused)
    }

    /// The number of what a value, a name or a number, means.
    pub(crate) fn number(
        &mut self,
        reg: Reg,
        value: Node,
        missing: Missing,
    ) -> Result<Node, Refusal> {
        if !self.world.forwards {
            return Err(Refusal::data_type(reg.type_name()));
        }
        self.has_names = true;
        let text = match literal(&value) {
            Some(Literal::Text(text)) => self.literal_number(reg, &text, missing)?,
            Some(Literal::Null) => "NULL::pg_catalog.oid".to_owned(),
            None => {
                let is_number = matches!(self.meaning_of(&value), Meaning::Named(_));
                let checked = self.expr(value)?;
                let is_number = is_number || self.is_number(&checked);
                let written = analyse::expression_text(&checked)?;
                if is_number {
                    format!("({written})::pg_catalog.oid")
                } else {
                    self.looked_up(reg, &written)?
                }
            }
        };
        analyse::read_expression(&text).ok_or_else(Refusal::mismatch)
    }

    fn literal_number(
        &mut self,
        reg: Reg,
        text: &str,
        missing: Missing,
    ) -> Result<String, Refusal> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(format!("'{text}'::pg_catalog.oid"));
        }
        if text == "-" {
            return Ok("'0'::pg_catalog.oid".to_owned());
        }
        let refused = || Refusal::unknown_name(reg.object(), text);
        let parts = identifiers(text).unwrap_or_default();
        let parts = match parts.as_slice() {
            [database, rest @ ..] if rest.len() == 2 && *database == self.world.database => rest,
            all => all,
        };
        let sight = self.sight();
        let path = &self.world.search_path;
        let known = match reg {
            Reg::Class => self.system_oid(parts).or_else(|| sight.relation(path, parts)),
            Reg::Type if !is_built_in(parts) => sight.data_type(self.world, parts),
            Reg::Namespace => match parts {
                [name] => sight.schemas.get(name).copied(),
                _ => None,
            },
            Reg::Role => (*parts == [self.world.identity]).then_some(OWNER_OID),
            Reg::Type
            | Reg::Proc
            | Reg::Procedure
            | Reg::Oper
            | Reg::Operator
            | Reg::Collation
            | Reg::Config
            | Reg::Dictionary => None,
        };
        if let Some(oid) = known {
            return Ok(format!("'{oid}'::pg_catalog.oid"));
        }
        let is_left_to_target = match reg {
            Reg::Class | Reg::Role => false,
            Reg::Namespace => parts.len() == 1 && is_system_schema(parts),
            Reg::Type
            | Reg::Proc
            | Reg::Procedure
            | Reg::Oper
            | Reg::Operator
            | Reg::Collation
            | Reg::Config
            | Reg::Dictionary => is_system_name(text),
        };
        match (is_left_to_target, missing) {
            (true, Missing::Refused) => Ok(format!(
                "{}::pg_catalog.{}::pg_catalog.oid",
                shown::quoted(text),
                reg.type_name()
            )),
            (true, Missing::Null) => Ok(format!(
                "pg_catalog.to_{}({})::pg_catalog.oid",
                reg.type_name(),
                shown::quoted(text)
            )),
            (false, Missing::Null) => Ok("NULL::pg_catalog.oid".to_owned()),
            (false, Missing::Refused) => Err(refused()),
        }
    }

    /// A relation of PostgreSQL's own.
    fn system_oid(&self, parts: &[String]) -> Option<u32> {
        let relation = match parts {
            [name] => self.world.system_relation("", name),
            [schema, name] => self.world.system_relation(schema, name),
            _ => None,
        };
        relation.map(|relation| relation.oid)
    }

    /// True if a checked expression is known to be a number.
    pub(crate) fn is_number(&self, checked: &Node) -> bool {
        const NUMBERS: [u32; 4] = [20, 21, 23, types::OID_OID];
        self.known_type(checked).is_some_and(|oid| NUMBERS.contains(&oid))
    }
}

/// The owner of everything that is shown: the role that bears the identity's name.
pub(crate) const OWNER_OID: u32 = 10;

enum Literal {
    Text(String),
    Null,
}

fn literal(value: &Node) -> Option<Literal> {
    match &value.node {
        Some(NodeEnum::AConst(AConst { isnull, location: _, val })) => match val {
            Some(a_const::Val::Sval(text)) => Some(Literal::Text(text.sval.clone())),
            None if *isnull => Some(Literal::Null),
            Some(_) | None => None,
        },
        // `'x'::text::regclass`
        Some(NodeEnum::TypeCast(cast)) => {
            let TypeCast { arg, type_name, location: _ } = &**cast;
            let is_text = type_name.as_ref().is_some_and(is_text);
            arg.as_deref().filter(|_| is_text).and_then(literal)
        }
        Some(_) | None => None,
    }
}

/// True for the types of texts without a length.
pub(crate) fn is_text(name: &TypeName) -> bool {
    let is_plain = name.typmods.is_empty() && name.array_bounds.is_empty();
    is_plain && matches!(types::built_in(name), Some("text" | "varchar" | "name"))
}
