//! Axes: lists of values in which each value is once.

use host_analyzer::ground::document::Value;
use std::collections::BTreeSet;
use std::ops::Range;

/// More cells than this are a mistake, not a measurement.
pub const MOST_CELLS: usize = 10_000;

/// A value in the file, and where it stands.
#[derive(Clone, Debug)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// Its bytes in the file.
    pub at: Range<usize>,
}

/// The values of an array, or of the one value; `read` gives those of an element, and `name` is a value as the
/// file writes it.
pub fn axis<T, Read: IntoIterator<Item = T>>(
    axis: &Value<'_>,
    mut read: impl FnMut(&Value<'_>) -> Read,
    name: impl Fn(&T) -> String,
) -> Vec<Placed<T>> {
    let (mut values, mut known) = (Vec::new(), BTreeSet::new());
    for element in axis.list() {
        for value in read(&element) {
            let written = name(&value);
            if !known.insert(written.clone()) {
                let help = "take one out: repetitions and boots measure again";
                element.wrong(&format!("`{written}` is there twice"), Some(help));
                // The rest of a range would be there twice as well.
                break;
            }
            values.push(Placed { value, at: element.at() });
            if values.len() > MOST_CELLS {
                let help = "take values out, or make several scenarios of it";
                axis.wrong(&format!("this axis has more than {MOST_CELLS} values"), Some(help));
                return Vec::new();
            }
        }
    }
    values
}
