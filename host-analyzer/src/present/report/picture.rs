//! A finished picture, for the page and for use elsewhere.

use super::drawing::Drawing;
use crate::present::html::escaped;
use crate::present::table::Table;

/// What a picture shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Where one AP's time goes.
    Phases,
    /// Totals against CPU count.
    Totals,
    /// A trial, AP by AP.
    Timeline,
}

/// A finished picture.
pub struct Picture {
    /// What it shows.
    pub kind: Kind,
    /// Its file's name under `figures/`.
    pub file: String,
    /// What it shows, as a heading.
    pub title: String,
    /// What it shows, for those who can't see it.
    pub description: String,
    /// The same as a table, where the page has no other.
    pub table: Option<Table>,
    /// The SVG, with title and description inside.
    pub svg: String,
    /// The same as PNG, for where SVG is not shown.
    pub png: Vec<u8>,
}

impl Picture {
    /// Puts title and description into a drawing, and lets it scale.
    pub fn new(
        kind: Kind,
        file: String,
        title: String,
        description: String,
        Drawing { svg: drawing, png }: Drawing,
    ) -> Picture {
        let id = file.trim_end_matches(".svg");
        let (head, body) = drawing.split_once('>').unwrap_or(("<svg", ""));
        // The library numbers its clip paths through a whole process; by the picture's name the
        // same run gives the same bytes.
        let clip = body.split_once("id=\"kuva-clip-").and_then(|(_, id)| id.split_once('"'));
        let body = match clip {
            Some((number, _)) => {
                body.replace(&format!("kuva-clip-{number}"), &format!("{id}-clip"))
            }
            None => body.to_owned(),
        };
        let size = |name: &str| {
            let (_, behind) = head.split_once(&format!(" {name}=\""))?;
            behind.split_once('"').map(|(value, _)| value)
        };
        let mut svg = head.to_owned();
        if let (Some(width), Some(height)) = (size("width"), size("height")) {
            svg += &format!(" viewBox=\"0 0 {width} {height}\"");
        }
        svg += &format!(
            " role=\"img\" aria-labelledby=\"{id}-title {id}-description\">\
             <title id=\"{id}-title\">{}</title>\
             <desc id=\"{id}-description\">{}</desc>{body}",
            escaped(&title),
            escaped(&description)
        );
        Picture { kind, file, title, description, table: None, svg, png }
    }
}
