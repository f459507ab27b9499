//! Which process holds a program: an agent that runs, even if its socket could not be made.

use std::fs;

/// A process other than this one that holds the program with this id, as far as this process may see it.
#[must_use]
pub fn holder(program: u32) -> Option<u32> {
    let of_program = format!("prog_id:\t{program}");
    let own = std::process::id();
    let mut processes = fs::read_dir("/proc")
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|process| *process != own);
    processes.find(|process| {
        // Processes end meanwhile.
        let Ok(descriptors) = fs::read_dir(format!("/proc/{process}/fdinfo")) else {
            return false;
        };
        descriptors
            .flatten()
            .filter_map(|entry| fs::read_to_string(entry.path()).ok())
            .any(|text| text.lines().any(|line| line == of_program))
    })
}
