//! From the command line and the configuration to a server.

use std::path::Path;

use super::args::Options;
use super::client::Client;
use crate::supervise::args::search::find;
use crate::supervise::config;
use crate::supervise::config::load::World;
use crate::supervise::config::model;

/// Where a server is when nobody says so.
const USUAL: &str = "http://localhost:9001";
/// The variable of the environment that has a password, which others cannot see there.
pub const PASSWORD: &str = "SUPERVISE_PASSWORD";

/// What the configuration and the command line say together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Where the server is.
    pub url: String,
    /// Who calls.
    pub username: Option<String>,
    /// How that is proved.
    pub password: Option<String>,
    /// What the prompt begins with.
    pub prompt: Option<String>,
}

impl Settings {
    /// Reads the file that was named, or the first one that is found; without any, only the command
    /// line counts. A password comes from the command line, else from the file named there for it,
    /// else from the environment, else from the configuration.
    ///
    /// # Errors
    ///
    /// What is wrong with a file.
    pub fn read(program: &Path, options: &Options, world: &World) -> Result<Self, String> {
        let file = options.configuration.clone().or_else(|| find(program, None).ok());
        let read = |file: &Path| config::client::read(file, world);
        let client = file.as_deref().map_or_else(|| Ok(model::Client::default()), read)?;
        let variable = || world.env.iter().find(|(name, _)| name == PASSWORD);
        let own = options.password_file.as_deref().map(first_line).transpose()?;
        let environment = || variable().map(|(_, value)| value.clone());
        Ok(Self {
            url: options.serverurl.clone().or(client.serverurl).unwrap_or_else(|| USUAL.to_owned()),
            username: options.username.clone().or(client.username),
            password: options.password.clone().or(own).or_else(environment).or(client.password),
            prompt: client.prompt,
        })
    }

    /// The server, not spoken to yet.
    ///
    /// # Errors
    ///
    /// The address is none.
    pub fn client(&self, verbose: bool) -> Result<Client, String> {
        let login = self.username.clone().zip(self.password.clone());
        Client::new(&self.url, login, verbose).map_err(|error| error.to_string())
    }
}

/// A password that a file has for itself.
fn first_line(file: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("could not read password file {}: {error}", file.display()))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err(format!("there is no password in {}", file.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world(env: &[(&str, &str)]) -> World {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        World { env: env.collect(), ..World::of_this_process().unwrap() }
    }

    fn settings(options: &Options, env: &[(&str, &str)]) -> Settings {
        let directory = std::env::temp_dir().join(format!("ctl-settings-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("c.conf");
        let text = "[supervisorctl]\nserverurl=unix:///s\nusername=u\npassword=file\nprompt=p\n";
        std::fs::write(&file, text).unwrap();
        let options = Options { configuration: Some(file), ..options.clone() };
        let read = Settings::read(Path::new("/none/bin/supervise"), &options, &world(env));
        std::fs::remove_dir_all(directory).unwrap();
        read.unwrap()
    }

    #[test]
    fn the_command_line_counts_before_the_environment_before_the_file() {
        let text = |text: &str| Some(text.to_owned());
        let read = settings(&Options::default(), &[]);
        let prompt = text("p");
        let (username, password) = (text("u"), text("file"));
        assert_eq!(read, Settings { url: "unix:///s".to_owned(), username, password, prompt });
        let env = [(PASSWORD, "env")];
        assert_eq!(settings(&Options::default(), &env).password, text("env"));
        let file = std::env::temp_dir().join(format!("ctl-password-{}", std::process::id()));
        let options = Options { password_file: Some(file.clone()), ..Options::default() };
        std::fs::write(&file, "own secret\nmore\n").unwrap();
        assert_eq!(settings(&options, &env).password, text("own secret"));
        for (content, why) in
            [("", "there is no password in "), ("\nx", "there is no password in ")]
        {
            std::fs::write(&file, content).unwrap();
            let error = Settings::read(Path::new("/none/bin/s"), &options, &world(&env));
            assert_eq!(error.unwrap_err(), format!("{why}{}", file.display()));
        }
        std::fs::remove_file(&file).unwrap();
        let options = Options {
            serverurl: text("http://h:1"),
            username: text("v"),
            password: text("line"),
            ..Options::default()
        };
        let read = settings(&options, &env);
        assert_eq!(
            (read.url.as_str(), read.username, read.password),
            ("http://h:1", text("v"), text("line"))
        );
    }

    #[test]
    fn without_a_file_the_server_is_where_supervisorctl_has_it() {
        let nowhere = Path::new("/no/such/place/bin/supervise");
        if find(nowhere, None).is_ok() {
            return;
        }
        let read = Settings::read(nowhere, &Options::default(), &world(&[])).unwrap();
        assert_eq!(read, Settings { url: USUAL.to_owned(), ..Settings::default() });
        let options = Options { configuration: Some("/no/such".into()), ..Options::default() };
        let error = Settings::read(nowhere, &options, &world(&[])).unwrap_err();
        assert_eq!(error, "could not find config file /no/such");
    }
}
