//! The types that a cast or a parameter may have: reading a value of them runs no code but
//! PostgreSQL's own, and names no object of the target.
//!
//! Not allowed: `reg…` types (they look names up), XML, pseudo-types, domains (their checks run
//! code of the target), composites, and types of extensions.

use pg_query::Node;
use pg_query::NodeEnum;
use pg_query::protobuf::{Integer, TypeName, a_const};

use crate::catalog_call::INFORMATION_SCHEMA;
use crate::tree::{self, NOWHERE, SYSTEM_SCHEMA};
use crate::world::World;
use crate::{Catalog, Refusal, Request};

/// The OID of the type of literals that have none yet. Drivers send it for a text.
const UNKNOWN_OID: u32 = 705;

/// Most dimensions of an array type (PostgreSQL, `MAXDIM`).
const DIMENSIONS_MAX: usize = 6;

/// Name, OID, OID of its array type (PostgreSQL, `pg_type.dat`).
#[rustfmt::skip]
const BUILT_IN: [(&str, u32, u32); 57] = [
    ("bool", 16, 1000), ("bytea", 17, 1001), ("char", 18, 1002), ("name", 19, 1003),
    ("int8", 20, 1016), ("int2", 21, 1005), ("int4", 23, 1007), ("text", 25, 1009),
    ("oid", 26, 1028), ("json", 114, 199), ("point", 600, 1017), ("lseg", 601, 1018),
    ("path", 602, 1019), ("box", 603, 1020), ("polygon", 604, 1027), ("line", 628, 629),
    ("cidr", 650, 651), ("float4", 700, 1021), ("float8", 701, 1022), ("circle", 718, 719),
    ("macaddr8", 774, 775), ("money", 790, 791), ("macaddr", 829, 1040), ("inet", 869, 1041),
    ("bpchar", 1042, 1014), ("varchar", 1043, 1015), ("date", 1082, 1182), ("time", 1083, 1183),
    ("timestamp", 1114, 1115), ("timestamptz", 1184, 1185), ("interval", 1186, 1187),
    ("timetz", 1266, 1270), ("bit", 1560, 1561), ("varbit", 1562, 1563), ("numeric", 1700, 1231),
    ("int2vector", 22, 1006), ("oidvector", 30, 1013),
    ("uuid", 2950, 2951), ("tsvector", 3614, 3643), ("tsquery", 3615, 3645),
    ("jsonb", 3802, 3807), ("jsonpath", 4072, 4073), ("int4range", 3904, 3905),
    ("numrange", 3906, 3907), ("daterange", 3912, 3913), ("tstzrange", 3910, 3911),
    ("tsrange", 3908, 3909), ("int8range", 3926, 3927), ("int4multirange", 4451, 6150),
    ("nummultirange", 4532, 6151), ("tsmultirange", 4533, 6152), ("tstzmultirange", 4534, 6153),
    ("datemultirange", 4535, 6155), ("int8multirange", 4536, 6157), ("pg_lsn", 3220, 3221),
    ("xid", 28, 1011), ("xid8", 5069, 271),
];

/// The domains of `information_schema`. Their checks are PostgreSQL's own.
const DOMAINS: [&str; 5] =
    ["sql_identifier", "cardinal_number", "character_data", "yes_or_no", "time_stamp"];

/// True if a parameter may have this type: reading a value of it runs no code of the target's. A
/// type of the target's must be one that the grants show.
///
/// Zero, the unspecified type, is allowed: the target then infers the type.
pub fn parameter_type_allowed(request: &Request<'_>, oid: u32) -> bool {
    is_built_in(oid) || is_parameter_type(&World::new(request), oid)
}

/// As [`parameter_type_allowed`].
pub(crate) fn is_parameter_type(world: &World<'_>, oid: u32) -> bool {
    let catalog = world.catalog;
    let is_usable = catalog.domains.values().any(|domain| domain.oid == oid)
        || (catalog.enum_oids.contains(&oid) && !converts(catalog, oid));
    is_built_in(oid) || (is_usable && world.sees_type(oid))
}

