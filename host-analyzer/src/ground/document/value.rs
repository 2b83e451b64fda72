//! The values and tables of a TOML file, read by saying what each key must be.
//!
//! A reader names each key of a table once, with what its value must be. Keys that are missing,
//! values that are wrong and keys that nobody named are reported from here, so that every file has
//! the same sentences.

use super::mistakes::{LONGEST_QUOTE, Mistakes, quoted};
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value, with its key and its place.
#[derive(Clone, Debug)]
pub struct Value<'d> {
    mistakes: &'d Mistakes<'d>,
    /// The keys that lead to it, joined by dots.
    path: String,
    /// Where its key stands; an element of an array has none, and is its own place.
    key: Range<usize>,
    value: &'d Spanned<DeValue<'d>>,
}

impl<'d> Value<'d> {
    /// Where it stands, in bytes.
    pub fn at(&self) -> Range<usize> {
        self.value.span()
    }

    /// Where its key stands, in bytes.
    pub fn key_at(&self) -> Range<usize> {
        self.key.clone()
    }

    /// Its line in the file, from 1.
    pub fn line(&self) -> usize {
        self.mistakes.line(self.at().start)
    }

    /// The mistakes of its file.
    pub fn mistakes(&self) -> &'d Mistakes<'d> {
        self.mistakes
    }

    /// Reports a mistake of the value.
    pub fn wrong(&self, message: &str, help: Option<&str>) {
        self.mistakes.add(self.at(), &self.path, message, help);
    }

    /// Reports that the key is a mistake, whatever its value is.
    pub fn wrong_key(&self, message: &str, help: Option<&str>) {
        self.mistakes.add(self.key_at(), &self.path, message, help);
    }

    /// Reports a value of another kind than expected.
    pub fn unexpected(&self, expected: &str) {
        self.wrong(&format!("expected {expected}, found {}", self.shown()), None);
    }

    /// The value as a message quotes it.
    fn shown(&self) -> String {
        match scalar(self.value.get_ref()) {
            Some(text) => format!("`{}`", quoted(&text)),
            None => format!("a value of type {}", self.value.get_ref().type_str()),
        }
    }

    /// What a reader has found; `None` is reported.
    fn expect<T>(&self, found: Option<T>, expected: &str) -> Option<T> {
        if found.is_none() {
            self.unexpected(expected);
        }
        found
    }

    /// A text that is not empty.
    pub fn text(&self) -> Option<String> {
        let text = self.value.get_ref().as_str().filter(|text| !text.trim().is_empty());
        self.expect(text.map(str::to_owned), "a text")
    }

    /// A text without a zero byte, which would end a word of a command.
    pub fn word(&self) -> Option<String> {
        let word = self.value.get_ref().as_str().filter(|word| !word.contains('\0'));
        self.expect(word.map(str::to_owned), "a word: a text without a zero byte")
    }

    /// A text, or a whole number as a text.
    pub fn scalar(&self) -> Option<String> {
        self.expect(scalar(self.value.get_ref()), "a text or a whole number")
    }

    /// True or false.
    pub fn flag(&self) -> Option<bool> {
        self.expect(self.value.get_ref().as_bool(), "true or false")
    }

    /// A whole number in a range; `what` names it in messages, as `a count of APs`.
    pub fn number<N>(&self, range: RangeInclusive<N>, what: &str) -> Option<N>
    where
        N: Copy + PartialOrd + Display + TryFrom<i64> + TryInto<i64>,
    {
        let number = whole(self.value.get_ref()).and_then(|number| N::try_from(number).ok());
        let (least, most) = range.clone().into_inner();
        // No TOML number is greater than an i64.
        let to = most.try_into().map_or_else(|_| String::new(), |most| format!(" to {most}"));
        self.expect(
            number.filter(|number| range.contains(number)),
            &format!("{what} from {least}{to}"),
        )
    }

