//! The SQLSTATEs that PostgreSQL defines, and words of our own for what may not be quoted.
//!
//! Source: PostgreSQL manual, Appendix A.

/// Interns the code: what a target could put there is five characters of its own choice, for
/// example by RAISE in a trigger, so only codes that PostgreSQL itself defines pass.
pub(super) fn known(sqlstate: &str) -> &'static str {
    let known = SQLSTATES.iter().find(|known| **known == sqlstate);
    known.copied().unwrap_or("XX000")
}

/// PostgreSQL manual, Appendix A: the codes that a target may report.
#[rustfmt::skip]
const SQLSTATES: &[&str] = &[
    "08000", "08003", "08006", "08001", "08004", "08P01", "0A000", "0B000", "21000",
    "22000", "2202E", "22021", "22008", "22012", "22005", "2200B", "22022", "22015", "2201E",
    "22014", "22016", "2201F", "2201G", "22018", "22007", "22019", "2200D", "22025", "22P06",
    "22010", "22023", "22013", "2201B", "2201W", "2201X", "2202H", "2202G", "22009", "2200C",
    "2200G", "22004", "22002", "22003", "2200H", "22026", "22001", "22011", "22027", "22024",
    "2200F", "22P01", "22P02", "22P03", "22P04", "22P05", "2200L", "2200M", "2200N", "2200S",
    "2200T", "22030", "22031", "22032", "22033", "22034", "22035", "22036", "22037", "22038",
    "22039", "2203A", "2203B", "2203C", "2203D", "2203E", "2203F", "2203G",
    "23000", "23001", "23502", "23503", "23505", "23514", "23P01", "24000",
    "25000", "25001", "25002", "25008", "25003", "25004", "25005", "25006", "25007", "25P01",
    "25P02", "25P03", "25P04", "26000", "27000", "28000", "2B000", "2BP01", "2D000", "2F000",
    "34000", "38000", "39000", "3B000", "3B001", "3D000", "3F000",
    "40000", "40002", "40001", "40003", "40P01",
    "42000", "42601", "42501", "42846", "42803", "42P20", "42P19", "42830", "42602", "42622",
    "42939", "42804", "42P18", "42P21", "42P22", "42809", "428C9", "42703", "42883", "42P01",
    "42P02", "42704", "42701", "42P03", "42P04", "42723", "42P05", "42P06", "42P07", "42712",
    "42710", "42702", "42725", "42P08", "42P09", "42P10", "42611", "42P11", "42P12", "42P13",
    "42P14", "42P15", "42P16", "42P17", "44000",
    "53000", "53100", "53200", "53300", "53400", "54000", "54001", "54011", "54023",
    "55000", "55006", "55P02", "55P03", "55P04", "57000", "57014", "57P01", "57P02", "57P03",
    "57P04", "57P05", "58000", "58030", "58P01", "58P02", "72000", "F0000", "F0001", "HV000",
    "P0000", "P0001", "P0002", "P0003", "P0004", "XX000", "XX001", "XX002",
];

/// Words of our own for what may not be quoted (PostgreSQL manual, Appendix A, in short).
pub(super) fn canonical(sqlstate: &str) -> &'static str {
    match sqlstate {
        "0A000" => "the target does not support this",
        "22001" => "a value is too long for its type",
        "22003" => "a number is out of range",
        "22007" | "22008" => "a date or time is not valid",
        "22012" => "division by zero",
        "22P02" => "a value does not have the form of its type",
        "23502" => "a column that must have a value has none",
        "23503" => "a foreign key constraint is violated",
        "23505" => "duplicate key value violates a unique constraint",
        "23514" => "a check constraint is violated",
        "23P01" => "an exclusion constraint is violated",
        "25006" => "cannot write in a read-only transaction",
        "25P02" => {
            "current transaction is aborted, commands ignored until end of transaction block"
        }
        "25P03" => "the transaction was idle for too long",
        "40001" => "could not serialize access due to concurrent transactions",
        "40P01" => "deadlock detected",
        "42501" => "the target's own rights or policies do not allow this",
        "55P03" => "a lock could not be had",
        "57014" => "canceling statement due to a request or a timeout",
        "57P01" => "terminating connection due to administrator command",
        "P0001" => "the target raised an error (its text is withheld)",
        _ => "the target refused the command (its text is withheld)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_postgresql_does_not_define_carries_nothing() {
        assert_eq!(known("23505"), "23505");
        assert_eq!(known("A1B2C"), "XX000");
    }
}
