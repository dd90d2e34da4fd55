//! Promise 4 over HTTP: whoever tails gets each line once and in order, whatever is killed meanwhile, and however often it goes away and
//! comes again. The parts run apart: a nats-server, HTTP with the registry, a store, and a host on which the apps are.

mod kills;
mod many;
mod world;