    /// A finite number above zero.
    pub fn positive(&self) -> Option<f64> {
        let number = match self.value.get_ref() {
            DeValue::Float(float) => float.as_str().replace('_', "").parse().ok(),
            other => whole(other).map(|number| number as f64),
        };
        let number = number.filter(|number: &f64| number.is_finite() && *number > 0.0);
        self.expect(number, "a number above 0")
    }

    /// A text, or a whole number as a text, that `read` understands; `expected` says what that is.
    pub fn parsed<T>(&self, read: impl FnOnce(&str) -> Option<T>, expected: &str) -> Option<T> {
        self.expect(scalar(self.value.get_ref()).and_then(|text| read(&text)), expected)
    }

    /// One of a few things, by its name.
    pub fn choice<T>(
        &self,
        known: impl IntoIterator<Item = T>,
        name: impl Fn(&T) -> &str,
    ) -> Option<T> {
        let mut known: Vec<T> = known.into_iter().collect();
        let given = self.value.get_ref().as_str();
        if let Some(index) = known.iter().position(|one| Some(name(one)) == given) {
            return Some(known.swap_remove(index));
        }
        let names: Vec<&str> = known.iter().map(&name).collect();
        let near = suggestion(given.unwrap_or_default(), names.iter().copied());
        let help = near.map(|near| format!("did you mean `{near}`?"));
        let message = format!("expected one of {}, found {}", names.join(" "), self.shown());
        self.wrong(&message, help.as_deref());
        None
    }

    /// The elements of an array, `None` where it is none; `expected` says what it must be.
    pub fn array(&self, expected: &str) -> Option<Vec<Value<'d>>> {
        let array = self.expect(self.value.get_ref().as_array(), expected)?;
        Some(array.iter().map(|value| self.element(value)).collect())
    }

    /// The elements of an array that is not empty, or the value alone.
    pub fn list(&self) -> Vec<Value<'d>> {
        match self.value.get_ref().as_array() {
            Some(array) if array.is_empty() => {
                self.wrong("this list is empty", Some("give it a value, or take the key out"));
                Vec::new()
            }
            Some(array) => array.iter().map(|value| self.element(value)).collect(),
            None => vec![self.clone()],
        }
    }

    fn element(&self, value: &'d Spanned<DeValue<'d>>) -> Value<'d> {
        Value { path: self.path.clone(), key: value.span(), value, ..*self }
    }

    /// True where it is a table.
    pub fn is_table(&self) -> bool {
        self.value.get_ref().is_table()
    }

    /// Reads a table; every key that `read` does not name is reported.
    pub fn table<T>(&self, read: impl FnOnce(&mut Keys<'d>) -> T) -> Option<T> {
        let table = self.expect(self.value.get_ref().as_table(), "a table")?;
        Some(Keys::read(self.mistakes, table, &self.path, self.at(), read))
    }
}

/// What to say of a key that a table does not have; `None`: nothing more than the keys that it has.
type Hint = Box<dyn Fn(&str) -> Option<String>>;

/// The keys of a table that is being read.
///
/// A reader names every key before it gives up with `?`: the keys that it has not named when it
/// returns are reported as unknown.
pub struct Keys<'d> {
    mistakes: &'d Mistakes<'d>,
    table: &'d DeTable<'d>,
    /// The keys that lead to it, joined by dots; empty for the whole file.
    path: String,
    /// Where it stands, in bytes.
    at: Range<usize>,
    /// The keys that were named.
    named: Vec<&'static str>,
    /// True where any key is good.
    open: bool,
    hint: Hint,
}

