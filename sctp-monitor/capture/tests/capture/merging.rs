//! Several files are one capture.

use sctp_monitor_testkit::{
    capture_file::Dialect,
    exchange::{Exchange, Form, disordered},
};

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

#[test]
fn records_out_of_order_within_a_file_come_in_order() {
    for seed in 0..50 {
        let records = Exchange::from_seed(seed).records(Form::from_seed(seed));
        let expected: Vec<_> = records.iter().map(|(time, _)| *time).collect();
        let halves = |records: &[(u64, Vec<u8>)]| {
            let part = |rest| {
                let part = records
                    .iter()
                    .enumerate()
                    .filter(move |(number, _)| number % 2 == rest);
                let part: Vec<_> = part.map(|(_, record)| record.clone()).collect();
                File::new(&Dialect::default().file(&part))
            };
            [part(0), part(1)]
        };
        let disorder = disordered(&records, 90_000_000, seed);
        let whole = File::new(&Dialect::default().file(&disorder));
        assert_eq!(merged(&[&whole.0]).0, expected, "seed {seed}");
        let [one, other] = halves(&disorder);
        assert_eq!(merged(&[&one.0, &other.0]).0, expected, "seed {seed}, two files");
    }
}
