//! Tests of the analysis through its public face, against the catalog of the attack corpus.

#![expect(clippy::expect_used, reason = "a test may stop")]
#![expect(clippy::print_stdout, reason = "the counts are a result of the tests")]

mod common;
mod corpus;
mod facts;
mod mutations;
mod raw;
