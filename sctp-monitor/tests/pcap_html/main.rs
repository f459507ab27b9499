//! The page that `pcap --html` writes, as headless Chromium shows it.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is how it fails")]

mod browser;
mod captured;
mod hostile;
mod report;
