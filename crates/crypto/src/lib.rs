//! The only user of aws-lc-rs: hashes, MACs, signatures, SCRAM's keys, random bits.
//!
//! **Boundary:** functions over bytes. No protocol text, no file, no clock; the operating system's
//! random source is the one thing outside that is read.
//!
//! **Invariant:** every cryptographic operation of the gateway itself passes through here, so that
//! the claim "all of it runs on AWS-LC" can be checked in one place. The one exception is MD5, which
//! AWS-LC's Rust interface rightly does not offer: see [`md5_password`].
//!
//! **Invariant:** secrets are compared in constant time, and no `Debug` or error shows one.

mod hash;
mod md5;
mod random;
pub mod scram;
pub mod sign;

pub use hash::{Sha256, constant_time_eq, hmac_sha256, pbkdf2_sha256, sha256, sha384, sha512};
pub use md5::md5_password;
pub use random::{random, random_u64};
