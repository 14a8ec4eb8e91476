//! What a client of the control protocol reads of a configuration, which need not be whole.

use std::path::Path;

use super::around::Surroundings;
use super::ini::Document;
use super::load::{self, World};
use super::model::{Address, Client, Server};
use super::paths::{directory_of, normalize};
use super::server;

/// Reads `[supervisorctl]` of a file; where there is none, the same from the first section of a
/// server. Included files are not read, nor does it matter what is wrong elsewhere in the file, as in
/// supervisorctl.
///
/// # Errors
///
/// The file cannot be read or parsed, says nothing about where the server is, or is wrong about
/// that; in supervisorctl's words, which may have several lines.
pub fn read(file: &Path, world: &World) -> Result<Client, String> {
    let text = load::text(file, world)?;
    let document = Document::parse(&text, &file.display().to_string())?;
    let path = world.cwd.join(file);
    let here = normalize(directory_of(&path.display().to_string()), world);
    let around = Surroundings::new(world, &here);
    if document.section("supervisorctl").is_some() {
        let mut notes = Vec::new();
        let client = server::client(&document, &around, &mut notes);
        return notes.into_iter().next().map_or(Ok(client), |note| Err(note.text));
    }
    let servers = server::read(&document, &around)?;
    let Some(serverurl) = server::url(&servers) else {
        return Err(".ini file does not include supervisorctl section".to_owned());
    };
    let is_unix = |server: &&Server| matches!(server.address, Address::Unix { .. });
    let server = servers.iter().find(is_unix).or(servers.last());
    // Of a hash the password cannot be known.
    let password = server
        .and_then(|server| server.password.clone())
        .filter(|password| !password.starts_with("{SHA}"));
    Ok(Client {
        serverurl: Some(serverurl),
        username: server.and_then(|server| server.username.clone()),
        password,
        ..Client::default()
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Directory, world};
    use super::*;

    fn read_text(text: &str) -> Result<[Option<String>; 3], String> {
        let directory = Directory::new();
        let file = directory.write("s.conf", text);
        let client = read(&file, &world()).map_err(|error| directory.hide(&error))?;
        let hide = |text: Option<String>| text.map(|text| directory.hide(&text));
        Ok([client.serverurl, client.username, client.password].map(hide))
    }

    fn client(url: &str, username: &str, password: &str) -> Result<[Option<String>; 3], String> {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Ok([given(url), given(username), given(password)])
    }

    #[test]
    fn the_section_of_the_client_counts_before_that_of_a_server() {
        let unix = "[unix_http_server]\nfile=%(here)s/s.sock\nusername=u\npassword=p\n";
        let inet = "[inet_http_server]\nport=*:9001\nusername=i\npassword={SHA}00\n";
        for (text, found) in [
            ("[supervisorctl]\n".to_owned(), client("", "", "")),
            (
                format!("[supervisorctl]\nserverurl=unix://%(here)s/x\nusername=a\n{unix}"),
                client("unix://<DIR>/x", "a", ""),
            ),
            (format!("{inet}{unix}"), client("unix://<DIR>/s.sock", "u", "p")),
            (inet.to_owned(), client("http://localhost:9001", "i", "")),
        ] {
            assert_eq!(read_text(&text), found, "{text}");
        }
    }

    #[test]
    fn nothing_else_in_the_file_matters() {
        let text = "[program:broken]\n[include]\nfiles=/no/*\n[supervisord]\nloglevel=x\n\
                    [supervisorctl]\nserverurl=http://h:1\n";
        assert_eq!(read_text(text), client("http://h:1", "", ""));
    }

    #[test]
    fn a_file_that_says_nothing_of_a_server_is_refused() {
        for (text, error) in [
            ("[supervisord]\n", ".ini file does not include supervisorctl section"),
            (
                "[supervisorctl]\nserverurl=%(nothing)s\n",
                "Format string '%(nothing)s' for 'supervisorctl.serverurl' contains names \
                 ('nothing') which cannot be expanded.",
            ),
            ("[unix_http_server]\n", "section [unix_http_server] has no file value"),
            ("x\n", "File contains no section headers."),
        ] {
            let refused = read_text(text).unwrap_err();
            assert!(refused.starts_with(error), "{refused}");
        }
        let error = read(Path::new("/no/such.conf"), &world()).unwrap_err();
        assert_eq!(error, "could not find config file /no/such.conf");
    }
}
