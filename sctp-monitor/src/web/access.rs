//! Who may read, and by which certificate this server is known: the file of `--web.config.file`, in the form of Prometheus'
//! exporters (<https://github.com/prometheus/exporter-toolkit>, docs/web-configuration.md).
//!
//! The file, and those that it names, are read anew at each handshake and each request, so that a certificate or a password is changed
//! without a restart. While they are wrong, what they said before holds: a file that is being written lets nobody in, and keeps
//! nobody out.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    hash::{BuildHasher as _, RandomState},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use tokio_rustls::rustls::{
    self, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
};
use tracing::warn;

/// What the file says; all of it is optional.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    tls_server_config: Option<TlsFiles>,
    /// Passwords as bcrypt writes them, by name.
    basic_auth_users: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsFiles {
    cert_file: PathBuf,
    key_file: PathBuf,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct AccessError {
    path: PathBuf,
    problem: Problem,
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("it cannot be read: {0}")]
    Unreadable(io::Error),
    #[error(
        "others than root may write it, and root does not follow such a file (`chown root FILE; chmod go-w FILE`)"
    )]
    NotTrusted,
    #[error(
        "it is not understood (`tls_server_config` with `cert_file` and `key_file`, and `basic_auth_users`, are known): {0}"
    )]
    NotUnderstood(String),
    #[error("the password of `{0}` is not one that bcrypt has written (`htpasswd -nBC 10 \"\"` writes one)")]
    NoHash(String),
    #[error("this is no certificate or key in PEM: {0}")]
    NotPem(pem::Error),
    #[error("there is no certificate in it")]
    NoCertificate,
    #[error("the certificate and its key cannot be used: {0}")]
    NoTls(rustls::Error),
}

/// What holds now.
#[derive(Debug)]
pub(super) struct Rules {
    /// Encryption, if there is any.
    pub(super) tls: Option<Arc<ServerConfig>>,
    users: BTreeMap<String, String>,
    /// What was read.
    texts: BTreeMap<PathBuf, Vec<u8>>,
}

/// The file, and what it said last.
#[derive(Debug)]
pub(super) struct Access {
    path: PathBuf,
    last: Mutex<Last>,
    passwords: Arc<Passwords>,
}

#[derive(Debug)]
struct Last {
    rules: Arc<Rules>,
    /// Why it does not hold any more, if so; it is told once.
    wrong: Option<String>,
}

impl Access {
    /// Reads the file for the first time.
    ///
    /// # Errors
    /// [`AccessError`].
    pub(super) fn open(path: &Path) -> Result<Self, AccessError> {
        Ok(Self {
            path: path.to_owned(),
            last: Mutex::new(Last {
                rules: Arc::new(read(path, None)?.unwrap_or_else(Rules::none)),
                wrong: None,
            }),
            passwords: Arc::default(),
        })
    }

    /// What the file says now.
    pub(super) fn now(&self) -> Arc<Rules> {
        let mut last = lock(&self.last);
        match read(&self.path, Some(&last.rules)) {
            Ok(new) => {
                last.wrong = None;
                if let Some(new) = new {
                    last.rules = Arc::new(new);
                }
            }
            Err(error) => {
                let error = error.to_string();
                if last.wrong.as_ref() != Some(&error) {
                    warn!("{error}; what it said before holds");
                    last.wrong = Some(error);
                }
            }
        }
        Arc::clone(&last.rules)
    }

    /// Whether it asks for a password now.
    pub(super) fn asks_for_password(&self) -> bool {
        !self.now().users.is_empty()
    }

    /// Whether somebody who says this in `Authorization` may read.
    pub(super) async fn lets_in(&self, authorization: Option<&str>) -> bool {
        let rules = self.now();
        if rules.users.is_empty() {
            return true;
        }
        let Some((name, password)) = authorization.and_then(credentials) else {
            return false;
        };
        // A name that is not known takes as long as one that is.
        let known = rules.users.get(&name);
        let hash = known.or(rules.users.values().next()).cloned().unwrap_or_default();
        let is_known = known.is_some();
        let passwords = Arc::clone(&self.passwords);
        if is_known && passwords.is_proved(&hash, &password) {
            return true;
        }
        let Ok(_turn) = self.passwords.turns.acquire().await else {
            return false;
        };
        // It takes tens of milliseconds, on purpose.
        tokio::task::spawn_blocking(move || passwords.prove(&hash, &password) && is_known)
            .await
            .unwrap_or(false)
    }
}

impl Rules {
    fn none() -> Self {
        Self {
            tls: None,
            users: BTreeMap::new(),
            texts: BTreeMap::new(),
        }
    }
}

/// Passwords that were right, so that a reader that comes every few seconds costs little.
#[derive(Debug)]
struct Passwords {
    turns: tokio::sync::Semaphore,
    hashers: [RandomState; 2],
    /// By what bcrypt wrote.
    proved: Mutex<HashMap<String, [u64; 2]>>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            // One at a time: whoever guesses does not take all CPUs.
            turns: tokio::sync::Semaphore::new(1),
            hashers: [RandomState::new(), RandomState::new()],
            proved: Mutex::default(),
        }
    }
}

impl Passwords {
    fn is_proved(&self, hash: &str, password: &str) -> bool {
        lock(&self.proved).get(hash) == Some(&self.print(password))
    }

    fn prove(&self, hash: &str, password: &str) -> bool {
        let is_right = bcrypt::verify(password, hash).unwrap_or(false);
        if is_right {
            let mut proved = lock(&self.proved);
            if proved.len() >= MOST_PROVED {
                proved.clear();
            }
            proved.insert(hash.to_owned(), self.print(password));
        }
        is_right
    }

