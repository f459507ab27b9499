//! The paths that a source names: `use` trees taken apart, names that they bring followed, and paths in the code.
//!
//! Sources are read as tokens, so comments and strings are none, and the inside of a macro's call is seen like all else.
//! What stands under `#[cfg(test)]` is left out. A name that another module exports again under its own path is not followed.

use std::collections::BTreeMap;

use anyhow::Context as _;
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// A path that a source names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mention {
    /// From a crate's name or `crate` on. A glob import ends in `*`.
    pub(crate) path: Vec<String>,
    /// Counted from 1.
    pub(crate) line: usize,
}

/// All paths of a source that is the module `module` of its crate (`crate` not included).
///
/// # Errors
/// If it is no Rust.
pub(crate) fn mentions(source: &str, module: &[String]) -> anyhow::Result<Vec<Mention>> {
    let tokens: TokenStream = source
        .parse()
        .map_err(|error| anyhow::anyhow!("{error}"))
        .context("this is no Rust")?;
    let mut walk = Walk::default();
    walk.stream(tokens, module);
    Ok(walk.resolved())
}

#[derive(Debug, Default)]
struct Walk {
    found: Vec<Mention>,
    /// Which path a name stands for, by a `use` somewhere in the file.
    names: BTreeMap<String, Vec<String>>,
}

impl Walk {
    fn stream(&mut self, stream: TokenStream, module: &[String]) {
        let tokens: Vec<_> = stream.into_iter().collect();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            if is_test_attribute(&tokens[at..]) {
                at = behind_item(&tokens, at + 2);
                continue;
            }
            match token {
                TokenTree::Ident(ident) if *ident == "use" => {
                    at = self.tree(&tokens, at + 1, &[], module);
                }
                TokenTree::Ident(ident) if *ident == "mod" => {
                    at += 1;
                    if let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) =
                        (tokens.get(at), tokens.get(at + 1))
                    {
                        self.stream(body.stream(), &[module, &[name.to_string()]].concat());
                        at += 2;
                    }
                }
                TokenTree::Ident(_) if !is_member(&tokens, at) => {
                    let (path, behind) = path(&tokens, at);
                    self.found.push(Mention {
                        path: absolute(path, module),
                        line: token.span().start().line,
                    });
                    at = behind;
                }
                TokenTree::Group(group) => {
                    self.stream(group.stream(), module);
                    at += 1;
                }
                _ => at += 1,
            }
        }
    }

    /// Takes in one branch of a `use` tree, and gives the place after it.
    fn tree(&mut self, tokens: &[TokenTree], mut at: usize, stem: &[String], module: &[String]) -> usize {
        let mut path = stem.to_vec();
        let mut line = 0;
        let mut name = None;
        while let Some(token) = tokens.get(at) {
            line = line.max(token.span().start().line);
            match token {
                TokenTree::Ident(ident) if *ident == "as" => {
                    name = tokens.get(at + 1).map(ToString::to_string);
                    at += 2;
                    continue;
                }
                // `a::{self}` is `a`.
                TokenTree::Ident(ident) if *ident == "self" && !path.is_empty() => {}
                TokenTree::Ident(ident) => path.push(ident.to_string()),
                TokenTree::Punct(punct) if punct.as_char() == '*' => path.push("*".to_owned()),
                TokenTree::Punct(punct) if punct.as_char() == ':' => {}
                TokenTree::Group(group) => {
                    self.branches(group, &path, module);
                    return at + 1;
                }
                _ => break,
            }
            at += 1;
        }
        let path = absolute(path, module);
        if let Some(name) = name.or_else(|| path.last().cloned()) {
            self.names.insert(name, path.clone());
            self.found.push(Mention { path, line });
        }
        at
    }

    fn branches(&mut self, group: &Group, stem: &[String], module: &[String]) {
        let tokens: Vec<_> = group.stream().into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            // Behind it stands a comma, or nothing.
            at = self.tree(&tokens, at, stem, module) + 1;
        }
    }

    /// The paths, with names that a `use` brought replaced by what they stand for.
    fn resolved(self) -> Vec<Mention> {
        let Self { mut found, names } = self;
        for mention in &mut found {
            let Some(full) = mention.path.first().and_then(|first| names.get(first)) else {
                continue;
            };
            if full.first() != mention.path.first() {
                mention.path.splice(..1, full.iter().cloned());
            }
        }
        found
    }
}

