//! Files that are damaged, cut, or something else: the place and the reason are named, and what was before is read.

use std::{io::Write as _, path::Path};

use sctp_monitor_capture::{Captures, Problem};
use sctp_monitor_testkit::capture_file::{Dialect, Pcapng};

use crate::support::{File, SECOND, merged, read};

fn three() -> Vec<u8> {
    let records: Vec<_> = (1..=3).map(|number| (number * SECOND, vec![1; 100])).collect();
    Dialect::default().file(&records)
}

#[test]
fn a_file_that_was_cut_is_read_up_to_there() {
    let whole = three();
    for length in 24..whole.len() {
        let (records, error) = read(whole[..length].to_vec());
        let complete = (length - 24) / 116;
        assert_eq!(records.len(), complete, "{length}");
        let rest = (length - 24) % 116;
        match error {
            None => assert_eq!(rest, 0, "{length}"),
            Some(error) => {
                assert_eq!(error.offset, Some(24 + 116 * complete as u64), "{length}");
                assert!(matches!(error.problem, Problem::RecordCut { left } if left == rest as u64));
                assert!(!error.is_fatal());
            }
        }
    }
}

#[test]
fn a_header_that_was_cut_and_an_empty_file_are_told_apart() {
    for length in 1..24 {
        let (_, error) = read(three()[..length].to_vec());
        let error = error.unwrap();
        assert!(matches!(error.problem, Problem::HeaderCut), "{length}: {error}");
        assert!(error.is_fatal());
    }
    let (_, error) = read(Vec::new());
    assert!(matches!(error.unwrap().problem, Problem::Empty));
    let (_, error) = read(b"Host,Time\n".to_vec());
    let message = error.unwrap().to_string();
    assert!(
        message.contains("not a capture: it begins with 48 6f 73 74"),
        "{message}"
    );
}

#[test]
fn a_record_too_large_for_any_packet_is_damage() {
    let mut file = three();
    file[24 + 116 + 8..][..4].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
    file.resize(1 << 20, 0);
    let (records, error) = read(file);
    assert_eq!(records.len(), 1);
    let error = error.unwrap();
    assert_eq!(error.offset, Some(24 + 116));
    assert!(
        matches!(error.problem, Problem::RecordTooLarge { claimed: 0x7fff_ffff }),
        "{error}"
    );
}

#[test]
fn blocks_that_contradict_themselves_are_damage() {
    let good = || Pcapng::new().interface(1, 9).packet(0, SECOND, &[1; 60]);
    let length = good().bytes().len() as u64;
    let unknown = good().packet(7, SECOND, &[1; 60]).bytes();
    let (records, error) = read(unknown);
    assert_eq!(records.len(), 1);
    assert!(matches!(error.unwrap().problem, Problem::InterfaceUnknown(7)));

    let mut zero = good().bytes();
    zero.extend([6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let (records, error) = read(zero);
    assert_eq!(records.len(), 1);
    let error = error.unwrap();
    assert_eq!(error.offset, Some(length));
    assert!(
        matches!(
            error.problem,
            Problem::BlockInvalid {
                block_type: 6,
                claimed: 0
            }
        ),
        "{error}"
    );
}

#[test]
fn a_block_shorter_than_its_own_header_is_damage() {
    // Process information, which pcap-parser takes from four bytes on.
    for length in 0..12_u8 {
        let mut file = Pcapng::new().bytes();
        file.extend([1, 0, 0, 0x80, length, 0, 0, 0, 0, 0, 0, 0, length, 0, 0, 0]);
        let error = read(file).1.unwrap();
        assert!(
            matches!(error.problem, Problem::BlockInvalid { .. }),
            "{length}: {error}"
        );
    }
}

#[test]
fn what_cannot_be_unpacked_any_further_says_so() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    gzip.write_all(&three()).unwrap();
    let mut bytes = gzip.finish().unwrap();
    bytes.truncate(bytes.len() - 60);
    let (records, error) = read(bytes);
    assert_eq!(records.len(), 2);
    let error = error.unwrap();
    assert!(error.unpacked);
    assert!(matches!(error.problem, Problem::Read(_)), "{error}");
}

#[test]
fn a_link_type_that_is_not_understood_is_named() {
    let dialect = Dialect {
        link: 147,
        ..Dialect::default()
    };
    let (_, error) = read(dialect.file(&[(0, vec![0; 40])]));
    let message = error.unwrap().to_string();
    assert!(message.contains("link type 147"), "{message}");
}

#[test]
fn one_bad_file_does_not_keep_the_others_from_being_read() {
    let good = File::new(&three());
    let bad = File::new(b"no capture at all");
    let missing = Path::new("/nonexistent/capture.pcap");
    let (times, errors) = merged(&[&bad.0, missing, &good.0]);
    assert_eq!(times, [SECOND, 2 * SECOND, 3 * SECOND]);
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(
        errors[1].starts_with("/nonexistent/capture.pcap: cannot be opened"),
        "{errors:?}"
    );
    let folder = Captures::open(&[std::env::temp_dir()]).take_errors();
    assert_eq!(folder.len(), 1, "a folder is no capture");
}