impl<'d> Keys<'d> {
    /// Reads a table; every key that `read` does not name is reported.
    pub(super) fn read<T>(
        mistakes: &'d Mistakes<'d>,
        table: &'d DeTable<'d>,
        path: &str,
        at: Range<usize>,
        read: impl FnOnce(&mut Keys<'d>) -> T,
    ) -> T {
        let mut keys = Keys {
            mistakes,
            table,
            path: path.to_owned(),
            at,
            named: Vec::new(),
            open: false,
            hint: Box::new(|_| None),
        };
        let result = read(&mut keys);
        keys.refuse_unnamed();
        result
    }

    /// The mistakes of its file.
    pub fn mistakes(&self) -> &'d Mistakes<'d> {
        self.mistakes
    }

    /// True where the table has that key; it is not named by that.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// A key that the table may have.
    pub fn get(&mut self, key: &'static str) -> Option<Value<'d>> {
        self.named.push(key);
        let (found, value) = self.table.get_key_value(key)?;
        Some(self.value(found, value))
    }

    /// A key that the table may have, with what its value must be; a wrong value is reported, and
    /// is `None`, too.
    pub fn may<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Value<'d>) -> Option<T>,
    ) -> Option<T> {
        self.get(key).and_then(|value| read(&value))
    }

    /// A key that the table must have; `None` is reported.
    pub fn need<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Value<'d>) -> Option<T>,
    ) -> Option<T> {
        match self.get(key) {
            Some(value) => read(&value),
            None => {
                self.missing(key, None);
                None
            }
        }
    }

    /// Reports that a key is missing.
    pub fn missing(&self, key: &str, help: Option<&str>) {
        self.mistakes.add(self.at.clone(), &self.below(key), "this key is missing", help);
    }

    /// Those of many keys that the table has, in the order of the file.
    pub fn some_of(
        &mut self,
        known: impl IntoIterator<Item = &'static str>,
    ) -> Vec<(&'static str, Value<'d>)> {
        let mut found = Vec::new();
        for key in known {
            found.extend(self.get(key).map(|value| (key, value)));
        }
        found.sort_by_key(|(_, value)| value.key.start);
        found
    }

    /// All keys of a table whose keys are anybody's names, in the order of the file.
    pub fn all(&mut self) -> Vec<(&'d str, Value<'d>)> {
        self.open = true;
        let all = self.table.iter();
        let mut all: Vec<_> =
            all.map(|(key, value)| (&**key.get_ref(), self.value(key, value))).collect();
        all.sort_by_key(|(_, value)| value.key.start);
        all
    }

    /// What to say of some keys that the table does not have.
    pub fn hint(&mut self, hint: impl Fn(&str) -> Option<String> + 'static) {
        self.hint = Box::new(hint);
    }

    fn value(&self, key: &Spanned<impl AsRef<str>>, value: &'d Spanned<DeValue<'d>>) -> Value<'d> {
        let path = self.below(key.get_ref().as_ref());
        Value { mistakes: self.mistakes, path, key: key.span(), value }
    }

    fn below(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Reports each key that was not named.
    fn refuse_unnamed(&self) {
        if self.open {
            return;
        }
        for key in self.table.keys() {
            let given: &str = key.get_ref();
            if self.named.contains(&given) {
                continue;
            }
            let near = || suggestion(given, self.named.iter().copied());
            let help = (self.hint)(given).or_else(|| Some(format!("did you mean `{}`?", near()?)));
            let message = format!("there is no such key: expected one of {}", self.named.join(" "));
            self.mistakes.add(key.span(), &self.below(given), &message, help.as_deref());
        }
    }
}

/// A whole number, if it is one.
fn whole(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// A text, or a whole number as a text.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value.as_str() {
        Some(text) => Some(text.to_owned()),
        None => {
            let integer = value.as_integer()?;
            let number = i128::from_str_radix(integer.as_str(), integer.radix());
            Some(number.map_or_else(|_| integer.as_str().to_owned(), |number| number.to_string()))
        }
    }
}

/// The known word that a mistyped one most likely means.
pub fn suggestion<'k>(given: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // No known word is that long, and the distance takes time and room by the length.
    if given.len() > LONGEST_QUOTE {
        return None;
    }
    let distance = |word: &str| strsim::damerau_levenshtein(given, word);
    let near = known.into_iter().map(|word| (distance(word), word)).min()?;
    (near.0 <= given.chars().count().max(3) / 3).then_some(near.1)
}
