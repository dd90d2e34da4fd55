//! The agent as a whole: inits on its sockets, the embedded broker as its bus, a reader behind that.

mod path;
mod support;
