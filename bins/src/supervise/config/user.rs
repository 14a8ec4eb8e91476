//! Users and groups, with supervisord's words for those that do not exist.

use reaper::{Credentials, group_id};

use super::value;

/// The number of a user given by name or number; a number must have a passwd entry, too.
///
/// # Errors
///
/// There is no such user.
pub(super) fn user(text: &str) -> Result<u32, String> {
    let number = value::integer(text).ok();
    let shown = number.map_or_else(|| text.to_owned(), |number| number.to_string());
    match Credentials::lookup(Some(&shown), None) {
        Ok(found) => Ok(found.uid()),
        Err(error) => {
            let what = if number.is_some() { "id" } else { "name" };
            Err(format!("Invalid user {what} {text}{}", because(&error)))
        }
    }
}

/// A failure of the user database itself is named; that a name is unknown needs no reason.
fn because(error: &reaper::UserError) -> String {
    match std::error::Error::source(error) {
        Some(_) => format!(": {error}"),
        None => String::new(),
    }
}

/// The number of a group given by name or number.
///
/// # Errors
///
/// There is no such group.
pub(super) fn group(text: &str) -> Result<u32, String> {
    let number = value::integer(text).ok();
    let shown = number.map_or_else(|| text.to_owned(), |number| number.to_string());
    let what = if number.is_some() { "id" } else { "name" };
    group_id(&shown).map_err(|error| format!("Invalid group {what} {text}{}", because(&error)))
}

/// `user` or `user:group` for chown(2); -1 leaves the group alone. `None` where either is unknown.
pub(super) fn owner(text: &str) -> Option<(i64, i64)> {
    let Some((name, group_name)) = text.split_once(':') else {
        return Some((user(text).ok()?.into(), -1));
    };
    Some((user(name).ok()?.into(), group(group_name).ok()?.into()))
}

/// The first group of a user.
pub(super) fn group_of(uid: u32) -> Option<u32> {
    Credentials::lookup(Some(&uid.to_string()), None).ok().map(|found| found.gid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_names_or_numbers_that_exist() {
        assert_eq!(user("root"), Ok(0));
        assert_eq!(user("0"), Ok(0));
        assert_eq!(user(" 0 "), Ok(0));
        assert_eq!(user("nobody"), Ok(65534));
        for (text, error) in [
            ("99999", "Invalid user id 99999"),
            ("-1", "Invalid user id -1"),
            ("4294967295", "Invalid user id 4294967295"),
            ("99999999999999999999", "Invalid user name 99999999999999999999"),
            ("nosuch", "Invalid user name nosuch"),
            ("root:root", "Invalid user name root:root"),
            ("", "Invalid user name "),
        ] {
            assert_eq!(user(text), Err(error.to_owned()));
        }
    }

    #[test]
    fn owners_are_a_user_and_perhaps_a_group() {
        assert_eq!(owner("nobody"), Some((65534, -1)));
        assert_eq!(owner("nobody:nogroup"), Some((65534, 65534)));
        assert_eq!(owner("0:0"), Some((0, 0)));
        for text in ["nosuch", "nosuch:x", "root:", ":root", "root:no such group", ""] {
            assert_eq!(owner(text), None, "{text}");
        }
        assert_eq!(group_of(0), Some(0));
    }

    #[test]
    fn groups_are_names_or_numbers() {
        assert_eq!(group("root"), Ok(0));
        assert_eq!(group("nogroup"), Ok(65534));
        assert_eq!(group("nosuch"), Err("Invalid group name nosuch".to_owned()));
        assert_eq!(group("-1"), Err("Invalid group id -1".to_owned()));
    }
}