/// The path that begins here, and the place after it.
fn path(tokens: &[TokenTree], start: usize) -> (Vec<String>, usize) {
    let mut path = vec![tokens[start].to_string()];
    let mut at = start + 1;
    while let (Some(TokenTree::Punct(one)), Some(TokenTree::Punct(two)), Some(TokenTree::Ident(next))) =
        (tokens.get(at), tokens.get(at + 1), tokens.get(at + 2))
    {
        if one.as_char() != ':' || two.as_char() != ':' {
            break;
        }
        path.push(next.to_string());
        at += 3;
    }
    (path, at)
}

/// A field, a method or a lifetime: names without a path.
fn is_member(tokens: &[TokenTree], at: usize) -> bool {
    let before = |back: usize| match at.checked_sub(back).and_then(|at| tokens.get(at)) {
        Some(TokenTree::Punct(punct)) => Some(punct.as_char()),
        _ => None,
    };
    // `0..name` is a range.
    (before(1) == Some('.') && before(2) != Some('.')) || before(1) == Some('\'')
}

/// From `crate` on.
fn absolute(path: Vec<String>, module: &[String]) -> Vec<String> {
    let ups = path.iter().take_while(|word| *word == "super").count();
    let here = path.first().is_some_and(|word| word == "self");
    if ups == 0 && !here {
        return path;
    }
    let kept = module.len().saturating_sub(ups);
    let mut full = vec!["crate".to_owned()];
    full.extend_from_slice(&module[..kept]);
    full.extend(path.into_iter().skip(ups.max(usize::from(here))));
    full
}

/// `#[cfg(test)]`.
fn is_test_attribute(tokens: &[TokenTree]) -> bool {
    let [TokenTree::Punct(hash), TokenTree::Group(group), ..] = tokens else {
        return false;
    };
    hash.as_char() == '#'
        && group.delimiter() == Delimiter::Bracket
        && group.stream().to_string().replace(' ', "") == "cfg(test)"
}

/// The place after the item that begins here: after its body, or its semicolon.
fn behind_item(tokens: &[TokenTree], start: usize) -> usize {
    let is_end = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(punct) => punct.as_char() == ';',
        _ => false,
    };
    let is_use = matches!(tokens.get(start), Some(TokenTree::Ident(ident)) if *ident == "use");
    let length = tokens[start..].iter().position(|token| {
        // The braces of a `use` are not its end.
        is_end(token) && !(is_use && matches!(token, TokenTree::Group(_)))
    });
    length.map_or(tokens.len(), |length| start + length + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(source: &str) -> Vec<String> {
        let module = ["room".to_owned(), "file".to_owned()];
        let mentions = mentions(source, &module).unwrap();
        mentions
            .into_iter()
            .map(|mention| mention.path.join("::"))
            .collect()
    }

    #[test]
    fn use_trees_are_taken_apart() {
        let found = paths("use crate::{a, b::{self, C as D}, e::*}; use ::std::fs;");
        assert_eq!(
            found,
            ["crate::a", "crate::b", "crate::b::C", "crate::e::*", "std::fs"]
        );
    }

    #[test]
    fn names_that_a_use_brought_are_followed() {
        assert!(
            paths("use std::time; fn f() { time::Instant::now(); }")
                .contains(&"std::time::Instant::now".into())
        );
        assert!(paths("use a::b as c; type T = c::D;").contains(&"a::b::D".into()));
    }

    #[test]
    fn relative_paths_become_absolute() {
        let found = paths("use super::super::kernel; use self::part::X; mod inner { use super::super::y; }");
        assert_eq!(
            found,
            ["crate::kernel", "crate::room::file::part::X", "crate::room::y"]
        );
    }

    #[test]
    fn paths_in_code_and_in_macros_are_found() {
        let found = paths("fn f() { m!(std::fs::read(0..x::y)); }");
        assert!(found.contains(&"std::fs::read".into()), "{found:?}");
        assert!(found.contains(&"x::y".into()), "{found:?}");
    }

    #[test]
    fn comments_strings_and_members_are_no_paths() {
        let found = paths("//! std::fs\n/* std::io */ const A: &str = \"std::env\"; fn f() { a.kernel; }");
        assert!(
            !found.iter().any(|path| path.contains("std") || path == "kernel"),
            "{found:?}"
        );
    }

    #[test]
    fn tests_are_left_out_and_nothing_behind_them_is() {
        let found = paths(
            "#[cfg(test)] use std::{fs, io}; #[cfg(test)] #[expect(x)] mod tests { use std::env; } use std::process;",
        );
        assert_eq!(found, ["std::process"]);
    }

    #[test]
    fn lines_are_counted() {
        assert_eq!(mentions("\n\nuse std::fs;", &[]).unwrap()[0].line, 3);
    }
}
