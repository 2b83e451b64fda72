//! Enums whose values are words: each value is written once.

use core::fmt;

/// An enum whose values are words.
pub trait Word: Copy + fmt::Display + 'static {
    /// The words, in the order of the values.
    const NAMES: &'static [&'static str];
    /// What is expected in place of another word, for messages.
    const EXPECTED: &'static str;

    /// The value that a word stands for.
    fn named(word: &str) -> Option<Self>;
}

/// Declares an enum whose values are words, with `ALL`, `COUNT`, `name`, `Display` and [`Word`].
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$value_meta:meta])* $value:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$value_meta])* $value),+ }

        impl $name {
            /// How many values there are.
            pub const COUNT: usize = [$($word),+].len();

            /// Every value, in the order of declaration.
            pub const ALL: [$name; $name::COUNT] = [$($name::$value),+];

            /// The value as a word.
            pub const fn name(self) -> &'static str {
                match self { $($name::$value => $word),+ }
            }
        }

        impl $crate::words::Word for $name {
            const NAMES: &'static [&'static str] = &[$($word),+];
            const EXPECTED: &'static str = concat!("one of" $(, " ", $word)+);

            fn named(word: &str) -> Option<$name> {
                Self::ALL.into_iter().find(|value| value.name() == word)
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

pub(crate) use words;
