//! Names for what is refused, so that records and clients say more than "no".

use pg_query::NodeEnum;

use crate::Refusal;

/// The refusal for a statement or an expression that the walk does not know.
#[expect(clippy::wildcard_enum_match_arm, reason = "everything that is not named is refused alike")]
pub(crate) fn unsupported(node: &NodeEnum) -> Refusal {
    let later = Refusal::later;
    let never = |code, what: &str| Refusal::never(code, format!("{what} is not allowed"));
    match node {
        NodeEnum::CopyStmt(_) => later("not_supported_copy", "COPY at this place"),
        NodeEnum::ExplainStmt(_) => never("explain_not_allowed", "EXPLAIN here"),
        NodeEnum::ListenStmt(_) | NodeEnum::UnlistenStmt(_) | NodeEnum::NotifyStmt(_) => {
            later("not_supported_notify", "LISTEN or NOTIFY here")
        }
        NodeEnum::DoStmt(_) => never("code_not_allowed", "DO"),
        NodeEnum::XmlExpr(_) | NodeEnum::XmlSerialize(_) | NodeEnum::RangeTableFunc(_) => {
            never("xml_not_allowed", "XML")
        }
        NodeEnum::SetToDefault(default) => {
            Refusal::syntax("DEFAULT is not allowed in this context").at(default.location)
        }
        NodeEnum::CurrentOfExpr(_) => later("not_supported_cursor", "CURRENT OF here"),
        other => administration(other),
    }
}

/// What changes the target itself rather than its rows.
#[expect(clippy::wildcard_enum_match_arm, reason = "everything that is not named is refused alike")]
fn administration(node: &NodeEnum) -> Refusal {
    let never = |code, what: &str| Refusal::never(code, format!("{what} is not allowed"));
    match node {
        NodeEnum::CreateStmt(_)
        | NodeEnum::CreateTableAsStmt(_)
        | NodeEnum::ViewStmt(_)
        | NodeEnum::RuleStmt(_)
        | NodeEnum::CreateFunctionStmt(_)
        | NodeEnum::CreateTrigStmt(_)
        | NodeEnum::CreateSchemaStmt(_)
        | NodeEnum::CreateDomainStmt(_)
        | NodeEnum::CreateEnumStmt(_)
        | NodeEnum::CreateExtensionStmt(_)
        | NodeEnum::CreateCastStmt(_)
        | NodeEnum::CreateSeqStmt(_)
        | NodeEnum::DefineStmt(_)
        | NodeEnum::IndexStmt(_)
        | NodeEnum::AlterTableStmt(_)
        | NodeEnum::RenameStmt(_)
        | NodeEnum::DropStmt(_)
        | NodeEnum::CommentStmt(_)
        | NodeEnum::RefreshMatViewStmt(_) => {
            never("definition_not_allowed", "a change of definitions")
        }
        NodeEnum::GrantStmt(_)
        | NodeEnum::GrantRoleStmt(_)
        | NodeEnum::CreateRoleStmt(_)
        | NodeEnum::AlterRoleStmt(_)
        | NodeEnum::AlterRoleSetStmt(_)
        | NodeEnum::DropRoleStmt(_)
        | NodeEnum::AlterDatabaseSetStmt(_)
        | NodeEnum::AlterSystemStmt(_) => never("administration_not_allowed", "administration"),
        _ => Refusal::later("not_supported_statement", "this kind of statement or expression"),
    }
}
