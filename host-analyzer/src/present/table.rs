//! One table for every place that shows one: the terminal, a comment in Markdown, a page.

use super::html::escaped;
use super::markdown::{LONG, plain};
use crate::ground::text::printable;
use crate::ground::width::width;
use comfy_table::{Cell, CellAlignment, ContentArrangement, LineStyle, TableStyle};
use textwrap::core::display_width;

/// What stands where there is no value.
pub const NONE: &str = "–";

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
pub struct Table {
    /// The columns; on a page the first one names the rows.
    pub(crate) columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
    /// Lines below the table.
    pub notes: Vec<String>,
    /// How many columns name a row; 0 for the words at the begin, or the first column.
    pub names: usize,
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
        Table { columns, rows, ..Table::default() }
    }

    /// Adds a column of words: a text for each row.
    pub fn words(&mut self, header: &str, texts: impl IntoIterator<Item = String>) {
        self.column(header, Kind::Words, texts);
    }

    /// Adds a column of numbers: a text for each row.
    pub fn numbers(&mut self, header: &str, texts: impl IntoIterator<Item = String>) {
        self.column(header, Kind::Number, texts);
    }

    /// The columns that are there name the rows: they are repeated where a table is too wide for a terminal.
    pub fn columns_name_rows(&mut self) {
        self.names = self.columns.len();
    }

    /// Adds a column.
    pub(crate) fn column(
        &mut self,
        header: &str,
        kind: Kind,
        texts: impl IntoIterator<Item = String>,
    ) {
        self.columns.push(Column { header: header.to_owned(), kind });
        for (row, text) in self.rows.iter_mut().zip(texts) {
            row.push(text);
        }
    }

    /// For a terminal, with the notes below. Ends with a newline. Texts are made [`printable`]. Where the table is wider
    /// than the terminal it is several, which share the columns that name the rows.
    pub fn terminal(&self) -> String {
        let mut text = self.fitting(width());
        for note in &self.notes {
            text.extend([note, "\n"]);
        }
        text
    }

    /// The table in lines of so many columns of a terminal.
    fn fitting(&self, width: Option<usize>) -> String {
        let columns: Vec<usize> = self.written().map(|(at, _)| at).collect();
        let Some(width) = width else { return self.part(&columns, None) };
        let (names, others) = columns.split_at(self.naming(&columns));
        // A blank on both sides, and a third one between two columns.
        let space = |at: &usize| self.text_width(*at) + 3;
        let named: usize = names.iter().map(space).sum();
        let mut parts = vec![names.to_vec()];
        let mut taken = named;
        for at in others {
            let part = parts.last().map_or(0, Vec::len);
            if taken + space(at) > width + 1 && part > names.len() {
                parts.push(names.to_vec());
                taken = named;
            }
            taken += space(at);
            parts.last_mut().into_iter().for_each(|part| part.push(*at));
        }
        let parts: Vec<String> = parts.iter().map(|part| self.part(part, Some(width))).collect();
        parts.join("\n")
    }

    /// How many of the columns name the rows.
    fn naming(&self, columns: &[usize]) -> usize {
        let words = columns.iter().take_while(|at| self.columns[**at].kind == Kind::Words).count();
        match self.names {
            0 => words.max(1).min(columns.len()),
            names => columns.iter().filter(|at| **at < names).count(),
        }
    }

    /// The longest text of a column, its header included.
    fn text_width(&self, at: usize) -> usize {
        let texts = self.rows.iter().map(|row| display_width(&printable(&row[at])));
        texts.max().unwrap_or(0).max(display_width(&self.columns[at].header))
    }

    /// These columns alone. Where they are wider than a terminal of that width, texts are folded.
    fn part(&self, columns: &[usize], width: Option<usize>) -> String {
        let mut table = comfy_table::Table::new();
        let rule = LineStyle::none().fill('─').junction('─');
        table.load_style(TableStyle::new().header_separator(rule));
        table.set_content_arrangement(ContentArrangement::Disabled);
        if let Some(width) = width.and_then(|width| u16::try_from(width).ok()) {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        let align = |text: &String, at: usize| {
            let right = self.columns[at].kind == Kind::Number;
            let side = if right { CellAlignment::Right } else { CellAlignment::Left };
            Cell::new(printable(text)).set_alignment(side)
        };
        table.set_header(columns.iter().map(|at| align(&self.columns[*at].header, *at)));
        for row in &self.rows {
            table.add_row(columns.iter().map(|at| align(&row[*at], *at)));
        }
        format!("{}\n", table.trim_fmt())
    }

    /// For a comment in Markdown: the header, and a line for each row. What a comment has no room
    /// for is left out where the comment is put together.
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
    fn a_narrow_terminal_gets_several_tables_that_repeat_the_names() {
        let mut table = Table::of(2);
        table.words("engine", ["icount", "tcg"].map(str::to_owned));
        table.numbers("CPUs", ["4", "28"].map(str::to_owned));
        table.columns_name_rows();
        for header in ["total", "kick-loop", "callin", "turn"] {
            table.numbers(header, ["12.345", "6.789"].map(str::to_owned));
        }
        let text = table.fitting(Some(40));
        let headers = text.lines().filter(|line| line.contains("engine"));
        assert_eq!(
            headers.map(|line| line.split_whitespace().collect::<Vec<_>>()).collect::<Vec<_>>(),
            [
                vec!["engine", "CPUs", "total", "kick-loop"],
                vec!["engine", "CPUs", "callin", "turn"]
            ]
        );
        assert!(text.lines().all(|line| display_width(line) <= 40), "{text}");
        assert_eq!(table.fitting(Some(200)), table.fitting(None));
    }

    #[test]
    fn a_text_that_is_wider_than_the_terminal_is_folded() {
        let mut table = Table::of(1);
        table.words("cell", ["icount, 28 CPUs, full-parallel, one-to-many".to_owned()]);
        table.numbers("total", ["12.345".to_owned()]);
        let text = table.fitting(Some(30));
        assert!(text.lines().all(|line| display_width(line) <= 30), "{text}");
        assert!(text.contains("12.345") && text.contains("one-to-many"), "{text}");
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
