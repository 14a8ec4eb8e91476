//! The sockets of the control protocol, what the client is told of them, and Python plugins.

use super::around::Surroundings;
use super::ini::{Document, Section};
use super::model::{Address, Client, Note, Server, Weight};
use super::reader::Reader;
use super::{paths, user, value};

/// supervisord's own control protocol, the only one there is here.
const PROTOCOL: &str = "supervisor.rpcinterface:make_main_rpcinterface";

/// Reads every `[inet_http_server]`, then every `[unix_http_server]`.
///
/// # Errors
///
/// supervisord's line for the first thing that is wrong.
pub(super) fn read(document: &Document, around: &Surroundings<'_>) -> Result<Vec<Server>, String> {
    let of_kind = |kind: &'static str| {
        document.sections().iter().filter(move |section| section.name.starts_with(kind))
    };
    let mut servers = Vec::new();
    for section in of_kind("inet_http_server") {
        let reader = around.bare_reader(section);
        let login = Login::read(&reader)?;
        let port = reader
            .text("port")?
            .ok_or_else(|| format!("section [{}] has no port value", section.name))?;
        let (host, port) = value::inet_address(&port)?;
        servers.push(login.server(section, Address::Inet { host, port }));
    }
    for section in of_kind("unix_http_server") {
        let mut reader = around.reader(section);
        let file = reader
            .text("file")?
            .ok_or_else(|| format!("section [{}] has no file value", section.name))?;
        reader.names = around.names.clone();
        let login = Login::read(&reader)?;
        let chown = reader.get("chown", (-1, -1), |text| {
            user::owner(text).ok_or_else(|| format!("Invalid sockchown value {text}"))
        })?;
        let chmod = reader.get("chmod", 0o700, |text| {
            value::octal(text).map_err(|_| format!("Invalid chmod value {text}"))
        })?;
        let file = paths::normalize(file.trim(), around.world);
        servers.push(login.server(section, Address::Unix { file, chmod, chown }));
    }
    Ok(servers)
}

/// Who may speak to a server.
struct Login {
    username: Option<String>,
    password: Option<String>,
}

impl Login {
    fn read(reader: &Reader<'_>) -> Result<Self, String> {
        let (username, password) = (reader.text("username")?, reader.text("password")?);
        if username.is_some() != password.is_some() {
            return Err(format!(
                "Section [{}] contains incomplete authentication: If a username or a password is \
                 specified, both the username and password must be specified",
                reader.section.name
            ));
        }
        Ok(Self { username, password })
    }

    fn server(self, section: &Section, address: Address) -> Server {
        Server {
            section: section.name.clone(),
            name: section.name.split_once(':').map(|(_, name)| name.to_owned()),
            address,
            username: self.username,
            password: self.password,
        }
    }
}

/// What programs are told as SUPERVISOR_SERVER_URL: the first unix socket, or else the last
/// address, as in supervisord.
pub(super) fn url(servers: &[Server]) -> Option<String> {
    let unix = servers.iter().find_map(|server| match &server.address {
        Address::Unix { file, .. } => Some(format!("unix://{file}")),
        Address::Inet { .. } => None,
    });
    let inet = || {
        servers.iter().rev().find_map(|server| match &server.address {
            Address::Inet { host, port } if host.is_empty() => {
                Some(format!("http://localhost:{port}"))
            }
            Address::Inet { host, port } => Some(format!("http://{host}:{port}")),
            Address::Unix { .. } => None,
        })
    };
    unix.or_else(inet)
}

/// Reads `[supervisorctl]`. supervisord never looks at it, so that what is wrong there is only
/// worth a word.
pub(super) fn client(
    document: &Document,
    around: &Surroundings<'_>,
    notes: &mut Vec<Note>,
) -> Client {
    let Some(section) = document.section("supervisorctl") else { return Client::default() };
    let reader = around.reader(section);
    let mut text = |key: &str| {
        reader.text(key).unwrap_or_else(|error| {
            let text = format!("{error} ({})", reader.place(key));
            notes.push(Note { weight: Weight::Advice, text });
            None
        })
    };
    let path = |path: &str| paths::normalize(path, around.world);
    let serverurl = text("serverurl").map(|url| match url.strip_prefix("unix://") {
        Some(socket) => format!("unix://{}", path(socket)),
        None => url,
    });
    Client {
        serverurl,
        username: text("username"),
        password: text("password"),
        prompt: text("prompt"),
        history_file: text("history_file").filter(|file| !file.is_empty()).map(|file| path(&file)),
    }
}

/// Refuses what would have to be loaded into a Python interpreter.
///
/// # Errors
///
/// There is an `[rpcinterface:x]` other than supervisord's own, or a `[ctlplugin:x]`.
pub(super) fn refuse_plugins(document: &Document, around: &Surroundings<'_>) -> Result<(), String> {
    for (prefix, key, own) in [
        ("rpcinterface:", "supervisor.rpcinterface_factory", Some(PROTOCOL)),
        ("ctlplugin:", "supervisor.ctl_factory", None),
    ] {
        for section in document.sections().iter().filter(|one| one.name.starts_with(prefix)) {
            let (name, reader) = (&section.name, around.bare_reader(section));
            let Some(factory) = reader.text(key)? else {
                return Err(format!("section [{name}] does not specify a {key}"));
            };
            if own != Some(factory.as_str()) {
                let known = own.map_or_else(String::new, |own| format!("; only {own} is known"));
                return Err(format!(
                    "{factory} cannot be resolved within [{name}]: Python plugins cannot be \
                     loaded{known}"
                ));
            }
            for entry in section.entries() {
                reader.text(&entry.key)?;
            }
        }
    }
    Ok(())
}
