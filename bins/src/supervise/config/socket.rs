//! `socket=` of an `[fcgi-program:x]`, and of a hot program.

use super::load::World;
use super::model::{Socket, SocketAddress};
use super::reader::Reader;
use super::{paths, user, value};

/// Reads `socket`, `socket_backlog`, `socket_owner` and `socket_mode`.
///
/// # Errors
///
/// There is no socket, or one of the keys means nothing.
pub(super) fn read(reader: &Reader<'_>, world: &World) -> Result<Socket, String> {
    let section = &reader.section.name;
    let program_user = reader.given("user", user::user)?;
    let backlog = reader.given("socket_backlog", value::integer)?;
    if let Some(number) = backlog.filter(|number| !(1..=65_535).contains(number)) {
        return Err(format!("Invalid socket_backlog value {number}"));
    }
    let owner = reader.given("socket_owner", |text| {
        user::owner(text).ok_or_else(|| format!("Invalid socket_owner value {text}"))
    })?;
    let mode = reader.given("socket_mode", |text| {
        value::octal(text).map_err(|_| format!("Invalid socket_mode value {text}"))
    })?;
    let text = reader.text("socket")?.unwrap_or_default();
    if text.is_empty() {
        return Err(format!("[{section}] section requires a \"socket\" line"));
    }
    let owner = owner.map(|(uid, gid)| (id(uid), id(gid)));
    let given = Given { program_user, backlog, owner, mode };
    given.at(&text, world).map_err(|error| format!("{error} in [{section}] socket"))
}

/// What chown(2) is told; -1, "leave it alone", is its largest number.
fn id(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

struct Given {
    program_user: Option<u32>,
    backlog: Option<i64>,
    owner: Option<(u32, u32)>,
    mode: Option<i64>,
}

impl Given {
    fn at(self, text: &str, world: &World) -> Result<Socket, String> {
        let Self { program_user, backlog, owner, mode } = self;
        match value::socket(text, owner.is_some() || mode.is_some())? {
            SocketAddress::Unix(path) => {
                // Its own user must be able to reach the socket that root makes for it.
                let other = program_user.filter(|uid| *uid != world.uid);
                let theirs = || other.and_then(|uid| Some((uid, user::group_of(uid)?)));
                Ok(Socket {
                    address: SocketAddress::Unix(paths::normalize(&path, world)),
                    backlog,
                    owner: owner.or_else(theirs),
                    mode: Some(mode.unwrap_or(0o700)),
                })
            }
            address @ SocketAddress::Tcp { .. } => {
                Ok(Socket { address, backlog, owner: None, mode: None })
            }
        }
    }
}
