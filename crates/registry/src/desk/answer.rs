//! What is said to a request of the admin protocol.

use access::RevocationId;

use super::Desk;
use crate::admin::{KeyInfo, Request, Response, StoreInfo, TokenInfo, Verdict};
use crate::{Error, Limits};

impl Desk {
    /// Does what is asked, and says what came of it. Costs a few syncs at most, and a pass over the lists for the lists.
    pub fn answer(&mut self, request: Request, now_ns: i64) -> Response {
        self.try_answer(request, now_ns).unwrap_or_else(|error| Response::refusal(&error))
    }

    fn try_answer(&mut self, request: Request, now_ns: i64) -> Result<Response, Error> {
        Ok(match request {
            Request::Orgs {} => Response::Orgs(self.registry.state().orgs().cloned().collect()),
            Request::CreateOrg { slug } => Response::Org(self.registry.create_org(&slug, now_ns)?),
            Request::RenameOrg { org, slug } => {
                let id = self.org_id(&org)?;
                Response::Org(self.registry.rename_org(&id, &slug)?)
            }
            Request::EndOrg { org } => {
                let id = self.org_id(&org)?;
                self.registry.end_org(&id, now_ns)?;
                Response::Ok {}
            }
            Request::Mint { org, limits, name } => {
                let (token, minted) = self.mint(&org, &limits, &name, now_ns)?;
                let info = self.token_info(&minted, now_ns);
                Response::Minted { token, info: Box::new(info) }
            }
            Request::Revoke { token } => {
                let revoked = match token.trim().parse::<RevocationId>() {
                    Ok(id) => self.revoke_id(id)?,
                    Err(_) => self.revoke_token(&token)?,
                };
                Response::Revoked { id: revoked.id.to_string(), is_known: revoked.is_known }
            }
            Request::Tokens { org } => {
                let org = org.map(|name| self.org_id(&name)).transpose()?;
                let wanted =
                    self.registry.tokens().filter(|token| org.as_ref().is_none_or(|org| token.org == *org));
                let mut tokens: Vec<_> = wanted.map(|token| self.token_info(token, now_ns)).collect();
                tokens.sort_by(|a, b| (a.created_ns, &a.id).cmp(&(b.created_ns, &b.id)));
                Response::Tokens(tokens)
            }
            Request::Verify { token } => Response::Verdict(self.verdict(&token, now_ns)),
            Request::Keys {} => Response::Keys(self.key_infos(now_ns)),
            Request::Rotate { retire_after_s } => {
                self.rotate(retire_ns(retire_after_s, now_ns), now_ns)?;
                Response::Keys(self.key_infos(now_ns))
            }
            Request::Stores {} => self.stores(),
            Request::AssignShards { store, shards } => {
                self.registry.assign_shards(shards, &store)?;
                self.stores()
            }
            Request::ForgetStore { store } => {
                self.registry.forget_store(&store)?;
                self.stores()
            }
        })
    }

    fn stores(&self) -> Response {
        let state = self.registry.state();
        let info = |name: &line::Name| StoreInfo {
            name: name.to_string(),
            shards: state.shards_of(name.as_str()).collect(),
        };
        Response::Stores(state.stores().map(info).collect())
    }

    fn token_info(&self, token: &crate::Minted, now_ns: i64) -> TokenInfo {
        let state = self.registry.state();
        let is_key_good = state.key(token.key).is_some_and(|key| key.is_valid_at(now_ns));
        let standing = if state.is_revoked(&token.id) {
            "revoked"
        } else if token.until_ns() <= now_ns {
            "expired"
        } else if is_key_good {
            "good"
        } else {
            "key retired"
        };
        TokenInfo {
            id: crate::text::Hex(&token.id).to_string(),
            org: token.org.to_string(),
            slug: state.org(&token.org).map(|org| org.slug.to_string()).unwrap_or_default(),
            name: token.name.clone(),
            limits: token.limits.clone(),
            key: token.key,
            created_ns: token.created_ns,
            standing: standing.to_owned(),
        }
    }

    fn verdict(&self, token: &str, now_ns: i64) -> Verdict {
        let slug = |org: &line::OrgId| self.registry.state().org(org).map(|org| org.slug.to_string());
        match self.verify(token, now_ns) {
            Ok(grant) => {
                Verdict { slug: slug(&grant.org), limits: Some(Limits::of(&grant.scope)), refusal: None }
            }
            Err(refusal) => {
                let org = access::inspect(token).ok().map(|claims| claims.org);
                Verdict {
                    slug: org.and_then(|org| slug(&org)),
                    limits: None,
                    refusal: Some(refusal.to_string()),
                }
            }
        }
    }

    fn key_infos(&self, now_ns: i64) -> Vec<KeyInfo> {
        let keys = self.registry.state().keys();
        let signing = keys.filter(|key| key.retired_ns.is_none()).last().map(|key| key.id);
        let keys = self.registry.state().keys();
        keys.map(|key| KeyInfo {
            id: key.id,
            public: crate::text::Hex(&key.public).to_string(),
            from_ns: key.from_ns,
            retired_ns: key.retired_ns,
            is_valid: key.is_valid_at(now_ns),
            signs: signing == Some(key.id),
        })
        .collect()
    }
}

/// From when on a key is refused that is to be good for so long. At once means by any clock, for others' may be behind.
fn retire_ns(retire_after_s: u64, now_ns: i64) -> i64 {
    if retire_after_s == 0 {
        return 0;
    }
    let after_ns = i64::try_from(retire_after_s).unwrap_or(i64::MAX).saturating_mul(super::SECOND);
    now_ns.saturating_add(after_ns)
}
