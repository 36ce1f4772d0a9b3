//! Tests of the analysis through its public face, against the catalog of the attack corpus.

#![expect(clippy::expect_used, clippy::panic, reason = "a test may stop")]
#![expect(clippy::indexing_slicing, clippy::string_slice, reason = "a test may stop")]
#![expect(clippy::arithmetic_side_effects, reason = "numbers in tests are small")]
#![expect(clippy::print_stdout, reason = "the counts are a result of the tests")]

mod catalogs;
mod channels;
mod common;
mod conversions;
mod copies;
mod corpus;
mod facts;
mod grammar;
mod holes;
mod introspection;
mod mutations;
mod named;
mod placeholders;
mod plans;
mod raw;
mod scripts;
mod work;
