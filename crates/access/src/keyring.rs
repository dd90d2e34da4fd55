//! Making tokens and checking them. The one file that knows how a Biscuit is put together.

use biscuit_auth::UnverifiedBiscuit;
use biscuit_auth::builder::{BiscuitBuilder, BlockBuilder};
use biscuit_auth::error::{Format, Token as BiscuitError};
use line::OrgId;

use crate::block::{self, Block};
use crate::text::{MAX_BLOCKS, encoded, finish};
use crate::{Error, Grant, PublicKey, Refusal, RevocationId, Scope, SigningKey};

/// What the rest of Logway asks of tokens, whatever they are made of.
pub trait Tokens {
    /// Makes a token for `org`, limited to `scope`.
    ///
    /// # Errors
    /// [`Error::NoSigningKey`], or [`Error::Scope`] if the scope allows nothing, or [`Error::TooLong`].
    fn mint(&self, org: &OrgId, scope: &Scope) -> Result<String, Error>;

    /// What `token` is worth at `now_s` (Unix seconds). Whether it was revoked is not known here: compare
    /// [`Grant::revocation_ids`]. It costs a signature check for each block, some 50 µs each, and at most [`MAX_BLOCKS`].
    ///
    /// # Errors
    /// A [`Refusal`], which is for the audit log and not for the client.
    fn verify(&self, token: &str, now_s: u64) -> Result<Grant, Refusal>;
}

/// The keys that count: any number to check with, and one to sign with where tokens are made.
#[derive(Debug, Default, PartialEq)]
pub struct Keyring {
    signing: Option<SigningKey>,
    public: Vec<PublicKey>,
}

impl Keyring {
    /// One that checks tokens that any of `keys` has signed.
    #[must_use]
    pub fn new(keys: Vec<PublicKey>) -> Self {
        Self { signing: None, public: keys }
    }

    /// The same, and it signs with `key`, whose public half counts too.
    #[must_use]
    pub fn with_signing_key(mut self, key: SigningKey) -> Self {
        self.add(key.public());
        self.signing = Some(key);
        self
    }

    /// Checks with this key too, and with no other of its number.
    pub(crate) fn add(&mut self, key: PublicKey) {
        self.public.retain(|known| known.id != key.id);
        self.public.push(key);
    }

    fn choose(&self, id: Option<u32>) -> Result<biscuit_auth::PublicKey, Format> {
        let known = self.public.iter().find(|known| Some(known.id) == id);
        known.map(|known| known.key).ok_or(Format::UnknownPublicKey)
    }
}

impl Tokens for Keyring {
    fn mint(&self, org: &OrgId, scope: &Scope) -> Result<String, Error> {
        let key = self.signing.as_ref().ok_or(Error::NoSigningKey)?;
        let made = BiscuitBuilder::new()
            .root_key_id(key.id)
            .code(block::write(Some(org), scope)?)
            .and_then(|builder| builder.build(&key.pair))
            .and_then(|biscuit| biscuit.to_base64());
        finish(strip_padding(&made.map_err(owner_error)?), 1)
    }

    fn verify(&self, token: &str, now_s: u64) -> Result<Grant, Refusal> {
        let encoded = encoded(token)?;
        // The blocks are counted before any signature is checked: that is what costs.
        let unchecked = UnverifiedBiscuit::from_base64(encoded).map_err(|_| Refusal::Malformed)?;
        if unchecked.block_count() > MAX_BLOCKS {
            return Err(Refusal::TooLong);
        }
        let key_id = unchecked.root_key_id().ok_or(Refusal::UnknownKey)?;
        self.choose(Some(key_id)).map_err(|_| Refusal::UnknownKey)?;
        let claims = claims(&unchecked);
        unchecked.verify(|id| self.choose(id)).map_err(|_| Refusal::Signature)?;
        let Claims { org, blocks, revocation_ids } = claims?;
        let mut scope = Scope::ALL;
        blocks.iter().for_each(|block| scope.narrow(block));
        match scope.not_after_s {
            Some(not_after_s) if now_s > not_after_s => Err(Refusal::Expired { not_after_s }),
            _ => Ok(Grant { org, scope, revocation_ids, key_id }),
        }
    }
}

/// What a token says, block by block, whoever signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Whose it is.
    pub org: OrgId,
    /// The limits that each block adds, the first one first.
    pub blocks: Vec<Scope>,
    /// By what each block is revoked.
    pub revocation_ids: Vec<RevocationId>,
}

/// Narrows `token` to what `scope` allows too. Its holder needs nobody for that, and no key.
///
/// # Errors
/// [`Error::Token`] if it is none of ours, [`Error::Scope`] if the scope allows nothing or everything, [`Error::TooLong`] if
/// it was narrowed too often.
pub fn attenuate(token: &str, scope: &Scope) -> Result<String, Error> {
    if *scope == Scope::ALL {
        return Err(Error::Scope(
            "that narrows nothing: name an app, a region, an instance, an action or an expiry",
        ));
    }
    let unchecked = read(token)?;
    claims(&unchecked).map_err(|why| Error::Token(why.to_string()))?;
    let narrowed = BlockBuilder::new()
        .code(block::write(None, scope)?)
        .and_then(|block| unchecked.append(block))
        .map_err(owner_error)?;
    finish(strip_padding(&narrowed.to_base64().map_err(owner_error)?), narrowed.block_count())
}

/// What `token` says. Nothing is checked: it may have been signed by anybody.
///
/// # Errors
/// [`Error::Token`] if it is none of ours.
pub fn inspect(token: &str) -> Result<Claims, Error> {
    claims(&read(token)?).map_err(|why| Error::Token(why.to_string()))
}

fn read(token: &str) -> Result<UnverifiedBiscuit, Error> {
    let encoded = encoded(token).map_err(|why| Error::Token(why.to_string()))?;
    UnverifiedBiscuit::from_base64(encoded).map_err(owner_error)
}

fn owner_error(why: BiscuitError) -> Error {
    Error::Token(why.to_string())
}

/// Padding means nothing, and has to be escaped in a URL.
fn strip_padding(encoded: &str) -> &str {
    encoded.trim_end_matches('=')
}

fn claims(token: &UnverifiedBiscuit) -> Result<Claims, Refusal> {
    let (mut org, mut blocks) = (None, Vec::new());
    for (index, signer) in token.external_public_keys().into_iter().enumerate() {
        let unknown = || Refusal::UnknownBlock(index);
        // A block that somebody else has signed on top means something in a language that is not ours.
        let source = token.print_block_source(index).ok().filter(|_| signer.is_none());
        let Block { org: named, scope } = source.as_deref().and_then(block::read).ok_or_else(unknown)?;
        if named.is_some() != (index == 0) {
            return Err(unknown());
        }
        org = org.or(named);
        blocks.push(scope);
    }
    let signatures = token.revocation_identifiers();
    let ids = signatures.iter().map(|signature| RevocationId::of_signature(signature));
    let revocation_ids: Vec<_> = ids.collect::<Option<_>>().ok_or(Refusal::Malformed)?;
    if revocation_ids.len() != blocks.len() {
        return Err(Refusal::Malformed);
    }
    Ok(Claims { org: org.ok_or(Refusal::Malformed)?, blocks, revocation_ids })
}

#[cfg(test)]
mod tests;
