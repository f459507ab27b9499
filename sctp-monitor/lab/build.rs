//! Finds Debian's static libusrsctp for the endpoint binary, which alone links it (`#[link]` in its `ffi` module).

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The compiler driver knows the multiarch folder; it prints the bare name back when there is no such file.
    let answer = Command::new("cc").arg("-print-file-name=libusrsctp.a").output();
    let archive = match &answer {
        Ok(output) => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Err(error) => {
            println!("cargo::error=cannot run cc: {error}; run `cargo xtask setup`");
            return;
        }
    };
    match Path::new(&archive).parent().filter(|folder| folder.is_absolute()) {
        Some(folder) => println!("cargo::rustc-link-search=native={}", folder.display()),
        None => {
            println!(
                "cargo::error=libusrsctp.a is missing (Debian: libusrsctp-dev); run `cargo xtask setup`"
            );
        }
    }
}
