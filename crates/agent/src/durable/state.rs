//! What others may know of the way to the store.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::dead::DeadLetters;
use crate::admin::StoreStatus;
use crate::config::{Config, ToStore};

/// What is said when nothing is in the way.
pub(super) const OK: &str = "ok";

#[derive(Debug)]
struct State {
    word: String,
    lag: Duration,
    lag_bytes: u64,
    failing_shards: usize,
}

/// How it stands with the store.
#[derive(Debug)]
pub(crate) struct StoreState {
    /// What the store refused.
    pub(super) dead: DeadLetters,
    state: Mutex<State>,
}

impl StoreState {
    /// At the start.
    pub(crate) fn new(config: &Config, store: &ToStore) -> Self {
        let dead = DeadLetters::open(Arc::clone(&config.disk), &config.data_dir, store.dead_letter_bytes);
        let word = "connecting".to_owned();
        let state = State { word, lag: Duration::ZERO, lag_bytes: 0, failing_shards: 0 };
        Self { dead, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is in the way, or [`OK`]; and how many shards it stands in the way of.
    pub(super) fn set(&self, word: &str, failing_shards: usize) {
        let mut state = self.state();
        if state.word != word {
            word.clone_into(&mut state.word);
        }
        state.failing_shards = failing_shards;
    }

    /// The sentence.
    pub(super) fn word(&self) -> String {
        self.state().word.clone()
    }

    /// How far what the store has is behind, in time and in bytes of records.
    pub(super) fn lags(&self, lag: Duration, bytes: u64) {
        let mut state = self.state();
        (state.lag, state.lag_bytes) = (lag, bytes);
    }

    /// For whoever asks the agent how it is.
    pub(crate) fn status(&self) -> StoreStatus {
        let (dead_letters, dead_letters_not_kept) = self.dead.list();
        let state = self.state();
        StoreStatus {
            state: state.word.clone(),
            lag_seconds: state.lag.as_secs_f64(),
            lag_bytes: state.lag_bytes,
            failing_shards: state.failing_shards as u64,
            dead_letters,
            dead_letters_not_kept,
        }
    }
}
