//! What is exported of an AP in a trial: one list of columns, which the formats share.

use crate::run::{Run, WholeTrial};
use bringup::Cycles;
use bringup::exchange::OffsetInterval;
use bringup::frame::{ApEnd, ApTimeline, Cpu, OVERRUNS, Sync};
use bringup::options::Options;
use bringup::phase::{Phase, SubPhase};
use bringup::stamp::Stamp;
use serde::{Serialize, Serializer};

/// A value in a column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fact<'a> {
    /// Not known, or not there to be known.
    Missing,
    /// True or false.
    Flag(bool),
    /// A count, an index, a frequency in kHz or a span in cycles.
    Natural(u64),
    /// A moment or a difference, in cycles.
    Integer(i64),
    /// A word, or text from a manifest.
    Text(&'a str),
    /// The name of a stamp.
    Stamp(Stamp),
}

impl Serialize for Fact<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Fact::Missing => serializer.serialize_none(),
            Fact::Flag(value) => serializer.serialize_bool(*value),
            Fact::Natural(value) => serializer.serialize_u64(*value),
            Fact::Integer(value) => serializer.serialize_i64(*value),
            Fact::Text(value) => serializer.serialize_str(value),
            Fact::Stamp(stamp) => serializer.serialize_str(stamp.name()),
        }
    }
}

/// What a fact is of: one AP in one trial.
struct Source<'a> {
    trial: &'a WholeTrial<'a>,
    ap: &'a ApTimeline,
    /// When the BSP was free to send its SIPI.
    queue_end: Option<i64>,
    /// The values of the cell's options, in the order of [`Options::KEYS`].
    options: &'a [String],
    place: Option<&'a Cpu>,
}

/// Columns that belong together: an object where there can be one, else a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// The object's key.
    pub key: &'static str,
    /// What its columns' names begin with in a flat table.
    pub prefix: &'static str,
}

const STAMPS: Group = Group { key: "stamps", prefix: "stamp_" };
const PHASES: Group = Group { key: "phases", prefix: "phase_" };
const SUB_PHASES: Group = Group { key: "sub_phases", prefix: "sub_phase_" };
const OFFSET: Group = Group { key: "offset", prefix: "offset_" };
const SYNC: Group = Group { key: "sync", prefix: "sync_" };
const OVERRUN: Group = Group { key: "overruns", prefix: "overrun_" };

/// A column: its name, and where its value comes from.
pub struct Column {
    /// The group that it is part of.
    pub group: Option<Group>,
    /// Its name in that group, in snake case.
    pub name: String,
    fact: Box<dyn for<'a> Fn(&Source<'a>) -> Fact<'a>>,
}

impl Column {
    /// Its name in a flat table.
    pub fn flat_name(&self) -> String {
        format!("{}{}", self.group.map_or("", |group| group.prefix), self.name)
    }
}

/// The columns, and the facts of the AP at hand.
pub struct Facts {
    columns: Vec<Column>,
    /// Of each cell of the run the values of its options.
    options: Vec<Vec<String>>,
}

impl Facts {
    /// For this run.
    pub fn of(run: &Run) -> Facts {
        let values =
            |cell: &crate::run::Cell| Options::names().map(|key| cell.option(key)).collect();
        Facts { columns: columns(), options: run.cells.iter().map(values).collect() }
    }

    /// The columns, in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The values of an AP of a trial, with the [end of its `queue`](WholeTrial::queue_ends), in the order of the columns.
    pub fn row<'a>(
        &'a self,
        trial: &'a WholeTrial<'a>,
        ap: &'a ApTimeline,
        queue_end: Option<i64>,
    ) -> impl Iterator<Item = Fact<'a>> + Clone {
        let cpus = trial.boot.machine.as_ref().map_or(&[][..], |machine| &machine.cpus);
        // Where no frame was lost, a CPU stands at its index.
        let at_index = cpus.get(usize::from(ap.cpu.0)).filter(|cpu| cpu.cpu == ap.cpu);
        let place = at_index.or_else(|| cpus.iter().find(|cpu| cpu.cpu == ap.cpu));
        let options = &self.options[trial.cell_index];
        self.columns
            .iter()
            .map(move |column| (column.fact)(&Source { trial, ap, queue_end, options, place }))
    }
}

/// Takes down column after column.
#[derive(Default)]
struct Columns {
    list: Vec<Column>,
    group: Option<Group>,
}

impl Columns {
    fn put(&mut self, name: &str, fact: impl for<'a> Fn(&Source<'a>) -> Fact<'a> + 'static) {
        let name = name.replace('-', "_");
        self.list.push(Column { group: self.group, name, fact: Box::new(fact) });
    }
}

/// Every column: who and where, the trial, the AP, its stamps and what follows from them.
fn columns() -> Vec<Column> {
    let mut columns = Columns::default();
    cell(&mut columns);
    trial(&mut columns);
    ap(&mut columns);
    times(&mut columns);
    clock(&mut columns);
    columns.group = Some(OVERRUN);
    for (index, step) in OVERRUNS.into_iter().enumerate() {
        columns.put(step, move |of| Fact::Natural(of.ap.overruns[index]));
    }
    columns.list
}

