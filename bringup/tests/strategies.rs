//! What must hold of every strategy.

use bringup::CpuIndex;
use bringup::class::Class;
use bringup::options::{Order, Strategy, TscSync};
use bringup::strategy::{Aps, Bsp, bring_up};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Verb {
    Kick(Aps<'static>),
    Release(Aps<'static>),
    Await(CpuIndex),
    SyncMany(Aps<'static>),
}

/// A machine of four CPUs that writes down what it is to do, and waits for nothing.
struct Dictated {
    tsc_sync: TscSync,
    verbs: Vec<Verb>,
}

impl Dictated {
    /// What a strategy does.
    fn by(strategy: Strategy, tsc_sync: TscSync) -> Vec<Verb> {
        let mut bsp = Dictated { tsc_sync, verbs: Vec::new() };
        bring_up(strategy, Order::Listed, &[Class::Core; 4], &mut bsp);
        bsp.verbs
    }
}

impl Bsp for Dictated {
    fn tsc_sync(&self) -> TscSync {
        self.tsc_sync
    }

    fn kick(&mut self, set: Aps<'_>) {
        self.verbs.push(Verb::Kick(set.range()));
    }

    fn await_alive(&mut self, ap: CpuIndex) {
        self.verbs.push(Verb::Await(ap));
    }

    fn release(&mut self, set: Aps<'_>) {
        self.verbs.push(Verb::Release(set.range()));
    }

    fn await_callin(&mut self, ap: CpuIndex) {
        self.verbs.push(Verb::Await(ap));
    }

    fn await_any_callin(&mut self, _: Aps<'_>) -> Option<CpuIndex> {
        None
    }

    fn sync_pair(&mut self, _: CpuIndex) {}

    fn sync_many(&mut self, set: Aps<'_>) {
        self.verbs.push(Verb::SyncMany(set.range()));
    }

    fn unsettled(&self, _: Aps<'_>) -> Option<CpuIndex> {
        None
    }

    fn await_online(&mut self, ap: CpuIndex) {
        self.verbs.push(Verb::Await(ap));
    }
}

#[test]
fn what_options_know_of_a_strategy_is_what_its_verbs_do() {
    for strategy in Strategy::ALL.iter().copied() {
        let (all, verbs) = (Aps::all(4), Dictated::by(strategy, TscSync::Trusted));
        let mut kicks = verbs.iter().filter(|verb| matches!(verb, Verb::Kick(_)));
        let at_once = kicks.all(|kick| *kick == Verb::Kick(all));
        assert_eq!(at_once, strategy.kicks_all_at_once(), "{strategy}: {verbs:?}");
        let gates_first = verbs[0] == Verb::Release(all);
        assert_eq!(gates_first, strategy.opens_gates_first(), "{strategy}: {verbs:?}");
        // `options/limit.rs` decides by these which costs lose an AP for certain.
        let first = verbs.iter().find(|verb| matches!(verb, Verb::Await(_)));
        assert_eq!(first, Some(&Verb::Await(CpuIndex(1))), "{strategy}: {verbs:?}");
        let mut opened = verbs.windows(2).filter(|pair| matches!(pair[0], Verb::Release(_)));
        let waits_for_it = opened.all(|pair| match pair[..] {
            [Verb::Release(set), Verb::Await(ap)] => set == Aps::only(ap),
            _ => false,
        });
        assert_eq!(!waits_for_it, strategy.calls_in_side_by_side(), "{strategy}: {verbs:?}");
        let synced = Dictated::by(strategy, TscSync::OneToMany);
        let all_at_once = synced.contains(&Verb::SyncMany(all));
        assert_eq!(all_at_once, strategy.syncs_all_at_once(), "{strategy}: {synced:?}");
    }
}

#[cfg(feature = "sim")]
#[test]
fn the_simulator_brings_every_ap_online_by_every_strategy() {
    use bringup::frame::ApEnd;
    use bringup::options::Options;
    for strategy in Strategy::ALL.iter().copied() {
        for words in ["pairwise", "one-to-many", "trusted tsc-trust=yes"] {
            let mut options = Options { strategy, ..Options::default() };
            let words = format!("cost-callin=1ms,2:5ms cost-wake=2ms tsc-sync={words}");
            words.split(' ').for_each(|word| options.set_word(word).unwrap());
            let (end, aps) = bringup::sim::trial(&options, 8, 1_000_000).unwrap();
            assert_eq!((end.lost, aps.len()), (0, 7), "{strategy} {words}");
            for ap in &aps {
                assert_eq!((ap.end, ap.starts), (ApEnd::Online, 1), "{strategy} {words}: {ap:?}");
            }
        }
    }
}
