//! Enumerations: states with names, in Rust, waves and Verilog alike.

/// Names of an enumeration and of its states.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct StateInfo {
    /// Name of the enumeration.
    pub name: &'static str,
    /// Names of its states; a state's encoding is its index.
    pub states: &'static [&'static str],
}

impl StateInfo {
    /// Bits of an encoded state.
    #[must_use]
    pub fn width(&self) -> u32 {
        crate::bits_for(self.states.len() as u64)
    }
}

/// A Rust enumeration whose states a circuit can hold; made by [`crate::states!`].
pub trait States: Copy + 'static {
    /// Names.
    const INFO: &'static StateInfo;
    /// All states, in the order of their encoding.
    const ALL: &'static [Self];
    /// Encoding of a state.
    fn index(self) -> u64;
}

/// Declares an enumeration of states.
///
/// ```
/// rtl::states! {
///     /// What the loader does.
///     pub enum Phase {
///         /// Waits.
///         Idle,
///         /// Copies.
///         Copy,
///     }
/// }
/// use rtl::States;
/// assert_eq!(Phase::INFO.states, ["Idle", "Copy"]);
/// assert_eq!(Phase::Copy.index(), 1);
/// ```
#[macro_export]
macro_rules! states {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$state_meta:meta])* $state:ident),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        $vis enum $name { $($(#[$state_meta])* $state),+ }

        impl $crate::States for $name {
            const INFO: &'static $crate::StateInfo = &$crate::StateInfo {
                name: stringify!($name),
                states: &[$(stringify!($state)),+],
            };
            const ALL: &'static [Self] = &[$(Self::$state),+];
            fn index(self) -> u64 {
                self as u64
            }
        }
    };
}
