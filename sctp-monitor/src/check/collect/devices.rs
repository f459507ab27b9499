//! Which driver serves a device.

use std::{fs, path::Path};

/// The driver of a device, by sysfs's view of its bus. That is the same in every network namespace, unlike
/// /sys/class/net, which shows the namespace it was mounted in.
pub(super) fn driver(bus: &str, device: &str) -> Option<String> {
    let link = Path::new("/sys/bus")
        .join(bus)
        .join("devices")
        .join(device)
        .join("driver");
    let target = fs::read_link(link).ok()?;
    Some(target.file_name()?.to_string_lossy().into_owned())
}
