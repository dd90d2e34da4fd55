//! Which shard an app's lines belong to. Each shard is owned by one store; agents, stores and the registry agree on the number.

use crate::{Address, Name, OrgId};

/// How many shards there are: a shard's number is one byte.
pub const SHARDS: usize = 256;

/// The shard of an app: the low byte of the CRC-32 of `<org>.<app>`, which is how [`Address::key`] begins. It never changes:
/// what is stored is found by it.
pub fn of(org: &OrgId, app: &Name) -> u8 {
    let mut hasher = crc32fast::Hasher::new();
    for part in [org.as_str(), ".", app.as_str()] {
        hasher.update(part.as_bytes());
    }
    low_byte(hasher.finalize())
}

/// The shard of a Machine's app.
pub fn of_address(address: &Address) -> u8 {
    of(&address.org, &address.app)
}

/// The shard of the app of [`Address::key`]; of any other bytes, that of what stands before their second dot.
pub fn of_key(key: &[u8]) -> u8 {
    let dot = memchr::memchr_iter(b'.', key).nth(1);
    low_byte(crc32fast::hash(dot.and_then(|at| key.get(..at)).unwrap_or(key)))
}

const fn low_byte(hash: u32) -> u8 {
    hash.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_has_one_shard_however_it_is_asked_for() {
        let address =
            |region, instance| Address::new(OrgId::new("k3f9").unwrap(), "My.App", region, instance).unwrap();
        let (one, other) = (address("lhr", "i1"), address("ams", "i2"));
        let shard = of(&one.org, &one.app);
        for address in [one, other] {
            assert_eq!((of_address(&address), of_key(address.key().as_bytes())), (shard, shard));
        }
        // Written down: what is stored is found by it.
        assert_eq!((shard, of_key(b"k3f9.web.lhr.i1"), of_key(b"k3f9.web"), of_key(b"")), (67, 181, 181, 0));
    }

    #[test]
    fn apps_spread_over_the_shards() {
        let mut counts = [0_u32; SHARDS];
        for number in 0..SHARDS * 64 {
            counts[usize::from(of_key(format!("k3f9.app-{number}.lhr.i1").as_bytes()))] += 1;
        }
        assert!(counts.iter().all(|count| (20..160).contains(count)), "{counts:?}");
    }
}
