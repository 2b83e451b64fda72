//! A run: its captures, gathered to cells.
//!
//! Captures are read as a stream. Of every trial a few numbers stay ([`Trial`]); the timelines of
//! the few trials that are shown one by one are read in a second pass ([`Run::median_trials`]).
//!
//! | file | |
//! |---|---|
//! | `model` | runs, boots, cells: data, without a question; its parts in `trial`, `trials`, `aps`, `clocks`, `lost` |
//! | `open` | manifest and captures to that model |
//! | `import` | logs of others to a run folder |
//! | `replay` | the captures again, for the timelines |
//! | `options`, `figures` | questions on a run: what tells its cells apart, what they measured |
//! | `host`, `host_boots` | boots on the host's clock |
//! | `measure`, `sample`, `spread`, `reservoir` | numbers of trials |
//! | `queue_ends` | what of an AP's `sipi` is waiting |
//! | `timeline`, `follow`, `claims` | one trial as it comes by |

mod aps;
mod claims;
mod clocks;
mod figures;
mod follow;
mod host;
mod host_boots;
pub mod import;
pub mod kept;
mod lost;
pub mod measure;
mod model;
mod open;
pub mod options;
mod queue_ends;
mod replay;
mod reservoir;
mod sample;
mod spread;
pub mod timeline;
mod trial;
mod trials;

pub use aps::{Ap, Aps};
pub use clocks::{Clocks, Off};
pub use host::{HOST_KHZ, HostMeasure, HostTimes};
pub use host_boots::HostBoots;
pub use lost::{Losses, LostAp, LostEnd};
pub use model::{
    Boot, BootCell, Breach, Cell, Gap, LinuxBoot, Machine, Overrun, Part, Run, UNKNOWN_ENGINE,
};
pub use open::read_manifest;
pub use options::PROFILE;
pub use queue_ends::queue_ends;
pub use replay::WholeTrial;
pub use reservoir::{KEPT, Reservoir};
pub use sample::Sample;
pub use spread::Spread;
pub use trial::{FullTrial, Trial, wait_init};
pub use trials::Trials;
