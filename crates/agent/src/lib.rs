//! The host agent: accept Machine sockets, split, stamp, spool on disk, publish.

pub mod disk;
pub mod journal;
pub mod spool;
