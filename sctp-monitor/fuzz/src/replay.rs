//! A fuzz target without a fuzzer: a program that replays files, and a test.

use sctp_monitor_testkit::{choices::Random, traffic::Traffic};
use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// A fuzz target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its program's name, and that of its folder in `regressions`.
    pub name: &'static str,
    /// Runs an input.
    pub run: fn(&[u8]),
    /// Makes an input of a raw SCTP packet.
    pub seed: fn(&[u8]) -> Vec<u8>,
}

/// Replays the files that the command line names; or writes the target's seeds into a folder, by `--seeds FOLDER`.
#[must_use]
pub fn main(target: &Target) -> ExitCode {
    let arguments: Vec<_> = env::args_os().skip(1).map(PathBuf::from).collect();
    let done = match arguments.as_slice() {
        [] => Err(io::Error::other(format!(
            "usage: {} FILE... | --seeds FOLDER",
            target.name
        ))),
        [option, folder] if option.as_os_str() == "--seeds" => write_seeds(target, folder),
        files => files.iter().try_for_each(|file| {
            (target.run)(&fs::read(file)?);
            println!("{}: stood", file.display());
            Ok(())
        }),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", target.name);
            ExitCode::FAILURE
        }
    }
}

/// Replays the target's regressions and all its seeds.
///
/// # Panics
/// If an input is not stood. Its name was printed last.
pub fn replay_all(target: &Target) {
    for file in files(&home().join("regressions").join(target.name)) {
        println!("{}", file.display());
        (target.run)(&fs::read(&file).expect("a regression is a file"));
    }
    for (name, seed) in seeds(target) {
        println!("seed {name}");
        (target.run)(&seed);
    }
}

fn write_seeds(target: &Target, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (name, seed) in seeds(target) {
        fs::write(folder.join(name), seed)?;
    }
    if corpus().is_none() {
        eprintln!(
            "{}: no corpus at {CORPUS}: the seeds are our own only",
            target.name
        );
    }
    Ok(())
}

/// Inputs to begin with: packets of our own, and those of the corpus if it is there.
fn seeds(target: &Target) -> Vec<(String, Vec<u8>)> {
    let (mut traffic, mut random) = (Traffic::new(3), Random::from_seed(1));
    let mut packets: Vec<_> = (0..40)
        .map(|number| (format!("own-{number}"), traffic.sctp_packet(&mut random)))
        .collect();
    for file in files(&corpus().unwrap_or_default()) {
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        packets.extend(fs::read(&file).ok().map(|packet| (name, packet)));
    }
    packets
        .into_iter()
        .map(|(name, packet)| (name, (target.seed)(&packet)))
        .collect()
}

/// Raw SCTP packets of usrsctp's fuzzing corpus, beside the workspace. Contributors have none.
fn corpus() -> Option<PathBuf> {
    let folder = home().join(CORPUS);
    folder.is_dir().then_some(folder)
}

const CORPUS: &str = "../../../shared/corpus/malformed";

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of a folder, by name; none if it is not there.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    files.sort_unstable();
    files
}
