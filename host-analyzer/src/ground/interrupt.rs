//! Ctrl-C: the first ends the work in order, the second at once.

use crate::ground::failure::Failure;
use miette::miette;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

static REQUESTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From here on a signal is a request that [`check`] reports; a second one ends the process.
///
/// Fails where the system refuses a signal handler.
pub fn watch() -> Result<(), Failure> {
    let requested = REQUESTED.get_or_init(Arc::default);
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // In this order, so that only the second signal finds the flag set.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(requested))
            .and_then(|_| flag::register(signal, Arc::clone(requested)))
            .map_err(|error| Failure::Environment(miette!("can't watch for Ctrl-C: {error}")))?;
    }
    Ok(())
}

/// True once the user has asked to stop.
pub fn requested() -> bool {
    REQUESTED.get().is_some_and(|requested| requested.load(Ordering::SeqCst))
}

/// Fails once the user has asked to stop.
pub fn check() -> Result<(), Failure> {
    match requested() {
        true => Err(Failure::Environment(miette!("interrupted"))),
        false => Ok(()),
    }
}
