//! The HTTP face: queries, live tail and inserts with the paths, arguments and answers of VictoriaLogs.

pub mod logs;

pub use logs::Logs;
