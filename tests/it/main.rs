//! The whole path, one module for each promise.

mod parts;
