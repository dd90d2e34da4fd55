//! Live tail: history, then lines as they come, stitched without a hole, resumable by a cursor.

mod cursor;
mod weave;
