//! E-mail addresses, as they are written in practice: no quotes, no comments, no literal addresses.
//!
//! Source: RFC 5321 section 4.5.3.1 for the lengths; RFC 6531 for letters beyond ASCII.

use super::text::{Found, Text, is_word};

const LOCAL_BYTES_MAX: usize = 64;
const DOMAIN_BYTES_MAX: usize = 253;

pub(super) fn find(text: Text<'_>, found: Found<'_>) {
    for at in 0..text.len() {
        if text.at(at) == Some(b'@')
            && let Some((start, end)) = address_around(text, at)
        {
            found(start, end);
        }
    }
}

fn address_around(text: Text<'_>, at: usize) -> Option<(usize, usize)> {
    let is_local = |byte: u8| is_word(byte) || b".!#$%&'*+/=?^_`{|}~-".contains(&byte);
    let mut start = at.saturating_sub(text.run_back(at, LOCAL_BYTES_MAX, is_local));
    // What begins a quotation or a list is no part of the name.
    while start < at && !text.is_word(start) && text.at(start) != Some(b'_') {
        start = start.saturating_add(1);
    }
    if start == at || text.before(at) == Some(b'.') {
        return None;
    }
    let domain = at.saturating_add(1);
    let is_domain = |byte: u8| is_word(byte) || matches!(byte, b'.' | b'-');
    let mut end = domain.saturating_add(text.run(domain, DOMAIN_BYTES_MAX, is_domain));
    while end > domain && matches!(text.before(end), Some(b'.' | b'-')) {
        end = end.saturating_sub(1);
    }
    let labels: Vec<&[u8]> = text.part(domain, end).split(|byte| *byte == b'.').collect();
    let (top, rest) = labels.split_last()?;
    let is_top = top.len() >= 2 && !top.iter().all(u8::is_ascii_digit);
    let has_names = !rest.is_empty() && rest.iter().all(|label| !label.is_empty());
    (is_top && has_names).then_some((start, end))
}
