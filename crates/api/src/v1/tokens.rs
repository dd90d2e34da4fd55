//! `/api/v1/tokens`: the org's tokens.

use std::sync::Arc;

use hyper::body::Incoming;

use super::not_here_yet;
use crate::reply::{Refused, Reply};
use crate::serve::{Api, Asked};

pub(crate) async fn create(_api: &Arc<Api>, _asked: &Asked, _body: Incoming) -> Result<Reply, Refused> {
    Err(not_here_yet())
}

pub(crate) async fn list(_api: &Arc<Api>, _asked: &Asked) -> Result<Reply, Refused> {
    Err(not_here_yet())
}

pub(crate) async fn revoke(_api: &Arc<Api>, _asked: &Asked) -> Result<Reply, Refused> {
    Err(not_here_yet())
}

pub(crate) async fn attenuate(_api: &Arc<Api>, _asked: &Asked, _body: Incoming) -> Result<Reply, Refused> {
    Err(not_here_yet())
}
