//! PostgreSQL's MD5 password answer, for targets that still ask for it.

use md5::{Digest, Md5};

/// Returns the answer to `AuthenticationMD5Password`:
/// `md5` and the hexadecimal MD5 of (hexadecimal MD5 of password and user) and salt.
///
/// For the target's side only, and there only where the settings allow a weak password. MD5 guards
/// nothing of Countersign's own.
///
/// Source: PostgreSQL manual, "Message Flow", `AuthenticationMD5Password`.
pub fn md5_password(user: &str, password: &str, salt: [u8; 4]) -> String {
    let inner = hex_md5(&[password.as_bytes(), user.as_bytes()]);
    format!("md5{}", hex_md5(&[inner.as_bytes(), &salt]))
}

fn hex_md5(parts: &[&[u8]]) -> String {
    let mut hasher = Md5::new();
    for part in parts {
        hasher.update(part);
    }
    hex::encode(hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_what_postgresql_computes() {
        // Checked against Python's hashlib.
        let answer = md5_password("svc", "secret", [1, 2, 3, 4]);
        assert_eq!(answer, "md518681c010dc8cfdc87c519c86b5e4024");
    }
}
