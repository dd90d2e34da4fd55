//! `/api/v1/apps/:app/logs`: a page of lines, as flyctl reads it.

use std::sync::Arc;

use super::{app_of, not_here_yet};
use crate::reply::{Refused, Reply};
use crate::serve::{Api, Asked};

pub(crate) async fn answer(_api: &Arc<Api>, asked: &mut Asked) -> Result<Reply, Refused> {
    app_of(asked)?;
    Err(not_here_yet())
}