/// True for the types of PostgreSQL's own that need no look at the target: they read a value without
/// its help.
pub(crate) fn is_built_in(oid: u32) -> bool {
    let is_it = |(_, scalar, array): &(&str, u32, u32)| *scalar == oid || *array == oid;
    oid == 0 || oid == UNKNOWN_OID || BUILT_IN.iter().any(is_it)
}

/// True if the target has a conversion from the type, or from its elements, of its own.
fn converts(catalog: &Catalog, oid: u32) -> bool {
    let element = catalog.elements.get(&oid).copied().unwrap_or(oid);
    catalog.casts.iter().any(|cast| cast.source == oid || cast.source == element)
}

/// Checks a type name and writes it qualified.
pub(crate) fn type_name(world: &World<'_>, name: TypeName) -> Result<TypeName, Refusal> {
    let TypeName { names, type_oid, setof, pct_type, typmods, typemod, array_bounds, location: _ } =
        name;
    let written = tree::as_texts(&names).ok_or_else(|| Refusal::data_type("name"))?;
    let shown = written.join(".");
    if type_oid != 0 || setof || pct_type || typemod != -1 || array_bounds.len() > DIMENSIONS_MAX {
        return Err(Refusal::data_type(&shown));
    }
    let names = resolve(world, &written).ok_or_else(|| Refusal::data_type(&shown))?;
    if is_domain(world.catalog, &names) && !array_bounds.is_empty() {
        return Err(Refusal::data_type(&shown));
    }
    if !typmods.iter().all(|modifier| tree::as_integer(modifier).is_some()) {
        return Err(Refusal::data_type(&shown));
    }
    let typmods = typmods.iter().filter_map(tree::as_integer).map(tree::integer).collect();
    let array_bounds = array_bounds
        .iter()
        .map(bound)
        .collect::<Option<_>>()
        .ok_or_else(|| Refusal::data_type(&shown))?;
    Ok(TypeName {
        names,
        type_oid: 0,
        setof: false,
        pct_type: false,
        typmods,
        typemod: -1,
        array_bounds,
        location: NOWHERE,
    })
}

/// True for the qualified name of a domain that may be cast to.
fn is_domain(catalog: &Catalog, names: &[Node]) -> bool {
    match tree::as_texts(names).as_deref() {
        Some([schema, name]) => {
            catalog.domains.contains_key(&((*schema).to_owned(), (*name).to_owned()))
        }
        Some(_) | None => false,
    }
}

/// Spells `'t'::bool` as `'true'::bool`: the short form is written out as the keyword `true`, which
/// is another tree.
pub(crate) fn spell_out_truth(name: &TypeName, arg: &mut Node) {
    let is_bool = name.array_bounds.is_empty()
        && tree::as_texts(&name.names).is_some_and(|names| names == [SYSTEM_SCHEMA, "bool"]);
    let Some(NodeEnum::AConst(constant)) = &mut arg.node else { return };
    if let (true, Some(a_const::Val::Sval(text))) = (is_bool, &mut constant.val) {
        match text.sval.as_str() {
            "t" => "true".clone_into(&mut text.sval),
            "f" => "false".clone_into(&mut text.sval),
            _ => {}
        }
    }
}

/// Refuses to compute with a column of the target's whose type looks names up, or with privileges:
/// a text or number of the client's could become one and be looked up.
///
/// # Errors
///
/// [`Refusal`] for such a type.
pub(crate) fn check_computable(value: &crate::scope::Value) -> Result<(), Refusal> {
    match value.exact_type {
        Some(oid) if LOOKS_UP.contains(&oid) => Err(Refusal::never(
            "type_not_computable",
            "a column of a type that looks names up may be selected, not computed with",
        )),
        Some(_) | None => Ok(()),
    }
}

