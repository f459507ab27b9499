//! How far a long capture has been read, on a terminal.

use std::{io::IsTerminal as _, path::PathBuf};

use indicatif::{ProgressBar, ProgressStyle};

/// The bar; nothing where nobody looks.
pub(crate) struct Bar {
    bar: Option<ProgressBar>,
    /// Records until it is drawn again: looking at the clock for each would cost more than the record.
    left: u32,
}

impl Bar {
    /// For these files, if standard error is a terminal and there is enough to read.
    pub(crate) fn new(files: &[PathBuf]) -> Self {
        let sizes = files
            .iter()
            .map(|file| std::fs::metadata(file).map(|file| file.len()));
        let total: Option<u64> = sizes.map(Result::ok).sum();
        let shown = std::io::stderr().is_terminal() && total.is_none_or(|total| total > WORTH_A_BAR);
        let bar = shown.then(|| match total {
            Some(total) => ProgressBar::new(total).with_style(style(KNOWN_LENGTH)),
            None => ProgressBar::no_length().with_style(style(UNKNOWN_LENGTH)),
        });
        Self { bar, left: EVERY }
    }

    /// Whether it is time to draw it.
    #[inline]
    pub(crate) fn is_due(&mut self) -> bool {
        self.left -= 1;
        if self.left > 0 {
            return false;
        }
        self.left = EVERY;
        self.bar.is_some()
    }

    /// Draws it: so many bytes were read.
    pub(crate) fn show(&self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
        }
    }

    /// Takes it away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

const KNOWN_LENGTH: &str = "{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
const UNKNOWN_LENGTH: &str = "{spinner} {bytes}, {bytes_per_sec}";
/// A shorter file is read in a blink.
const WORTH_A_BAR: u64 = 100 << 20;
const EVERY: u32 = 8_192;
