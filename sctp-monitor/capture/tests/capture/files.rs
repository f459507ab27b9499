//! Every format gives the same records.

use std::io::{Cursor, Write as _};

use sctp_monitor_capture::{Reader, source::Source};
use sctp_monitor_common::wire::LinkType;
use sctp_monitor_testkit::capture_file::{Dialect, Pcapng};

use crate::support::{SECOND, Trickle, read, read_from};

fn records() -> Vec<(u64, Vec<u8>)> {
    (0..50_u64)
        .map(|number| {
            let length = 40 + usize::try_from(number).unwrap() * 30;
            (
                1_700_000_000 * SECOND + number * 1_001_000,
                vec![number as u8; length],
            )
        })
        .collect()
}

#[test]
fn every_dialect_of_pcap_is_read() {
    for nanoseconds in [false, true] {
        for big_endian in [false, true] {
            let dialect = Dialect {
                nanoseconds,
                big_endian,
                ..Dialect::default()
            };
            let (read, error) = read(dialect.file(&records()));
            assert!(error.is_none(), "{dialect:?}: {error:?}");
            assert_eq!(read, records(), "{dialect:?}");
        }
    }
    let modified = Dialect {
        modified: true,
        ..Dialect::default()
    };
    let (read, error) = read(modified.file(&records()));
    assert!(error.is_none(), "{error:?}");
    assert_eq!(read, records());
}

#[test]
fn pcapng_is_read_with_the_units_of_each_interface() {
    let file = Pcapng::new()
        .interface(1, 9)
        .packet(0, 5 * SECOND + 1, b"nanoseconds")
        .interface(101, 3)
        .packet(1, 6_001, b"milliseconds")
        .packet(0, 7 * SECOND, b"and again")
        .bytes();
    let (records, error) = read(file);
    assert!(error.is_none(), "{error:?}");
    let times: Vec<_> = records.iter().map(|(time, _)| *time).collect();
    assert_eq!(times, [5 * SECOND + 1, 6 * SECOND + 1_000_000, 7 * SECOND]);
    assert_eq!(records[1].1, b"milliseconds");
}

#[test]
fn interfaces_of_unknown_link_types_are_passed_over_and_counted() {
    let file = Pcapng::new()
        .interface(147, 9)
        .interface(113, 9)
        .packet(0, 1, b"who knows")
        .packet(1, 2, b"cooked")
        .packet(0, 3, b"who knows")
        .bytes();
    let source = Source::new("test".to_owned(), Cursor::new(file)).unwrap();
    let mut reader = Reader::open(source).unwrap();
    assert!(reader.advance().unwrap());
    assert_eq!(reader.current().unwrap().link, LinkType::LinuxCooked);
    assert!(!reader.advance().unwrap());
    assert_eq!(reader.unknown_links(), [(147, 2)]);
}

#[test]
fn packed_files_and_slow_pipes_are_read() {
    let file = Dialect::default().file(&records());
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&file).unwrap();
    let gzip = gzip.finish().unwrap();
    let frame =
        |bytes: &[u8]| ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest);
    let two_frames = [frame(&file[..1_000]), frame(&file[1_000..])].concat();
    for (what, bytes) in [("plain", file), ("gzip", gzip), ("zstd", two_frames)] {
        let (quickly, error) = read(bytes.clone());
        assert!(error.is_none(), "{what}: {error:?}");
        assert_eq!(quickly, records(), "{what}");
        let (slowly, error) = read_from(Trickle(Cursor::new(bytes)));
        assert!(error.is_none(), "{what}: {error:?}");
        assert_eq!(slowly, records(), "{what}");
    }
}

#[test]
fn a_packet_larger_than_the_buffer_is_read() {
    let large = vec![(SECOND, vec![7; 3 << 20]), (2 * SECOND, vec![8; 60])];
    let (read, error) = read(Dialect::default().file(&large));
    assert!(error.is_none(), "{error:?}");
    assert!(read == large);
}
