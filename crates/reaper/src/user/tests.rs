use super::*;

fn message(user: Option<&str>, group: Option<&str>) -> String {
    Credentials::lookup(user, group).unwrap_err().to_string()
}

#[test]
fn root_by_name_and_number() {
    let root = Credentials::lookup(Some("root"), None).unwrap();
    assert_eq!((root.uid(), root.gid()), (0, 0));
    assert!(root.groups().contains(&0));
    assert_eq!(root.name(), Some(OsStr::new("root")));
    assert!(root.home().unwrap().is_absolute() && root.shell().is_some());
    assert_eq!(Credentials::lookup(Some("0"), None).unwrap(), root);
    assert_eq!(user_id("root").unwrap(), 0);
    assert_eq!(group_id("0").unwrap(), 0);
}

#[test]
fn numbers_without_an_entry() {
    let both = Credentials::lookup(Some("54321"), Some("54322")).unwrap();
    assert_eq!((both.uid(), both.gid(), both.groups()), (54321, 54322, &[54322][..]));
    assert_eq!(both.name(), None);
    assert_eq!(
        message(Some("54321"), None),
        "user id 54321 has no passwd entry; name a group as well"
    );
    assert_eq!(user_id("54321").unwrap(), 54321);
}

#[test]
fn a_group_alone_keeps_the_user() {
    let only = Credentials::lookup(None, Some("54322")).unwrap();
    assert_eq!(only.uid(), rustix::process::geteuid().as_raw());
    assert_eq!((only.gid(), only.groups()), (54322, &[54322][..]));
}

#[test]
fn a_given_group_replaces_the_users_own() {
    let mixed = Credentials::lookup(Some("root"), Some("54322")).unwrap();
    assert_eq!((mixed.uid(), mixed.gid()), (0, 54322));
    assert!(mixed.groups().contains(&54322));
}

#[test]
fn unknown_ones_are_errors() {
    assert_eq!(message(Some("no-such-user"), None), "unknown user \"no-such-user\"");
    assert_eq!(message(None, Some("no-such-group")), "unknown group \"no-such-group\"");
    assert_eq!(message(None, None), "neither a user nor a group is given");
    // All of these would mean something else to setresuid(2) or strtoul(3).
    for bad in ["", "-1", "+1", "4294967295", "4294967296", "0x10", "1 ", "a\0b"] {
        assert_eq!(message(Some(bad), Some("0")), format!("unknown user {bad:?}"));
        assert!(group_id(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn buffers_grow_on_erange() {
    let mut sizes = Vec::new();
    let answer = with_buffer(|buffer| {
        sizes.push(buffer.len());
        if buffer.len() < 10_000 {
            return Err(io::Error::from_raw_os_error(libc::ERANGE));
        }
        Ok(buffer.len())
    });
    assert_eq!((answer.unwrap(), sizes), (16384, vec![1024, 4096, 16384]));
    let endless = with_buffer::<()>(|_| Err(io::Error::from_raw_os_error(libc::ERANGE)));
    assert_eq!(endless.unwrap_err().raw_os_error(), Some(libc::ERANGE));
}
