//! The command `conformance`.

use super::common::{named, prepared, print};
use super::complete;
use crate::runner::conformance::{Line, lines};
use crate::runner::progress::write_line;
use host_analyzer::ground::failure::Failure;
use host_analyzer::ground::text::counted;
use host_analyzer::ground::width::wrapped;
use host_analyzer::present::format::Format;
use host_analyzer::present::schema;
use host_analyzer::present::table::Table;
use miette::miette;
use serde_json::{Value, json};

/// Try every way to wake an AP on an engine, and compare what it does with what the manuals demand
///
/// Each way is a boot: its cold trial is the APs' first start after the firmware, the warm ones follow an INIT.
/// docs/waking.md has the tables of three engines.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask conformance --smp 4
  cargo xtask conformance --engine bochs --smp 2 --format json")]
pub struct Conformance {
    /// A built-in engine
    #[arg(long, value_name = "ENGINE", default_value = "icount", add = complete::engines())]
    engine: String,
    /// CPU count, the BSP included
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(2..))]
    smp: u16,
    /// What to print
    #[arg(long, default_value = "table", value_parser = Format::one_of(&[Format::Table, Format::Markdown, Format::Json]))]
    format: Format,
}

impl Conformance {
    /// Does it.
    pub fn run(self) -> Result<(), Failure> {
        let engine = named(&self.engine)?;
        let kernel = prepared(std::slice::from_ref(&engine))?;
        let results = tempfile::tempdir().map_err(|error| {
            Failure::Environment(miette!("can't make a folder for the runs: {error}"))
        })?;
        let lines = lines(&engine, self.smp, kernel.as_ref(), results.path(), write_line)?;
        match self.format {
            Format::Markdown => {
                let (head, rows) = table(&lines).markdown();
                print(&format_args!("{head}{}", rows.join("\n")))?;
            }
            Format::Json => print(&format_args!("{:#}", json(&engine.version()?, &lines)))?,
            _ => {
                let (version, cpus) = (engine.version()?, counted(self.smp.into(), "CPU"));
                let table = format!("{version}, {cpus}\n\n{}", table(&lines).terminal());
                print(&wrapped(&table).trim_end())?;
            }
        }
        match lines.iter().filter(|line| line.verdict() == "broken").count() {
            0 => Ok(()),
            broken => Err(Failure::Verdict(miette!(
                help = "`cargo xtask run` with the options of a line does it alone",
                "{broken} of {} lines are broken",
                lines.len()
            ))),
        }
    }
}

fn table(lines: &[Line]) -> Table {
    let mut table = Table::of(lines.len());
    table.words("line", lines.iter().map(|line| line.id.clone()));
    table.columns_name_rows();
    table.words("demand", lines.iter().map(|line| line.demand.text().to_owned()));
    table.words("got", lines.iter().map(|line| line.got.clone()));
    table.words("verdict", lines.iter().map(|line| line.verdict().to_owned()));
    table.words("source", lines.iter().map(|line| line.source.to_owned()));
    table
}

fn json(engine: &str, lines: &[Line]) -> Value {
    let line = |line: &Line| {
        json!({
            "id": line.id,
            "options": line.words,
            "demand": line.demand.text(),
            "source": line.source,
            "got": line.got,
            "verdict": line.verdict(),
        })
    };
    let lines: Vec<Value> = lines.iter().map(line).collect();
    json!({ "schema": schema::CONFORMANCE, "engine": engine, "lines": lines })
}
