//! The program as a whole: each binary that can be init, with a host agent that the tests play.
//!
//! The rows are those of the list of behaviours that an init must show; the numbers in the names of the tests are theirs.

mod agent;
mod capture;
mod run;
mod starts;
