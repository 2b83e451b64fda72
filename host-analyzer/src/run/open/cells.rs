//! The cells of a run as boots reach them.

use crate::ground::manifest;
use crate::run::model::{Cell, Kind, UNKNOWN_ENGINE};
use bringup::options::Options;
use std::collections::HashMap;

/// The cells so far, and where each is.
#[derive(Default)]
pub struct Cells {
    /// Each once, in the order in which they were reached first.
    pub all: Vec<Cell>,
    places: HashMap<Kind, usize>,
}

impl Cells {
    /// The cell of that index in a boot's command line, with these options: a new one, or that of an earlier
    /// boot with the same engine, CPU count, profile and options.
    pub fn reach(
        &mut self,
        listed: Option<&manifest::Boot>,
        smp: u16,
        index: u16,
        options: Options,
    ) -> usize {
        let engine = engine(listed);
        let profiles = listed.map_or(&[][..], |boot| &boot.profiles);
        let profile = profiles.get(usize::from(index)).cloned().flatten();
        let exact = listed.map(|boot| boot.exact);
        let kind = (engine.clone(), smp, profile.clone(), options.to_string());
        let all = &mut self.all;
        let place = *self.places.entry(kind).or_insert_with(|| {
            all.push(Cell {
                engine,
                smp,
                profile,
                profile_khz: None,
                options,
                exact,
                frequencies: Vec::new(),
                trials: Default::default(),
                cold: Default::default(),
                aps: Default::default(),
                clocks: Default::default(),
                incomplete: 0,
                losses: Default::default(),
                disorders: Default::default(),
                double_starts: Default::default(),
                unstarted: Default::default(),
                contradictions: None,
                breaches: None,
                overruns: Default::default(),
            });
            all.len() - 1
        });
        let cell = &mut self.all[place];
        cell.exact = cell.exact.zip(exact).map(|(all, this)| all && this);
        place
    }
}

/// The name of a boot's engine.
pub fn engine(listed: Option<&manifest::Boot>) -> String {
    listed.map_or(UNKNOWN_ENGINE, |boot| &boot.engine).to_owned()
}
