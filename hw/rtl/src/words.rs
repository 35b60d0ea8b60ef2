//! The words of a memory in simulation, each in the smallest machine word that holds it.

/// Words of up to 8, 16, 32 or 64 bits.
#[derive(Debug, Clone)]
pub(crate) enum Words {
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
    U64(Vec<u64>),
}

/// The same expression for each size.
macro_rules! each {
    ($words:expr, $vector:ident => $body:expr) => {
        match $words {
            Words::U8($vector) => $body,
            Words::U16($vector) => $body,
            Words::U32($vector) => $body,
            Words::U64($vector) => $body,
        }
    };
}

impl Words {
    /// Zeros. The pages of a large memory are not touched before they are used.
    pub fn new(words: u64, bits: u32) -> Self {
        let n = words as usize;
        match bits {
            0..=8 => Self::U8(vec![0; n]),
            9..=16 => Self::U16(vec![0; n]),
            17..=32 => Self::U32(vec![0; n]),
            _ => Self::U64(vec![0; n]),
        }
    }

    #[allow(clippy::unnecessary_cast)]
    pub fn get(&self, address: u64) -> u64 {
        each!(self, v => v[address as usize] as u64)
    }

    pub fn set(&mut self, address: u64, word: u64) {
        each!(self, v => v[address as usize] = word as _);
    }

    /// Sets the first words; the rest becomes zero.
    pub fn load(&mut self, words: &[u64]) {
        each!(self, v => {
            for (to, &from) in v.iter_mut().zip(words) {
                *to = from as _;
            }
            v[words.len()..].fill(0);
        });
    }
}
