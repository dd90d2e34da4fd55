//! The path to the store and back: what is printed or brought is found, once, by those whose it is and by nobody else, whatever
//! happens to processes, disks and queries meanwhile.

mod ended;
mod exported;
mod found;
mod full_disk;
mod killed;
mod late;
mod moved;
mod queries;
mod refused;
mod rows;
mod stores;
