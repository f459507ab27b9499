//! Text that is longer than its place: it is never cut so that it reads as something else.

use ratatui::text::Span;

/// The text, or its beginning and an ellipsis.
pub(super) fn cut(text: &str, width: u16) -> String {
    let width = usize::from(width);
    if wide(text) <= width {
        return text.to_owned();
    }
    let mut left = width.saturating_sub(1);
    let begin: String = text.chars().take_while(|sign| fits(*sign, &mut left)).collect();
    ended(begin, "", width)
}

/// The text, or its beginning, an ellipsis, and its end: addresses of one network differ at their ends.
pub(super) fn cut_in_the_middle(text: &str, width: u16) -> String {
    let width = usize::from(width);
    if wide(text) <= width {
        return text.to_owned();
    }
    let left = width.saturating_sub(1);
    let (mut of_begin, mut of_end) = (left / 2, left - left / 2);
    let begin = text
        .chars()
        .take_while(|sign| fits(*sign, &mut of_begin))
        .collect();
    let mut end: Vec<_> = text
        .chars()
        .rev()
        .take_while(|sign| fits(*sign, &mut of_end))
        .collect();
    end.reverse();
    ended(begin, &end.into_iter().collect::<String>(), width)
}

/// Columns that a text takes.
pub(super) fn wide(text: &str) -> usize {
    Span::raw(text).width()
}

fn fits(sign: char, left: &mut usize) -> bool {
    let width = wide(sign.encode_utf8(&mut [0; 4]));
    let fits = width <= *left;
    *left = left.saturating_sub(width);
    fits
}

fn ended(begin: String, end: &str, width: usize) -> String {
    if width == 0 {
        return String::new();
    }
    begin + "\u{2026}" + end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_cannot_be_taken_for_something_else() {
        assert_eq!(cut("192.168.100.100", 15), "192.168.100.100");
        assert_eq!(cut("192.168.100.100", 13), "192.168.100.\u{2026}");
        assert_eq!(cut_in_the_middle("2001:db8::1:22", 9), "2001\u{2026}1:22");
        assert_ne!(
            cut_in_the_middle("2001:db8:aaaa:bbbb:cccc:dddd:eeee:1", 20),
            cut_in_the_middle("2001:db8:aaaa:bbbb:cccc:dddd:eeee:2", 20)
        );
        assert_eq!(cut("\u{4e2d}\u{4e2d}\u{4e2d}", 4), "\u{4e2d}\u{2026}");
        for width in 0..30 {
            for text in ["", "a", "2001:db8::1:22", "\u{4e2d}\u{4e2d}\u{4e2d}"] {
                for cut in [cut(text, width), cut_in_the_middle(text, width)] {
                    assert!(wide(&cut) <= usize::from(width), "{text} {width}: {cut}");
                }
            }
        }
    }
}
