//! A Rust file, read as syntax: what it names and where, its functions, its public items, its test parts.

use std::ops::RangeInclusive;

use anyhow::{Context, Result};
use proc_macro2::{LineColumn, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// A function with a body.
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    /// From the line of its signature to that of its closing brace.
    pub(crate) lines: usize,
}

/// An item, field or variant that others can see.
pub(crate) struct Public {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) documented: bool,
}

/// A path as written, or as a `use` spells it out: `["std", "net", "TcpStream"]`.
pub(crate) struct Named {
    pub(crate) path: Vec<String>,
    pub(crate) line: usize,
    /// Followed by `!`.
    pub(crate) is_macro: bool,
}

/// What the rules want to know of a Rust file.
#[derive(Default)]
pub(crate) struct Source {
    /// From the root, with slashes.
    pub(crate) path: String,
    /// Lines of the file.
    pub(crate) lines: usize,
    pub(crate) functions: Vec<Function>,
    pub(crate) public: Vec<Public>,
    pub(crate) names: Vec<Named>,
    /// Attributes by their first word, with the line.
    pub(crate) attributes: Vec<(String, usize)>,
    /// Literals as they stand in the code, with the line; documentation is left out.
    pub(crate) literals: Vec<(String, usize)>,
    /// Lines of items under `#[cfg(test)]`.
    test_lines: Vec<RangeInclusive<usize>>,
    is_test_file: bool,
}

impl Source {
    /// Reads `text`; fails when it is not Rust.
    pub(crate) fn parse(path: &str, text: &str) -> Result<Self> {
        let file = syn::parse_file(text).with_context(|| format!("{path} is not Rust"))?;
        let tokens: TokenStream = text.parse().map_err(|error| anyhow::anyhow!("{path}: {error}"))?;
        let mut source = Self { path: path.to_owned(), lines: text.lines().count(), ..Self::default() };
        source.is_test_file = path.ends_with("/tests.rs") || path.split('/').any(|folder| folder == "tests");
        source.walk(tokens);
        source.visit_file(&file);
        Ok(source)
    }

    /// Whether `line` is part of the tests.
    pub(crate) fn is_test(&self, line: usize) -> bool {
        self.is_test_file || self.test_lines.iter().any(|range| range.contains(&line))
    }

    /// Collects paths, macro names and attributes, inside macros too.
    fn walk(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Ident(first) => {
                    let LineColumn { line, .. } = first.span().start();
                    let mut path = vec![first.to_string()];
                    while let [TokenTree::Punct(a), TokenTree::Punct(b), TokenTree::Ident(next), ..] =
                        &tokens[at + 1..]
                    {
                        if a.as_char() != ':' || b.as_char() != ':' {
                            break;
                        }
                        path.push(next.to_string());
                        at += 3;
                    }
                    let is_macro = is_punct(tokens.get(at + 1), '!') && !is_punct(tokens.get(at + 2), '=');
                    self.names.push(Named { path, line, is_macro });
                }
                TokenTree::Group(group) => {
                    // `#[...]`, or `#![...]` at the head of a file.
                    let before = |back: usize| at.checked_sub(back).and_then(|index| tokens.get(index));
                    let hash =
                        is_punct(before(1), '#') || is_punct(before(1), '!') && is_punct(before(2), '#');
                    if let (true, Some(TokenTree::Ident(word))) = (hash, group.stream().into_iter().next()) {
                        self.attributes.push((word.to_string(), word.span().start().line));
                        if word == "doc" {
                            at += 1;
                            continue;
                        }
                    }
                    self.walk(group.stream());
                }
                TokenTree::Literal(text) => {
                    self.literals.push((text.to_string(), text.span().start().line));
                }
                TokenTree::Punct(_) => {}
            }
            at += 1;
        }
    }

    fn function(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let (line, end) = (signature.span().start().line, body.span().end().line);
        self.functions.push(Function { name: signature.ident.to_string(), line, lines: end + 1 - line });
    }

    fn item(&mut self, visible: &syn::Visibility, name: &str, attributes: &[syn::Attribute], line: usize) {
        if matches!(visible, syn::Visibility::Public(_)) {
            self.public.push(Public { name: name.to_owned(), line, documented: is_documented(attributes) });
        }
    }
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

fn is_documented(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| attribute.path().is_ident("doc"))
}

fn is_cfg_test(attributes: &[syn::Attribute]) -> bool {
    let is_test = |attribute: &syn::Attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    };
    attributes.iter().any(is_test)
}

/// The paths that a `use` brings in, spelled out.
fn spell_out(tree: &syn::UseTree, before: &[String], out: &mut Vec<Vec<String>>) {
    let with = |word: String| before.iter().cloned().chain([word]).collect::<Vec<_>>();
    match tree {
        syn::UseTree::Path(path) => spell_out(&path.tree, &with(path.ident.to_string()), out),
        syn::UseTree::Name(name) => out.push(with(name.ident.to_string())),
        syn::UseTree::Rename(rename) => out.push(with(rename.ident.to_string())),
        syn::UseTree::Glob(_) => out.push(before.to_vec()),
        syn::UseTree::Group(group) => group.items.iter().for_each(|tree| spell_out(tree, before, out)),
    }
}

impl<'a> Visit<'a> for Source {
    fn visit_item(&mut self, item: &'a syn::Item) {
        use syn::Item;
        let line = item.span().start().line;
        let (visible, name, attributes) = match item {
            Item::Const(item) => (Some(&item.vis), item.ident.to_string(), &item.attrs),
            Item::Enum(item) => (Some(&item.vis), item.ident.to_string(), &item.attrs),
            Item::Fn(item) => (Some(&item.vis), item.sig.ident.to_string(), &item.attrs),
            Item::Static(item) => (Some(&item.vis), item.ident.to_string(), &item.attrs),
            Item::Struct(item) => (Some(&item.vis), item.ident.to_string(), &item.attrs),
            Item::Trait(item) => (Some(&item.vis), item.ident.to_string(), &item.attrs),
            Item::Type(item) => (Some(&item.vis), item.ident.to_string(), &item.attrs),
            // A module's documentation stands in its own file.
            Item::Mod(item) => (None, item.ident.to_string(), &item.attrs),
            Item::Impl(item) => (None, String::new(), &item.attrs),
            Item::Use(item) => (None, String::new(), &item.attrs),
            _ => return visit::visit_item(self, item),
        };
        if is_cfg_test(attributes) {
            self.test_lines.push(line..=item.span().end().line);
        }
        if let Some(visible) = visible {
            self.item(visible, &name, attributes, line);
        }
        visit::visit_item(self, item);
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        let (mut paths, line) = (Vec::new(), item.span().start().line);
        spell_out(&item.tree, &[], &mut paths);
        self.names.extend(paths.into_iter().map(|path| Named { path, line, is_macro: false }));
    }

    fn visit_item_enum(&mut self, item: &'a syn::ItemEnum) {
        for variant in &item.variants {
            let name = format!("{}::{}", item.ident, variant.ident);
            self.item(&item.vis, &name, &variant.attrs, variant.span().start().line);
        }
        visit::visit_item_enum(self, item);
    }

    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        self.function(&item.sig, &item.block);
        self.item(&item.vis, &item.sig.ident.to_string(), &item.attrs, item.span().start().line);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'a syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.function(&item.sig, body);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_field(&mut self, field: &'a syn::Field) {
        if let Some(name) = &field.ident {
            self.item(&field.vis, &name.to_string(), &field.attrs, field.span().start().line);
        }
        visit::visit_field(self, field);
    }
}

#[cfg(test)]
mod tests;