fn cell(columns: &mut Columns) {
    columns.put("engine", |of| Fact::Text(&of.trial.cell.engine));
    columns.put("exact", |of| of.trial.boot.exact.map_or(Fact::Missing, Fact::Flag));
    columns.put("smp", |of| Fact::Natural(of.trial.cell.smp.into()));
    columns.put("profile", |of| of.trial.cell.profile.as_deref().map_or(Fact::Missing, Fact::Text));
    for (index, key) in Options::KEYS.iter().enumerate() {
        columns.put(key.name(), move |of| match key.count(&of.trial.cell.options) {
            Some(count) => Fact::Natural(count.into()),
            None => Fact::Text(&of.options[index]),
        });
    }
}

fn trial(columns: &mut Columns) {
    columns.put("cell", |of| Fact::Natural(of.trial.cell_index as u64 + 1));
    columns.put("boot", |of| Fact::Natural(of.trial.boot_index as u64 + 1));
    columns.put("trial", |of| Fact::Natural(of.trial.begin.trial.into()));
    columns.put("cold", |of| Fact::Flag(of.trial.begin.cold));
    columns.put("tsc_khz", |of| {
        let own = of.trial.boot.machine.as_ref().map(|machine| machine.tsc_khz);
        of.trial.cell.clock_over(own).map_or(Fact::Missing, Fact::Natural)
    });
    columns.put("zero", |of| Fact::Natural(of.trial.begin.zero));
    columns.put("total", |of| Fact::Natural(of.trial.end.total.0));
    columns.put("kick_loop", |of| Fact::Natural(of.trial.end.kick_loop.0));
    columns.put("lost", |of| Fact::Natural(of.trial.end.lost.into()));
}

fn ap(columns: &mut Columns) {
    fn place(of: &Source<'_>, number: impl Fn(&Cpu) -> Option<u32>) -> Fact<'static> {
        of.place.and_then(number).map_or(Fact::Missing, |number| Fact::Natural(number.into()))
    }
    columns.put("cpu", |of| Fact::Natural(of.ap.cpu.0.into()));
    columns.put("apic_id", |of| place(of, |cpu| Some(cpu.apic_id.0)));
    columns.put("package", |of| place(of, |cpu| Some(cpu.package)));
    columns.put("core", |of| place(of, |cpu| Some(cpu.core)));
    columns.put("thread", |of| place(of, |cpu| Some(cpu.thread)));
    columns.put("node", |of| place(of, |cpu| cpu.node));
    columns.put("end", |of| {
        Fact::Text(match of.ap.end {
            ApEnd::Online => "online",
            ApEnd::Lost(_) => "lost",
            ApEnd::WrongAnswer => "wrong-answer",
        })
    });
    columns.put("last", |of| match of.ap.end {
        ApEnd::Lost(Some(stamp)) => Fact::Stamp(stamp),
        _ => Fact::Missing,
    });
    columns.put("starts", |of| Fact::Natural(of.ap.starts.into()));
}

fn times(columns: &mut Columns) {
    fn moment(at: Option<i64>) -> Fact<'static> {
        at.map_or(Fact::Missing, Fact::Integer)
    }
    fn span(length: Option<Cycles>) -> Fact<'static> {
        length.map_or(Fact::Missing, |cycles| Fact::Natural(cycles.0))
    }
    columns.group = Some(STAMPS);
    for stamp in Stamp::ALL {
        columns.put(stamp.name(), move |of| moment(of.ap.stamps.get(stamp)));
    }
    columns.put("entry_raw", |of| moment(of.ap.entry_raw));
    columns.group = Some(PHASES);
    for phase in Phase::ALL {
        columns.put(phase.name(), move |of| span(phase.of(&of.ap.stamps)));
    }
    columns.group = Some(SUB_PHASES);
    for part in SubPhase::ALL {
        columns.put(part.name(), move |of| span(part.of(&of.ap.stamps, of.queue_end)));
    }
}

fn clock(columns: &mut Columns) {
    type Of<T> = fn(&OffsetInterval) -> T;
    fn interval(
        columns: &mut Columns,
        prefix: &str,
        of: fn(&ApTimeline) -> Option<OffsetInterval>,
    ) {
        let bounds: [(&str, Of<i64>); 2] = [("lo", |o| o.lo), ("hi", |o| o.hi)];
        for (name, bound) in bounds {
            columns.put(&format!("{prefix}{name}"), move |source| {
                of(source.ap).map_or(Fact::Missing, |offset| Fact::Integer(bound(&offset)))
            });
        }
        let samples: [(&str, Of<u32>); 2] =
            [("lo_samples", |o| o.lo_samples), ("hi_samples", |o| o.hi_samples)];
        for (name, count) in samples {
            columns.put(&format!("{prefix}{name}"), move |source| {
                of(source.ap).map_or(Fact::Missing, |offset| Fact::Natural(count(&offset).into()))
            });
        }
    }
    fn sync<'a>(of: &Source<'a>, fact: impl Fn(&Sync) -> Fact<'static>) -> Fact<'a> {
        of.ap.sync.as_ref().map_or(Fact::Missing, fact)
    }
    columns.group = Some(OFFSET);
    interval(columns, "", |ap| ap.offset);
    columns
        .put("taken_off", |of| Fact::Integer(of.ap.offset.map_or(0, |offset| offset.correction())));
    columns.group = Some(SYNC);
    columns.put("verdict", |of| sync(of, |sync| Fact::Text(sync.verdict.name())));
    columns.put("windows", |of| sync(of, |sync| Fact::Natural(sync.windows.into())));
    columns.put("correction", |of| sync(of, |sync| Fact::Integer(sync.correction)));
    interval(columns, "first_", |ap| ap.sync.and_then(|sync| sync.first));
}
