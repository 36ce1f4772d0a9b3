//! A text as its detectors read it: bytes, with nothing beyond its ends.

/// How far before a number a word may stand that says what the number is.
const CONTEXT_BYTES_MAX: usize = 40;

/// Bytes of a character in UTF-8.
const CHARACTER_BYTES_MAX: usize = 4;

/// A text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'a>(&'a [u8]);

/// Takes a finding: where it begins, and where it has ended.
pub(super) type Found<'a> = &'a mut dyn FnMut(usize, usize);

impl<'a> Text<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn len(self) -> usize {
        self.0.len()
    }

    pub(super) fn at(self, place: usize) -> Option<u8> {
        self.0.get(place).copied()
    }

    /// The byte before a place.
    pub(super) fn before(self, place: usize) -> Option<u8> {
        self.at(place.checked_sub(1)?)
    }

    pub(super) fn part(self, start: usize, end: usize) -> &'a [u8] {
        self.0.get(start..end.min(self.0.len())).unwrap_or_default()
    }

    pub(super) fn is_digit(self, place: usize) -> bool {
        self.at(place).is_some_and(|byte| byte.is_ascii_digit())
    }

    /// True if a word goes on here: a letter, a digit, or a part of a letter beyond ASCII. Blanks,
    /// dashes, quotation marks and symbols beyond ASCII end a word like those within.
    pub(super) fn is_word(self, place: usize) -> bool {
        match self.at(place) {
            None => false,
            Some(byte) if byte.is_ascii() => is_word(byte),
            Some(_) => self.character(place).is_none_or(char::is_alphanumeric),
        }
    }

    /// The character of which a byte is a part.
    fn character(self, place: usize) -> Option<char> {
        let is_inner = |byte: u8| byte & 0xc0 == 0x80;
        let inner = self.run_back(place.saturating_add(1), CHARACTER_BYTES_MAX, is_inner);
        let start = place.saturating_sub(inner);
        let bytes = self.part(start, start.saturating_add(CHARACTER_BYTES_MAX));
        bytes.utf8_chunks().next()?.valid().chars().next()
    }

    /// How many bytes from a place on are of a kind, at most `max`.
    pub(super) fn run(self, place: usize, max: usize, of: impl Fn(u8) -> bool) -> usize {
        self.part(place, place.saturating_add(max)).iter().take_while(|byte| of(**byte)).count()
    }

    /// How many bytes before a place are of a kind, at most `max`.
    pub(super) fn run_back(self, place: usize, max: usize, of: impl Fn(u8) -> bool) -> usize {
        let part = self.part(place.saturating_sub(max), place);
        part.iter().rev().take_while(|byte| of(**byte)).count()
    }

    /// True if a number may begin here: no word, decimal point or longer number is before it.
    pub(super) fn may_begin_number(self, place: usize) -> bool {
        match self.before(place) {
            None => true,
            Some(b'.' | b',' | b'-' | b'_') => {
                !place.checked_sub(2).is_some_and(|before| self.is_digit(before))
            }
            Some(_) => !self.is_word(place.saturating_sub(1)),
        }
    }

    /// True if a number may have ended before this place.
    pub(super) fn may_end_number(self, place: usize) -> bool {
        match self.at(place) {
            None => true,
            Some(b'.' | b',' | b'-' | b':' | b'/') => !self.is_digit(place.saturating_add(1)),
            Some(b'_') => false,
            Some(_) => !self.is_word(place),
        }
    }

    /// True if one of the words, in lower case, stands shortly before a place.
    pub(super) fn is_about(self, place: usize, words: &[&str]) -> bool {
        let window = self.part(place.saturating_sub(CONTEXT_BYTES_MAX), place);
        let window = window.to_ascii_lowercase();
        words.iter().any(|word| {
            let places = window.windows(word.len());
            places.enumerate().any(|(start, part)| {
                let is_start = start.checked_sub(1).and_then(|before| window.get(before));
                part == word.as_bytes() && !is_start.is_some_and(u8::is_ascii_alphabetic)
            })
        })
    }

    /// True if the text goes on with these bytes here.
    pub(super) fn has(self, place: usize, bytes: &[u8]) -> bool {
        self.part(place, place.saturating_add(bytes.len())) == bytes
    }
}

pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii()
}
