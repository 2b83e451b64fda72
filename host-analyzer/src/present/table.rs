//! One table for every place that shows one: the terminal, a comment in Markdown, a page.

use super::html::escaped;
use super::markdown::{LONG, plain};
use crate::ground::text::printable;
use comfy_table::{Cell, CellAlignment, ContentArrangement, LineStyle, TableStyle};

/// What stands where there is no value.
pub(crate) const NONE: &str = "–";

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text, to the left.
    Words,
    /// Numbers, to the right.
    Number,
    /// Markup that this program has written. Only a page shows it.
    Markup,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    /// The header, with the unit where all numbers have one.
    pub header: String,
    /// What it holds.
    pub kind: Kind,
}

/// A table: columns, rows with a text for each column, and notes below.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    /// The columns; on a page the first one names the rows.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
    /// Lines below the table.
    pub notes: Vec<String>,
}

impl Table {
    /// A table of so many rows, without a column yet.
    pub fn of(rows: usize) -> Table {
        Table { rows: vec![Vec::new(); rows], ..Table::default() }
    }

    /// A table of rows that are there, below columns of words and then of numbers.
    pub fn with_rows(
        words: &[&str],
        numbers: impl IntoIterator<Item = String>,
        rows: Vec<Vec<String>>,
    ) -> Table {
        let of = |kind| move |header| Column { header, kind };
        let words = words.iter().map(|header| (*header).to_owned()).map(of(Kind::Words));
        let columns = words.chain(numbers.into_iter().map(of(Kind::Number))).collect();
        Table { columns, rows, notes: Vec::new() }
    }

    /// Adds a column of words: a text for each row.
    pub fn words(&mut self, header: &str, texts: impl IntoIterator<Item = String>) {
        self.column(header, Kind::Words, texts);
    }

    /// Adds a column of numbers: a text for each row.
    pub fn numbers(&mut self, header: &str, texts: impl IntoIterator<Item = String>) {
        self.column(header, Kind::Number, texts);
    }

    /// Adds a column.
    pub fn column(&mut self, header: &str, kind: Kind, texts: impl IntoIterator<Item = String>) {
        self.columns.push(Column { header: header.to_owned(), kind });
        for (row, text) in self.rows.iter_mut().zip(texts) {
            row.push(text);
        }
    }

    /// For a terminal, with the notes below. Ends with a newline. Texts are made [`printable`].
    pub fn terminal(&self) -> String {
        let mut table = comfy_table::Table::new();
        let rule = LineStyle::none().fill('─').junction('─');
        table.load_style(TableStyle::new().header_separator(rule));
        // A terminal that is too narrow folds lines, which reads better than folded words.
        table.set_content_arrangement(ContentArrangement::Disabled);
        let align = |(text, kind): (&String, Kind)| {
            let right = kind == Kind::Number;
            let side = if right { CellAlignment::Right } else { CellAlignment::Left };
            Cell::new(printable(text)).set_alignment(side)
        };
        table.set_header(self.written().map(|(_, Column { header, kind })| align((header, *kind))));
        for row in &self.rows {
            table.add_row(self.written().map(|(at, column)| align((&row[at], column.kind))));
        }
        let mut text = format!("{}\n", table.trim_fmt());
        for note in &self.notes {
            text.extend([note, "\n"]);
        }
        text
    }

    /// For a comment in Markdown: the header, and a line for each row. What a comment has no room
    /// for is left out by [`Comment`](super::markdown::Comment).
    pub fn markdown(&self) -> (String, Vec<String>) {
        let line = |texts: Vec<&str>| format!("| {} |", texts.join(" | "));
        let names = self.written().map(|(_, column)| column.header.as_str()).collect();
        let sides = self.written().map(|(_, column)| match column.kind {
            Kind::Number => "--:",
            _ => "---",
        });
        let sides = sides.collect::<Vec<_>>().join("|");
        let rows = self.rows.iter().map(|row| {
            let texts: Vec<String> = self.written().map(|(at, _)| plain(&row[at], LONG)).collect();
            line(texts.iter().map(String::as_str).collect())
        });
        (format!("{}\n|{sides}|\n", line(names)), rows.collect())
    }

    /// For a page: in a box that scrolls alone, called by this name. Each value carries its header, since a narrow page
    /// shows a row as lines of header and value. `cells` has the page's cell
    /// of each row, for its filter; empty where the rows are of no cell.
    pub fn html(&self, name: &str, cells: &[Option<usize>]) -> String {
        let class = |column: &Column| match column.kind {
            Kind::Number => " class=\"number\"",
            Kind::Words => " class=\"words\"",
            Kind::Markup => "",
        };
        let mut text = format!(
            "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">\n<table>\n<thead><tr>",
            escaped(name)
        );
        for column in &self.columns {
            let header = escaped(&column.header);
            text += &format!("<th scope=\"col\"{}>{header}</th>", class(column));
        }
        text += "</tr></thead>\n<tbody>\n";
        for (index, row) in self.rows.iter().enumerate() {
            text += &match cells.get(index) {
                Some(Some(cell)) => format!("<tr data-cell=\"{cell}\">"),
                _ => "<tr>".to_owned(),
            };
            for (at, (column, value)) in self.columns.iter().zip(row).enumerate() {
                let value = match column.kind {
                    Kind::Markup => value.clone(),
                    _ => escaped(value),
                };
                text += &match at {
                    0 => format!("<th scope=\"row\">{value}</th>"),
                    _ => {
                        let header = escaped(&column.header);
                        format!("<td{} data-label=\"{header}\">{value}</td>", class(column))
                    }
                };
            }
            text += "</tr>\n";
        }
        text + "</tbody>\n</table>\n</div>"
    }

    /// The columns that are text, each with its place in the rows.
    fn written(&self) -> impl Iterator<Item = (usize, &Column)> {
        self.columns.iter().enumerate().filter(|(_, column)| column.kind != Kind::Markup)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::of(2);
        table.words("cell", ["a|<b>", "c"].map(str::to_owned));
        table.column("drawn", Kind::Markup, ["<i></i>", ""].map(str::to_owned));
        table.numbers("total", ["1", "20\u{1b}[2J"].map(str::to_owned));
        table.notes.push("warning: low".to_owned());
        table
    }

    #[test]
    fn a_terminal_gets_text_that_steers_nothing_and_the_notes() {
        let text = table().terminal();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        assert_eq!(lines[0], "cell          total");
        assert_eq!(lines[2..], ["a|<b>             1", "c       20\\u{1b}[2J", "warning: low"]);
    }

    #[test]
    fn markdown_gets_one_line_a_row_without_markup() {
        let (header, rows) = table().markdown();
        assert_eq!(header, "| cell | total |\n|---|--:|\n");
        assert_eq!(rows[0], "| a\\|&lt;b&gt; | 1 |");
    }

    #[test]
    fn a_page_gets_markup_of_this_program_alone() {
        let html = table().html("cells", &[Some(7), None]);
        let row = "<tr data-cell=\"7\"><th scope=\"row\">a|&lt;b&gt;</th><td data-label=\"drawn\"><i></i></td>\
                   <td class=\"number\" data-label=\"total\">1</td></tr>";
        assert!(html.contains(row), "{html}");
        assert!(html.contains("<tr><th scope=\"row\">c</th>"), "{html}");
    }
}
