//! What pages and views of associations share: how states are shown, plots over time, words, the style sheet.
//!
//! The page about a capture, the page of a running agent and `top` show the same by the same means.

pub(crate) mod axis;
pub(crate) mod frame;
pub(crate) mod incidents;
pub(crate) mod live;
pub(crate) mod plots;
pub(crate) mod series;
pub(crate) mod span;
pub(crate) mod state;
pub(crate) mod target;
pub(crate) mod timeline;
pub(crate) mod words;

/// What a page that is one file does: filters, unfolds, and shows the time under the pointer.
pub(crate) const SCRIPT: &str = include_str!("page.js");

/// Colours for light and dark, matrix, plots, timeline.
pub(crate) const STYLE: &str = include_str!("page.css");
