//! Everything that the driver reacts to, from the stack's threads and from standard input, in one channel.

use std::io::{self, BufRead as _};
use std::sync::mpsc::Sender;

use crate::command::Command;
use crate::stack::Delivery;

/// Something happened.
#[derive(Debug)]
pub(crate) enum Input {
    Stack(Delivery),
    Command(Command),
    /// A line that is no command, and why.
    Unclear(String),
    StdinClosed,
}

/// Reads commands until standard input closes. Empty lines only wake up a console.
pub(crate) fn read_commands(inputs: &Sender<Input>) {
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        if line.trim().is_empty() {
            continue;
        }
        let input = line.parse().map_or_else(Input::Unclear, Input::Command);
        if inputs.send(input).is_err() {
            return;
        }
    }
    let _ = inputs.send(Input::StdinClosed);
}
