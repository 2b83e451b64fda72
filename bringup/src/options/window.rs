//! How long a clock is watched.

use super::cost::Cost;
use super::form::Form;
use crate::Duration;
use crate::class::Class;
use crate::units::{duration, time};
use core::fmt;

/// How long an AP's clock is watched: the same for all, but for the exceptions by class.
///
/// As a word: `20ms`, or `2ms,package:20ms` (as Linux does: long for the first CPU of a package, short where one of
/// the package is online).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    usual: Duration,
    /// By [`Class`].
    classes: [Option<Duration>; Class::ALL.len()],
}

impl Window {
    pub(super) const DEFAULT: Window =
        Window { usual: Duration::from_millis(20), classes: [None; Class::ALL.len()] };

    /// That long for the APs of every class.
    pub const fn of_all(usual: Duration) -> Window {
        Window { usual, classes: [None; Class::ALL.len()] }
    }

    /// How long the clock of an AP of this class is watched.
    pub fn of(&self, class: Class) -> Duration {
        self.classes[class as usize].unwrap_or(self.usual)
    }
}

impl Form for Window {
    type Of = Window;
    const EXPECTED: &'static str = concat!(
        "a duration (",
        duration!(),
        "), and after commas one each of package:, core: and sibling:DURATION, as \
         `2ms,package:20ms`"
    );

    fn parse(text: &str) -> Option<Window> {
        let cost = Cost::parse(text)?;
        let Cost { usual, classes, exceptions, exclusive } = cost;
        (exceptions.is_empty() && !exclusive).then_some(Window { usual, classes })
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Window { usual, classes } = *self;
        Cost { usual, classes, ..Cost::FREE }.fmt(f)
    }
}
