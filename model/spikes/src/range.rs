use crate::error::Error;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// Which samples: `all`, `N` (the one of index N), or `A..B` (half-open).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SampleRange {
    /// Every one.
    #[default]
    All,
    /// One, by index.
    One(usize),
    /// From the first to before the second.
    Between(usize, usize),
}

impl SampleRange {
    /// The indices, for a file of `len` samples.
    ///
    /// # Errors
    /// [`Error::Range`] where it reaches past the end, [`Error::Empty`] where there is nothing to take.
    pub fn resolve(self, len: usize) -> Result<Range<usize>, Error> {
        let range = match self {
            Self::All => 0..len,
            Self::One(i) => i..i + 1,
            Self::Between(a, b) => a..b,
        };
        if len == 0 {
            return Err(Error::Empty);
        }
        if range.end > len {
            return Err(Error::Range { range: self.to_string(), len });
        }
        Ok(range)
    }
}

impl fmt::Display for SampleRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::One(i) => write!(f, "{i}"),
            Self::Between(a, b) => write!(f, "{a}..{b}"),
        }
    }
}

impl FromStr for SampleRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}`: write `all`, an index like 7, or a half-open range like 0..8");
        let number = |s: &str| s.parse::<u32>().map(|n| n as usize).map_err(|_| wrong());
        match text.split_once("..") {
            _ if text == "all" => Ok(Self::All),
            None => Ok(Self::One(number(text)?)),
            Some((a, b)) => {
                let (a, b) = (number(a)?, number(b)?);
                if a < b { Ok(Self::Between(a, b)) } else { Err(wrong()) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_written_alike() {
        for (text, range) in [("all", 0..9), ("3", 3..4), ("2..5", 2..5)] {
            let parsed: SampleRange = text.parse().expect("valid");
            assert_eq!(parsed.resolve(9).expect("within"), range);
            assert_eq!(parsed.to_string(), text);
        }
        for text in ["", "5..5", "6..2", "..", "-1", "1..x", "99999999999999999999"] {
            assert!(text.parse::<SampleRange>().is_err(), "{text}");
        }
        assert!(SampleRange::One(9).resolve(9).is_err());
        assert!(SampleRange::All.resolve(0).is_err(), "of nothing there is no sample");
    }
}