    /// What is kept in place of a password.
    fn print(&self, password: &str) -> [u64; 2] {
        self.hashers.each_ref().map(|hasher| hasher.hash_one(password))
    }
}

/// Name and password (RFC 7617).
fn credentials(authorization: &str) -> Option<(String, String)> {
    let (scheme, text) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(text.trim()).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

/// What the file says; `None` if it says what it said before.
fn read(path: &Path, before: Option<&Rules>) -> Result<Option<Rules>, AccessError> {
    let error = |path: &Path| {
        let path = path.to_owned();
        move |problem| AccessError { path, problem }
    };
    if !crate::config::is_trusted(path)
        .map_err(Problem::Unreadable)
        .map_err(error(path))?
    {
        return Err(error(path)(Problem::NotTrusted));
    }
    let text = fs::read_to_string(path)
        .map_err(Problem::Unreadable)
        .map_err(error(path))?;
    let file: File = if text.trim().is_empty() {
        File::default()
    } else {
        serde_saphyr::from_str(&text)
            // Passwords are not shown, not even as bcrypt wrote them.
            .map_err(|wrong| Problem::NotUnderstood(wrong.without_snippet().to_string()))
            .map_err(error(path))?
    };
    let mut texts = BTreeMap::from([(path.to_owned(), text.into_bytes())]);
    let folder = path.parent().unwrap_or(Path::new(""));
    let files = file
        .tls_server_config
        .map(|files| [folder.join(files.cert_file), folder.join(files.key_file)]);
    for file in files.iter().flatten() {
        let bytes = fs::read(file).map_err(Problem::Unreadable).map_err(error(file))?;
        texts.insert(file.clone(), bytes);
    }
    if before.is_some_and(|before| before.texts == texts) {
        return Ok(None);
    }
    for (name, hash) in &file.basic_auth_users {
        if hash.parse::<bcrypt::HashParts>().is_err() {
            return Err(error(path)(Problem::NoHash(name.clone())));
        }
    }
    let tls = match &files {
        Some([certificate, key]) => {
            let chain = chain(&texts[certificate]).map_err(error(certificate))?;
            let private = PrivateKeyDer::from_pem_slice(&texts[key])
                .map_err(Problem::NotPem)
                .map_err(error(key))?;
            Some(Arc::new(tls(chain, private).map_err(error(path))?))
        }
        None => None,
    };
    Ok(Some(Rules {
        tls,
        users: file.basic_auth_users,
        texts,
    }))
}

fn chain(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let chain = CertificateDer::pem_slice_iter(text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(Problem::NotPem)?;
    if chain.is_empty() {
        return Err(Problem::NoCertificate);
    }
    Ok(chain)
}

fn tls(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<ServerConfig, Problem> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(Problem::NoTls)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Passwords that are kept in mind.
const MOST_PROVED: usize = 100;

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn folder(text: &str) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.yml");
        fs::write(&path, text).unwrap();
        (folder, path)
    }

    fn authorization(name: &str, password: &str) -> String {
        format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
    }

    #[test]
    fn what_is_wrong_is_told_with_its_file() {
        for (text, words) in [
            ("tls_server_cfg: {}", "tls_server_cfg"),
            ("tls_server_config: { cert_file: a }", "key_file"),
            (
                "tls_server_config: { cert_file: a, key_file: b }",
                "/a: it cannot be read",
            ),
            (
                "tls_server_config: { cert_file: a, key_file: b, client_ca_file: c }",
                "client_ca_file",
            ),
            ("basic_auth_users: { root: secret }", "`root`"),
            ("basic_auth_users: [", "not understood"),
        ] {
            let (folder, path) = folder(text);
            let error = Access::open(&path).unwrap_err().to_string();
            assert!(error.contains(words), "{words}: {error}");
            assert!(error.contains(folder.path().to_str().unwrap()), "{error}");
        }
        let (folder, path) = folder("tls_server_config: { cert_file: a, key_file: b }");
        fs::write(folder.path().join("a"), "").unwrap();
        fs::write(folder.path().join("b"), "").unwrap();
        let error = Access::open(&path).unwrap_err().to_string();
        assert!(error.contains("no certificate"), "{error}");
    }

    #[tokio::test]
    async fn a_password_is_asked_for_and_can_be_changed() {
        let users = |password| {
            let hash = bcrypt::hash(password, 4).unwrap();
            format!("basic_auth_users:\n  alice: {hash}\n")
        };
        let (_folder, path) = folder(&users("secret"));
        let access = Access::open(&path).unwrap();
        let right = authorization("alice", "secret");
        for _ in 0..2 {
            assert!(access.lets_in(Some(&right)).await);
        }
        for wrong in [
            authorization("alice", "Secret"),
            authorization("bob", "secret"),
            right.replace("Basic", "Bearer"),
            "Basic !".to_owned(),
        ] {
            assert!(!access.lets_in(Some(&wrong)).await, "{wrong}");
        }
        assert!(!access.lets_in(None).await);
        fs::write(&path, users("other")).unwrap();
        assert!(!access.lets_in(Some(&right)).await);
        let other = authorization("alice", "other");
        assert!(access.lets_in(Some(&other)).await);
        // Somebody is writing it.
        fs::write(&path, "basic_auth_users:\n  alice").unwrap();
        assert!(access.lets_in(Some(&other)).await);
        assert!(!access.lets_in(Some(&right)).await);
        fs::remove_file(&path).unwrap();
        assert!(!access.lets_in(None).await);
    }

    #[tokio::test]
    async fn without_users_everybody_may_read() {
        let (_folder, path) = folder("");
        assert!(Access::open(&path).unwrap().lets_in(None).await);
    }
}
