//! Who may log in to the broker.

use super::User;
use crate::roles::Role;
use crate::session::Connect;

/// The role of the user that logs in so. All users are looked at, so that the time tells nothing of which exist.
pub(super) fn find(users: &[User], connect: &Connect) -> Option<Role> {
    let mut found = None;
    for user in users {
        let same_user = same(user.credentials.user.as_bytes(), connect.user.as_bytes());
        let same_password = same(user.credentials.password.as_bytes(), connect.pass.as_bytes());
        if same_user & same_password {
            found = Some(user.role);
        }
    }
    found
}

/// Compares in a time that depends on the lengths alone.
fn same(a: &[u8], b: &[u8]) -> bool {
    let differing = a.iter().zip(b).fold(0, |sum, (x, y)| sum | (x ^ y));
    a.len() == b.len() && std::hint::black_box(differing) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Credentials;

    #[test]
    fn logins() {
        let credentials = Credentials { user: "agent".to_owned(), password: "secret".to_owned() };
        let users = [User { role: Role::Agent, credentials }];
        for (json, found) in [
            (r#"{"user":"agent","pass":"secret"}"#, Some(Role::Agent)),
            ("{}", None),
            (r#"{"user":"agent"}"#, None),
            (r#"{"user":"agent","pass":"secre"}"#, None),
            (r#"{"user":"agent","pass":"secretx"}"#, None),
            (r#"{"user":"agents","pass":"secret"}"#, None),
            (r#"{"auth_token":"secret"}"#, None),
        ] {
            assert_eq!(find(&users, &Connect::read(json.as_bytes()).unwrap()), found, "{json}");
        }
    }
}
