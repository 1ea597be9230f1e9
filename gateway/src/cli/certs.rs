//! `sluice certs`: a certificate authority for development, and certificates of it.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// Certificates for development and small set-ups.
#[derive(Debug, Subcommand)]
pub enum CertsCommand {
    /// Make a certificate authority: `ca.pem` and `ca.key`.
    Ca {
        /// Where the files go.
        #[arg(long, default_value = "certs", value_name = "DIR")]
        dir: PathBuf,
        /// What it is called.
        #[arg(long, default_value = "Sluice development CA")]
        name: String,
        /// How many days it is good for.
        #[arg(long, default_value_t = 3650)]
        days: u32,
    },
    /// Make a server's certificate, signed by it: `server.pem` and `server.key`.
    Server {
        /// Names and addresses under which clients reach the server.
        #[arg(required = true)]
        names: Vec<String>,
        /// Where the authority's files are and the new ones go.
        #[arg(long, default_value = "certs", value_name = "DIR")]
        dir: PathBuf,
        /// How many days it is good for.
        #[arg(long, default_value_t = 397)]
        days: u32,
    },
    /// Make a client's certificate, signed by it: `NAME.pem` and `NAME.key`.
    Client {
        /// The user whom it names.
        name: String,
        /// Where the authority's files are and the new ones go.
        #[arg(long, default_value = "certs", value_name = "DIR")]
        dir: PathBuf,
        /// How many days it is good for.
        #[arg(long, default_value_t = 397)]
        days: u32,
    },
}

/// Carries the command out.
pub fn certs(command: CertsCommand) -> anyhow::Result<()> {
    match command {
        CertsCommand::Ca { dir, name, days } => {
            fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
            let mut params = dated(Vec::new(), days)?;
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            let key = KeyPair::generate()?;
            let certificate = params.self_signed(&key)?;
            write(&dir, "ca", &certificate.pem(), &key)
        }
        CertsCommand::Server { names, dir, days } => {
            let mut params = dated(names.clone(), days)?;
            params.distinguished_name.push(DnType::CommonName, names.into_iter().next().unwrap_or_default());
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            sign(&dir, "server", params)
        }
        CertsCommand::Client { name, dir, days } => {
            anyhow::ensure!(
                name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte)),
                "the name becomes a file's name: letters, digits, `.`, `_`, `-` and `@` only"
            );
            let mut params = dated(Vec::new(), days)?;
            params.distinguished_name.push(DnType::CommonName, name.as_str());
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            sign(&dir, &name, params)
        }
    }
}

/// From a little before now on, since clocks differ.
fn dated(names: Vec<String>, days: u32) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(names).context("these are no names or addresses")?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    let day = |offset: i64| {
        let date = jiff::Zoned::now().date().saturating_add(jiff::Span::new().days(offset));
        rcgen::date_time_ymd(i32::from(date.year()), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    (params.not_before, params.not_after) = (day(-1), day(i64::from(days)));
    Ok(params)
}

fn sign(dir: &Path, stem: &str, mut params: CertificateParams) -> anyhow::Result<()> {
    let read = |name: &str| {
        let path = dir.join(name);
        fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}; `sluice certs ca` makes it", path.display()))
    };
    let ca_key = KeyPair::from_pem(&read("ca.key")?).context("ca.key is no key")?;
    let issuer = Issuer::from_ca_cert_pem(&read("ca.pem")?, ca_key).context("ca.pem is no certificate")?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?;
    write(dir, stem, &certificate.pem(), &key)
}

/// Keys are for their owner alone. Files that are there are not written over.
fn write(dir: &Path, stem: &str, certificate: &str, key: &KeyPair) -> anyhow::Result<()> {
    for (name, text, mode) in [
        (format!("{stem}.key"), key.serialize_pem(), 0o600),
        (format!("{stem}.pem"), certificate.to_owned(), 0o644),
    ] {
        let path = dir.join(name);
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(mode).open(&path);
        let mut file = file.with_context(|| format!("cannot write {}", path.display()))?;
        std::io::Write::write_all(&mut file, text.as_bytes())?;
        println!("{}", path.display());
    }
    Ok(())
}
