//! Capture files, whole and broken.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is how it fails")]

mod broken;
mod files;
mod layers;
mod merging;
mod support;
