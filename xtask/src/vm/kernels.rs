//! The kernels that the tests boot: packages of the distribution, unpacked and never installed.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail, ensure};

use crate::cargo::{run, target};

/// A kernel to test on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kernel {
    /// What its releases begin with, and what `--kernel` takes.
    pub(crate) name: &'static str,
    /// The package that depends on the current build of it.
    package: &'static str,
}

/// All of them. Another one is a line more; its package must bring `boot/vmlinuz-*` with PVH and `lib/modules`.
pub(crate) const KERNELS: [Kernel; 2] = [
    Kernel {
        name: "6.1",
        package: "linux-image-amd64",
    },
    Kernel {
        name: "6.12",
        package: "linux-image-6.12-amd64",
    },
];

/// A kernel, ready to boot.
#[derive(Debug)]
pub(crate) struct Image {
    /// As `uname -r` will print it.
    pub(crate) release: String,
    /// The package's files, and what is made of them.
    pub(crate) folder: PathBuf,
}

impl Image {
    /// The kernel without its compression: software emulation would take a minute to unpack it.
    pub(crate) fn vmlinux(&self) -> PathBuf {
        self.folder.join("vmlinux")
    }

    fn unpacked(folder: PathBuf) -> Option<Self> {
        let release = std::fs::read_to_string(folder.join(RELEASE)).ok()?;
        Some(Self { release, folder })
    }
}

impl Kernel {
    /// The kernel of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        KERNELS.into_iter().find(|kernel| kernel.name == name)
    }

    /// Where everything about it is kept.
    pub(crate) fn folder(&self) -> PathBuf {
        target("vm").join(self.name)
    }

    /// The kernel, fetched if it is not there yet. What is there is kept: remove `target/vm` for a newer build.
    ///
    /// # Errors
    /// If there is no such package here, or it cannot be fetched.
    pub(crate) fn image(&self) -> anyhow::Result<Image> {
        let folder = self.folder().join("image");
        if let Some(image) = Image::unpacked(folder.clone()) {
            return Ok(image);
        }
        self.fetch(&folder)
            .with_context(|| format!("Linux {} cannot be had", self.name))?;
        Image::unpacked(folder).with_context(|| format!("Linux {} was not unpacked", self.name))
    }

    /// Unpacks beside the folder and renames at the end, so that an interrupted run leaves no half of it.
    fn fetch(&self, folder: &Path) -> anyhow::Result<()> {
        let unfinished = folder.with_extension("unfinished");
        if unfinished.exists() {
            std::fs::remove_dir_all(&unfinished)?;
        }
        std::fs::create_dir_all(&unfinished)?;
        let package = match self.download(&unfinished) {
            Ok(package) => package,
            Err(_) => {
                // The lists are missing, or so old that the build they name is gone.
                run(Command::new("apt-get").args(["-q", "-o", "DPkg::Lock::Timeout=120", "update"]))?;
                self.download(&unfinished)?
            }
        };
        run(Command::new("dpkg-deb")
            .arg("--extract")
            .args([&package, &unfinished]))?;
        std::fs::remove_file(&package)?;
        let release = sole_name(&unfinished.join("lib/modules"))?;
        ensure!(
            release.starts_with(&format!("{}.", self.name)),
            "{} is Linux {release} here",
            self.package
        );
        run(Command::new("depmod").arg("-b").arg(&unfinished).arg(&release))?;
        extract_vmlinux(
            &unfinished.join(format!("boot/vmlinuz-{release}")),
            &unfinished.join("vmlinux"),
        )?;
        std::fs::write(unfinished.join(RELEASE), &release)?;
        std::fs::rename(&unfinished, folder)?;
        Ok(())
    }

    /// Downloads the current build's package.
    fn download(&self, folder: &Path) -> anyhow::Result<PathBuf> {
        let output = Command::new("apt-cache")
            .args(["depends", "--important", self.package])
            .output()
            .context("this is not Debian: kernels are fetched by apt")?;
        let depends = String::from_utf8_lossy(&output.stdout);
        let build = depends
            .lines()
            .find_map(|line| line.trim().strip_prefix("Depends: linux-image-"))
            .with_context(|| format!("apt has no package {} here", self.package))?;
        println!("vm: fetching linux-image-{build}");
        run(Command::new("apt-get")
            .args(["-q", "-q", "-o", "APT::Sandbox::User=root", "download"])
            .arg(format!("linux-image-{build}"))
            .current_dir(folder))?;
        let package = std::fs::read_dir(folder)?
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|extension| extension == "deb"));
        package.context("apt-get downloaded nothing")
    }
}

/// The file that says that all is there.
const RELEASE: &str = "release";

/// The name of the one entry of a folder.
fn sole_name(folder: &Path) -> anyhow::Result<String> {
    let entry = std::fs::read_dir(folder)?.next();
    let entry = entry.with_context(|| format!("{} is empty", folder.display()))??;
    Ok(entry.file_name().to_string_lossy().into_owned())
}

/// What the kernel's own scripts/extract-vmlinux does, without its search: the header tells where the payload is
/// (Documentation/arch/x86/boot.rst, protocol 2.08).
fn extract_vmlinux(vmlinuz: &Path, vmlinux: &Path) -> anyhow::Result<()> {
    let image = std::fs::read(vmlinuz).with_context(|| vmlinuz.display().to_string())?;
    let payload = payload(&image).with_context(|| format!("{} is no bzImage", vmlinuz.display()))?;
    let mut command = match payload {
        [0xfd, b'7', b'z', ..] => Command::new("xz"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Command::new("zstd"),
        [0x1f, 0x8b, ..] => Command::new("gzip"),
        _ => bail!("{} is packed in a way not known here", vmlinuz.display()),
    };
    let packed = vmlinux.with_extension("packed");
    std::fs::write(&packed, payload)?;
    run(command
        .arg("-dc")
        .stdin(Stdio::from(File::open(&packed)?))
        .stdout(Stdio::from(File::create(vmlinux)?)))?;
    std::fs::remove_file(packed)?;
    Ok(())
}

/// The packed kernel in a bzImage, without the four bytes of its unpacked size after it.
fn payload(image: &[u8]) -> Option<&[u8]> {
    const BOOT_SECTOR: usize = 512;
    let word = |at: usize| {
        let bytes = image.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    let is_bzimage = image.get(0x202..0x206)? == b"HdrS";
    let setup_sectors = match *image.get(0x1f1)? {
        0 => 4,
        sectors => usize::from(sectors),
    };
    let start = (setup_sectors + 1) * BOOT_SECTOR + word(0x248)?;
    let end = start.checked_add(word(0x24c)?)?.checked_sub(4)?;
    is_bzimage.then(|| image.get(start..end)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_is_where_the_header_says() {
        let mut image = vec![0; 0x2000];
        image[0x1f1] = 2;
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x248..0x24c].copy_from_slice(&0x10_u32.to_le_bytes());
        image[0x24c..0x250].copy_from_slice(&9_u32.to_le_bytes());
        let start = 3 * 512 + 0x10;
        image[start..start + 9].copy_from_slice(b"packedSIZE"[..9].as_ref());
        assert_eq!(payload(&image), Some(b"packe".as_slice()));
        assert_eq!(payload(&image[..start + 4]), None);
        image[0x202] = b'h';
        assert_eq!(payload(&image), None);
    }

    #[test]
    fn kernels_are_found_by_name() {
        assert_eq!(Kernel::named("6.12").map(|kernel| kernel.name), Some("6.12"));
        assert!(Kernel::named("2.4").is_none());
    }
}
