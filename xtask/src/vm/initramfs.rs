//! What a guest boots with: busybox, and the few modules that it needs to reach the host's files.

use std::{
    fs::File,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, ensure};

use super::kernels::Image;

/// Makes the archive, and says where it is.
///
/// # Errors
/// If a tool is missing or a module is.
pub(crate) fn initramfs(image: &Image) -> anyhow::Result<PathBuf> {
    let root = image.folder.join("initramfs");
    if root.exists() {
        std::fs::remove_dir_all(&root)?;
    }
    std::fs::create_dir_all(root.join("modules"))?;
    let busybox = which::which("busybox").context("busybox is missing")?;
    std::fs::copy(busybox, root.join("busybox"))?;
    let mut order = String::new();
    for module in modules(image)? {
        let name = unpack(&module, &root.join("modules"))?;
        order.push_str(&name);
        order.push('\n');
    }
    std::fs::write(root.join("modules/order"), order)?;
    std::fs::write(root.join("init"), INIT)?;
    std::fs::set_permissions(root.join("init"), std::fs::Permissions::from_mode(0o755))?;
    pack(&root, &image.folder.join("initramfs.cpio"))
}

/// The files of the modules, each after those that it needs. What is built in needs none.
fn modules(image: &Image) -> anyhow::Result<Vec<PathBuf>> {
    let output = Command::new("modprobe")
        .arg("--dirname")
        .arg(&image.folder)
        .args(["--set-version", &image.release, "--show-depends", "--all"])
        .args(MODULES)
        .output()
        .context("modprobe is missing")?;
    ensure!(
        output.status.success(),
        "modprobe does not find the guest's modules: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let mut files = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        // `insmod PATH`, or `builtin NAME`.
        if let Some(path) = line.strip_prefix("insmod ") {
            let path = PathBuf::from(path.trim());
            if !files.contains(&path) {
                files.push(path);
            }
        }
    }
    Ok(files)
}

/// Puts a module into a folder, unpacked, and answers its name there.
fn unpack(module: &Path, folder: &Path) -> anyhow::Result<String> {
    let name = module.file_name().unwrap_or_default().to_string_lossy();
    let Some(plain) = name.strip_suffix(".xz") else {
        std::fs::copy(module, folder.join(name.as_ref()))?;
        return Ok(name.into_owned());
    };
    let mut command = Command::new("xz");
    command
        .arg("-dc")
        .arg(module)
        .stdout(Stdio::from(File::create(folder.join(plain))?));
    crate::cargo::run(&mut command)?;
    Ok(plain.to_owned())
}

fn pack(root: &Path, archive: &Path) -> anyhow::Result<PathBuf> {
    let mut names = vec!["init".to_owned(), "busybox".to_owned(), "modules".to_owned()];
    for entry in std::fs::read_dir(root.join("modules"))? {
        names.push(format!("modules/{}", entry?.file_name().to_string_lossy()));
    }
    let mut cpio = Command::new("busybox")
        .args(["cpio", "-o", "-H", "newc"])
        .current_dir(root)
        .stdin(Stdio::piped())
        .stdout(Stdio::from(File::create(archive)?))
        .stderr(Stdio::null())
        .spawn()
        .context("busybox is missing")?;
    let mut list = cpio.stdin.take().context("cpio has no input")?;
    list.write_all(names.join("\n").as_bytes())?;
    drop(list);
    ensure!(cpio.wait()?.success(), "busybox cpio failed");
    Ok(archive.to_owned())
}

/// What the guest needs before it sees the host's files; the rest it loads from there, as its kernel asks for it.
const MODULES: [&str; 4] = ["virtio_pci", "9pnet_virtio", "9p", "overlay"];

/// The first process: the host's files below, memory above, and on to the script that the kernel's command line names.
const INIT: &str = include_str!("init.sh");
