//! Numbers by their digits, so that `0`, `0.00` and `0e3` are the same.

/// A number: its sign, its digits without zeros at either end, and the power of ten of the last one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    is_negative: bool,
    digits: Vec<u8>,
    exponent: i64,
}

impl Decimal {
    fn new(is_negative: bool, digits: &[u8], exponent: i64) -> Self {
        let start = digits.iter().position(|digit| *digit != 0).unwrap_or(digits.len());
        let mut digits = digits.get(start..).unwrap_or_default().to_vec();
        let mut exponent = exponent;
        while digits.last() == Some(&0) {
            digits.pop();
            exponent = exponent.saturating_add(1);
        }
        if digits.is_empty() {
            return Self { is_negative: false, digits, exponent: 0 };
        }
        Self { is_negative, digits, exponent }
    }

    /// A number as PostgreSQL reads it: blanks around, a sign, digits, a point, an exponent.
    pub(super) fn of_text(text: &[u8]) -> Option<Self> {
        let text = text.trim_ascii();
        let (is_negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] | rest => (false, rest),
        };
        let (mantissa, exponent) = match text.iter().position(|b| matches!(b, b'e' | b'E')) {
            Some(place) => {
                let (mantissa, exponent) = text.split_at(place);
                let exponent = std::str::from_utf8(exponent.get(1..)?).ok()?;
                (mantissa, exponent.parse::<i64>().ok()?)
            }
            None => (text, 0),
        };
        let mut digits = Vec::with_capacity(mantissa.len());
        let mut behind_point = None;
        for byte in mantissa {
            match byte {
                b'0'..=b'9' => {
                    digits.push(byte.saturating_sub(b'0'));
                    behind_point = behind_point.map(|count: i64| count.saturating_add(1));
                }
                b'.' if behind_point.is_none() => behind_point = Some(0),
                // Digits may be grouped by `_` since PostgreSQL 16.
                b'_' if !digits.is_empty() => {}
                _ => return None,
            }
        }
        if digits.is_empty() {
            return None;
        }
        let exponent = exponent.saturating_sub(behind_point.unwrap_or(0));
        Some(Self::new(is_negative, &digits, exponent))
    }

    /// A number with its point moved to the left.
    pub(super) fn shifted(self, places: i64) -> Self {
        let exponent =
            if self.digits.is_empty() { 0 } else { self.exponent.saturating_sub(places) };
        Self { exponent, ..self }
    }

    /// `numeric` in binary form.
    ///
    /// Source: `numeric_recv` in PostgreSQL's `numeric.c`: digits of base 10,000.
    pub(super) fn of_numeric(value: &[u8]) -> Option<Self> {
        let mut words =
            value.chunks(2).map(|word| <[u8; 2]>::try_from(word).ok().map(u16::from_be_bytes));
        let count = words.next()??;
        let weight = i64::from(words.next()??.cast_signed());
        let sign = words.next()??;
        let _display_scale = words.next()??;
        let mut digits = Vec::new();
        for group in words {
            let group = group?;
            let four = format!("{group:04}");
            digits.extend(four.bytes().map(|digit| digit.saturating_sub(b'0')));
        }
        let is_whole = usize::from(count).checked_mul(4) == Some(digits.len());
        let is_negative = match sign {
            0 => false,
            0x4000 => true,
            _ => return None,
        };
        let last = weight.saturating_sub(i64::from(count)).saturating_add(1);
        is_whole.then(|| Self::new(is_negative, &digits, last.saturating_mul(4)))
    }
}
