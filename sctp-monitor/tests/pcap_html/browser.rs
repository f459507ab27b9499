//! Chromium, in a network namespace without any NIC: what it shows it found in the page.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use scraper::{Html, Selector};
use sctp_monitor_lab::{Namespace, skip};
use tempfile::TempDir;

/// A browser, and a folder of its own.
pub(crate) struct Browser {
    namespace: Namespace,
    program: PathBuf,
    folder: TempDir,
}

/// A page as it was rendered.
pub(crate) struct Page {
    dom: Html,
    text: String,
}

impl Browser {
    /// `None` if there is no Chromium: the test counts as skipped then, and in CI it fails.
    pub(crate) fn find(test: &str) -> Option<Self> {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let program = std::env::split_paths(&paths)
            .map(|folder| folder.join("chromium"))
            .find(|program| program.is_file());
        let Some(program) = program else {
            skip(test, "there is no chromium; run `cargo xtask setup`");
            return None;
        };
        Some(Self {
            namespace: Namespace::new("browser").unwrap(),
            program,
            folder: tempfile::tempdir().unwrap(),
        })
    }

    /// Where files may be put.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Opens a page, runs its script, and asserts what holds for every page.
    pub(crate) fn open(&self, file: &Path, fragment: &str) -> Page {
        let output = self.run(&["--dump-dom"], file, fragment);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let page = Page {
            dom: Html::parse_document(&text),
            text,
        };
        page.assert_sound();
        page
    }

    /// Opens a page in which somebody does something: `deed` is a script that runs when the page is ready.
    pub(crate) fn open_and_do(&self, file: &Path, deed: &str) -> Page {
        let acted = self.folder().join("acted.html");
        let page = fs::read_to_string(file).unwrap();
        let script =
            format!("<script>addEventListener('DOMContentLoaded', () => {{ {deed} }})</script></body>");
        fs::write(&acted, page.replace("</body>", &script)).unwrap();
        self.open(&acted, "")
    }

    /// Draws a page; the answer is the picture's width and height, and its size in bytes.
    pub(crate) fn draw(&self, file: &Path, (width, height): (u32, u32)) -> (u32, u32, usize) {
        let picture = self.folder().join("page.png");
        let size = format!("--window-size={width},{height}");
        let output = self.run(&[&format!("--screenshot={}", picture.display()), &size], file, "");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let bytes = fs::read(&picture).unwrap();
        assert_eq!(bytes[1..4], *b"PNG");
        let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        (number(16), number(20), bytes.len())
    }

    fn run(&self, arguments: &[&str], file: &Path, fragment: &str) -> Output {
        let profile = tempfile::tempdir_in(self.folder()).unwrap();
        self.namespace
            .command(&self.program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--hide-scrollbars",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .args(arguments)
            .arg(format!("file://{}{fragment}", file.display()))
            .output()
            .unwrap()
    }
}

impl Page {
    /// All elements that a selector selects.
    pub(crate) fn all(&self, selector: &str) -> Vec<scraper::ElementRef<'_>> {
        self.dom.select(&Selector::parse(selector).unwrap()).collect()
    }

    /// The one element that a selector selects.
    pub(crate) fn one(&self, selector: &str) -> scraper::ElementRef<'_> {
        let all = self.all(selector);
        assert_eq!(all.len(), 1, "{selector}");
        all[0]
    }

    /// The words of the one element that a selector selects.
    pub(crate) fn words(&self, selector: &str) -> String {
        words(self.one(selector))
    }

    /// Bytes of the rendered page.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// The script ran without an error, and the page neither loads nor links to anything but itself.
    fn assert_sound(&self) {
        let root = self.one("html");
        assert_eq!(root.attr("data-error"), None, "an error of the script");
        assert_eq!(root.attr("data-script"), Some("ran"));
        for name in ["src", "href", "action", "data", "srcset", "poster", "background"] {
            for element in self.all(&format!("[{name}]")) {
                let target = element.attr(name).unwrap();
                assert!(target.starts_with('#'), "{name}={target}");
            }
        }
        for style in self.all("style, [style]") {
            let text: String = style.text().collect::<String>() + style.attr("style").unwrap_or_default();
            for loads in ["url(", "@import"] {
                assert!(!text.contains(loads), "{loads} in {text}");
            }
        }
        assert!(
            self.all("img, iframe, object, embed, link, script[src], image, use")
                .is_empty()
        );
        let policy = self.one("meta[http-equiv=Content-Security-Policy]");
        assert!(policy.attr("content").unwrap().starts_with("default-src 'none'"));
    }
}

/// The words of an element.
pub(crate) fn words(element: scraper::ElementRef<'_>) -> String {
    let text: String = element.text().collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
