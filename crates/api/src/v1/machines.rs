//! `/api/v1/machines`: instances, their boots and how they ended.

use std::sync::Arc;

use super::not_here_yet;
use crate::reply::{Refused, Reply};
use crate::serve::{Api, Asked};

pub(crate) async fn answer(_api: &Arc<Api>, _asked: &mut Asked) -> Result<Reply, Refused> {
    Err(not_here_yet())
}
