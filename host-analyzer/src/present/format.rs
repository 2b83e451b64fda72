//! What a command prints.

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};

/// What a command prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table for people
    #[default]
    Table,
    /// Markdown that fits a pull-request comment
    Markdown,
    /// JSON for programs, times in cycles
    Json,
    /// A page that needs no other file
    Html,
}

impl Format {
    /// Reads one of these from a command line.
    pub fn one_of(formats: &[Format]) -> impl TypedValueParser<Value = Format> + use<> {
        let values: Vec<_> = formats.iter().filter_map(Format::to_possible_value).collect();
        PossibleValuesParser::new(values).try_map(|name| Format::from_str(&name, false))
    }
}
