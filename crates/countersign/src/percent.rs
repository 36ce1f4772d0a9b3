//! Text as a part of a URL (RFC 3986 section 2).

/// Encodes every byte that is not an unreserved character.
pub(crate) fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_would_read_otherwise_is_encoded() {
        assert_eq!(encode("cst_aZ0-._~"), "cst_aZ0-._~");
        assert_eq!(encode("a@b:c/d?e ü"), "a%40b%3Ac%2Fd%3Fe%20%C3%BC");
    }
}
