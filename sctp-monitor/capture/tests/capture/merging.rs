//! Several files are one capture.

use sctp_monitor_testkit::capture_file::Dialect;

use crate::support::{File, SECOND, merged};

fn file(seconds: &[u64]) -> File {
    let records: Vec<_> = seconds
        .iter()
        .map(|second| (second * SECOND, vec![0; 60]))
        .collect();
    File::new(&Dialect::default().file(&records))
}

#[test]
fn records_come_in_the_order_of_time_whatever_the_order_of_the_files() {
    let (a, b, c) = (file(&[5, 6, 7]), file(&[1, 4, 9]), file(&[10, 11]));
    let expected: Vec<_> = [1, 4, 5, 6, 7, 9, 10, 11].map(|second| second * SECOND).to_vec();
    for order in [[&a, &b, &c], [&c, &b, &a], [&b, &c, &a]] {
        let (times, errors) = merged(&order.map(|file| file.0.as_path()));
        assert_eq!(times, expected);
        assert!(errors.is_empty(), "{errors:?}");
    }
}

#[test]
fn a_file_without_records_is_no_trouble() {
    let (times, errors) = merged(&[&file(&[]).0, &file(&[3]).0, &file(&[]).0]);
    assert_eq!((times, errors.len()), (vec![3 * SECOND], 0));
}

#[test]
fn files_are_opened_when_they_are_due() {
    let files: Vec<_> = (0..300).map(|number| file(&[number, number + 1])).collect();
    let paths: Vec<_> = files.iter().map(|file| file.0.as_path()).collect();
    let (times, errors) = merged(&paths);
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(times.len(), 600);
    assert!(times.is_sorted());
}