/// `regproc` to `regrole` and `aclitem` with their arrays (PostgreSQL, `pg_type.dat`).
#[rustfmt::skip]
const LOOKS_UP: [u32; 24] = [
    24, 1008, 2202, 2207, 2203, 2208, 2204, 2209, 2205, 2210, 2206, 2211, 3734, 3735, 3769, 3770,
    4089, 4090, 4096, 4097, 4191, 4192, 1033, 1034,
];

/// The OID of the type of OIDs.
pub(crate) const OID_OID: u32 = 26;

/// The type of OIDs.
pub(crate) fn oid_type() -> mask::ColumnType {
    mask::ColumnType {
        oid: OID_OID,
        schema: SYSTEM_SCHEMA.to_owned(),
        name: "oid".to_owned(),
        is_array: false,
        modifier: -1,
    }
}

/// The OID of a type without modifiers that is PostgreSQL's own.
pub(crate) fn built_in_oid(name: &str) -> Option<u32> {
    BUILT_IN.iter().find(|(built_in, _, _)| *built_in == name).map(|(_, oid, _)| *oid)
}

/// The OID of a checked type name.
pub(crate) fn oid(catalog: &Catalog, name: &TypeName) -> Option<u32> {
    let is_array = !name.array_bounds.is_empty();
    if let [schema, name] = *tree::as_texts(&name.names)?.as_slice()
        && let Some(domain) = catalog.domains.get(&(schema.to_owned(), name.to_owned()))
    {
        // A cast to a domain is one to its base; its checks are known to be harmless.
        return Some(domain.base);
    }
    let (scalar, array) = match *tree::as_texts(&name.names)?.as_slice() {
        [SYSTEM_SCHEMA, built_in] => {
            let (_, scalar, array) = BUILT_IN.iter().find(|(name, _, _)| *name == built_in)?;
            (*scalar, Some(*array))
        }
        [schema, name] => {
            let scalar = *catalog.enums.get(&(schema.to_owned(), name.to_owned()))?;
            let array = catalog.elements.iter().find(|(_, element)| **element == scalar);
            (scalar, array.map(|(oid, _)| *oid))
        }
        _ => return None,
    };
    if is_array { array } else { Some(scalar) }
}

/// The name of a type that is PostgreSQL's own, as written.
pub(crate) fn built_in(name: &TypeName) -> Option<&str> {
    match tree::as_texts(&name.names)?.as_slice() {
        [name] | [SYSTEM_SCHEMA, name] => built_in_oid(name).map(|_| *name),
        _ => None,
    }
}

/// `pg_catalog` is searched first, as PostgreSQL does unless the search path says otherwise.
fn resolve(world: &World<'_>, written: &[&str]) -> Option<Vec<Node>> {
    let user = |schema: &str, name: &str| {
        let key = (schema.to_owned(), name.to_owned());
        let of_enum = world.catalog.enums.get(&key).copied();
        let oid = of_enum.or_else(|| world.catalog.domains.get(&key).map(|found| found.oid))?;
        // One that no grant shows reads as if it were not there.
        world.sees_type(oid).then(|| tree::names([schema, name]))
    };
    match *written {
        [name] if built_in_oid(name).is_some() => Some(tree::system_name(name)),
        [name] => world.search_path.iter().find_map(|schema| user(schema, name)),
        [SYSTEM_SCHEMA, name] => built_in_oid(name).map(|_| tree::system_name(name)),
        [INFORMATION_SCHEMA, name] if DOMAINS.contains(&name) => {
            Some(tree::names([INFORMATION_SCHEMA, name]))
        }
        [schema, name] => user(schema, name),
        _ => None,
    }
}

fn bound(item: &Node) -> Option<Node> {
    match &item.node {
        Some(NodeEnum::Integer(Integer { ival })) => {
            Some(tree::node(NodeEnum::Integer(Integer { ival: *ival })))
        }
        Some(_) | None => None,
    }
}
