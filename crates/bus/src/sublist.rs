//! Which subscriptions a subject reaches: a tree of tokens, with the answers for recent subjects kept.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::subject::tokens;

/// Answers that are kept. When there are more, all are dropped and made anew.
const MAX_CACHED: usize = 16 * 1024;

/// Subscriptions by pattern. `T` is a cheap handle on one.
#[derive(Debug)]
pub struct Sublist<T> {
    root: Node<T>,
    cache: HashMap<Bytes, Arc<Matched<T>>>,
    count: usize,
}

/// The subscriptions that a subject reaches.
#[derive(Debug)]
pub struct Matched<T> {
    /// Those that each get the message.
    pub plain: Vec<T>,
    /// Those of which one member of each group gets it.
    pub groups: Vec<Vec<T>>,
}

#[derive(Debug)]
struct Node<T> {
    children: HashMap<Bytes, Node<T>>,
    /// Subscriptions whose pattern ends here, with their queue group.
    ends: Vec<(Option<Bytes>, T)>,
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { children: HashMap::new(), ends: Vec::new() }
    }
}

impl<T: Clone + PartialEq> Default for Sublist<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Clone + PartialEq> Sublist<T> {
    /// An empty list.
    pub fn new() -> Self {
        Self { root: Node::default(), cache: HashMap::new(), count: 0 }
    }

    /// How many subscriptions there are.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a subscription to a legal pattern.
    pub fn insert(&mut self, pattern: &Bytes, queue: Option<Bytes>, handle: T) {
        let mut node = &mut self.root;
        for token in tokens(pattern) {
            node = node.children.entry(pattern.slice_ref(token)).or_default();
        }
        node.ends.push((queue, handle));
        self.count += 1;
        self.cache.clear();
    }

    /// Removes the subscription of that pattern and handle; `false` if there is none.
    pub fn remove(&mut self, pattern: &[u8], handle: &T) -> bool {
        let path: Vec<&[u8]> = tokens(pattern).collect();
        let found = remove_below(&mut self.root, &path, handle);
        if found {
            self.count -= 1;
            self.cache.clear();
        }
        found
    }

    /// The subscriptions that the literal `subject` reaches.
    pub fn matched(&mut self, subject: &Bytes) -> Arc<Matched<T>> {
        if let Some(found) = self.cache.get(subject) {
            return Arc::clone(found);
        }
        let path: Vec<&[u8]> = tokens(subject).collect();
        let (mut plain, mut groups) = (Vec::new(), HashMap::new());
        collect(&self.root, &path, &mut plain, &mut groups);
        let found = Arc::new(Matched { plain, groups: groups.into_values().collect() });
        if self.cache.len() >= MAX_CACHED {
            self.cache.clear();
        }
        // A copy of its own: the subject is a slice of a read buffer, which would be kept whole.
        self.cache.insert(Bytes::copy_from_slice(subject), Arc::clone(&found));
        found
    }
}

fn remove_below<T: PartialEq>(node: &mut Node<T>, path: &[&[u8]], handle: &T) -> bool {
    let Some((token, rest)) = path.split_first() else {
        let at = node.ends.iter().position(|(_, h)| h == handle);
        return at.map(|at| node.ends.swap_remove(at)).is_some();
    };
    let Some(child) = node.children.get_mut(*token) else { return false };
    let found = remove_below(child, rest, handle);
    if child.ends.is_empty() && child.children.is_empty() {
        node.children.remove(*token);
    }
    found
}

fn collect<T: Clone>(
    node: &Node<T>,
    path: &[&[u8]],
    plain: &mut Vec<T>,
    groups: &mut HashMap<Bytes, Vec<T>>,
) {
    let mut add = |node: &Node<T>| {
        for (queue, handle) in &node.ends {
            match queue {
                None => plain.push(handle.clone()),
                Some(queue) => groups.entry(queue.clone()).or_default().push(handle.clone()),
            }
        }
    };
    let Some((token, rest)) = path.split_first() else { return add(node) };
    if let Some(tail) = node.children.get(&b">"[..]) {
        add(tail);
    }
    for name in [*token, b"*"] {
        if let Some(child) = node.children.get(name) {
            collect(child, rest, plain, groups);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::matches;
    use proptest::prelude::*;

    #[test]
    fn groups_are_by_queue_and_removal_forgets() {
        let mut list = Sublist::new();
        let pattern = Bytes::from_static(b"a.*");
        for (queue, handle) in [(None, 1), (Some("q"), 2), (Some("q"), 3), (Some("r"), 4)] {
            list.insert(&pattern, queue.map(Bytes::from_static_str), handle);
        }
        let found = list.matched(&Bytes::from_static(b"a.b"));
        assert_eq!((found.plain.clone(), found.groups.len()), (vec![1], 2));
        assert!(list.remove(b"a.*", &1) && !list.remove(b"a.*", &1) && !list.remove(b"a.b", &2));
        assert!(list.matched(&Bytes::from_static(b"a.b")).plain.is_empty());
        assert_eq!(list.len(), 3);
    }

    trait FromStaticStr {
        fn from_static_str(text: &'static str) -> Self;
    }

    impl FromStaticStr for Bytes {
        fn from_static_str(text: &'static str) -> Self {
            Self::from_static(text.as_bytes())
        }
    }

    proptest! {
        #[test]
        fn the_tree_finds_what_one_by_one_finds(
            patterns in proptest::collection::vec("((a|b|\\*)(\\.(a|b|\\*)){0,3}(\\.>)?)|>", 0..12),
            removed in proptest::collection::vec(any::<bool>(), 12),
            subjects in proptest::collection::vec("(a|b|c)(\\.(a|b|c)){0,4}", 1..6),
        ) {
            let mut list = Sublist::new();
            for (handle, pattern) in patterns.iter().enumerate() {
                list.insert(&Bytes::from(pattern.clone()), None, handle);
            }
            for round in 0..2 {
                for subject in &subjects {
                    let mut found = list.matched(&Bytes::from(subject.clone())).plain.clone();
                    found.sort_unstable();
                    let wanted: Vec<usize> = (0..patterns.len())
                        .filter(|at| round == 0 || !removed[*at])
                        .filter(|at| matches(patterns[*at].as_bytes(), subject.as_bytes()))
                        .collect();
                    prop_assert_eq!(found, wanted, "{}", subject);
                }
                if round == 0 {
                    for (handle, pattern) in patterns.iter().enumerate().filter(|(at, _)| removed[*at]) {
                        prop_assert!(list.remove(pattern.as_bytes(), &handle));
                    }
                }
            }
        }
    }
}
