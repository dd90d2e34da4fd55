//! Which fields a query has to be given.

use std::collections::BTreeSet;

use crate::field;
use crate::names::{Name, Names};

/// Fields that are needed. It may be more than is really looked at, never less. Names are those that rows have, not
/// their aliases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fields {
    /// All that a row has, save these.
    All {
        /// Fields that nobody looks at.
        except: BTreeSet<String>,
    },
    /// These, and no others.
    Only {
        /// By name.
        names: BTreeSet<String>,
        /// All that begin with one of these.
        prefixes: BTreeSet<String>,
    },
}

impl Fields {
    /// All fields.
    pub const fn all() -> Self {
        Self::All { except: BTreeSet::new() }
    }

    /// None.
    pub const fn none() -> Self {
        Self::Only { names: BTreeSet::new(), prefixes: BTreeSet::new() }
    }

    /// Whether `name` is needed.
    pub fn has(&self, name: &str) -> bool {
        let name = field::resolve(name);
        match self {
            Self::All { except } => !except.contains(name),
            Self::Only { names, prefixes } => {
                names.contains(name) || prefixes.iter().any(|prefix| name.starts_with(prefix))
            }
        }
    }

    /// Whether any field that `wanted` means may be needed.
    pub(crate) fn has_any(&self, wanted: &Name) -> bool {
        match (wanted, self) {
            (Name::Exact(name), _) => self.has(name),
            (Name::Prefix(_), Self::All { .. }) => true,
            (Name::Prefix(prefix), Self::Only { names, prefixes }) => {
                names.iter().any(|name| name.starts_with(prefix))
                    || prefixes.iter().any(|other| other.starts_with(prefix) || prefix.starts_with(other))
            }
        }
    }

    /// Adds one.
    pub fn add(&mut self, name: &str) {
        let name = field::resolve(name);
        match self {
            Self::All { except } => {
                except.remove(name);
            }
            Self::Only { names, .. } => {
                names.insert(name.to_owned());
            }
        }
    }

    /// Adds those of a list.
    pub fn add_names(&mut self, wanted: &Names) {
        if wanted.is_all() {
            *self = Self::all();
        }
        for name in &wanted.0 {
            match (name, &mut *self) {
                (Name::Exact(name), _) => self.add(name),
                (Name::Prefix(prefix), Self::All { except }) => {
                    except.retain(|name| !name.starts_with(prefix.as_str()));
                }
                (Name::Prefix(prefix), Self::Only { prefixes, .. }) => {
                    prefixes.insert(prefix.clone());
                    // A prefix may be that of an alias.
                    for (alias, name) in field::ALIASES {
                        if alias.starts_with(prefix.as_str()) {
                            self.add(name);
                        }
                    }
                }
            }
        }
    }

    /// Takes one away, because whatever value it has is overwritten.
    pub fn remove(&mut self, name: &str) {
        let name = field::resolve(name);
        match self {
            Self::All { except } => {
                except.insert(name.to_owned());
            }
            // Where a prefix asks for it too, it stays.
            Self::Only { names, .. } => {
                names.remove(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_and_less() {
        let mut needs = Fields::all();
        needs.remove("fly.app.name");
        assert!(!needs.has("app") && needs.has("x"));
        needs.add_names(&Names(vec![Name::Prefix("ap".into())]));
        assert!(needs.has("app"));

        let mut needs = Fields::none();
        needs.add("a");
        needs.add_names(&Names(vec![Name::Prefix("b.".into()), Name::Prefix("fly.re".into())]));
        assert!(needs.has("a") && needs.has("b.x") && needs.has("region") && !needs.has("c"));
        assert!(needs.has_any(&Name::Prefix("b".into())) && !needs.has_any(&Name::Prefix("c".into())));
        needs.remove("a");
        assert!(!needs.has("a"));
        needs.add_names(&Names::all());
        assert_eq!(needs, Fields::all());
    }
}
