use super::*;

/// The names of the recorded configurations.
fn names() -> Names {
    let mut names = Names::new();
    for (name, value) in [
        ("ENV_FOO", "foo"),
        ("ENV_SP", "a b"),
        ("ENV_EMPTY", ""),
        ("here", "/etc"),
        ("program_name", "p"),
        ("group_name", "p"),
        ("host_node_name", "vm"),
        ("q", "it's é"),
    ] {
        names.insert(name, value);
    }
    names.insert("process_num", 0);
    names.insert("numprocs", 1);
    names.insert("n", 42);
    names.insert("minus", -42);
    names.insert("large", 1_234_567_890_123);
    names
}

#[test]
fn names_are_replaced() {
    for (text, expanded) in [
        ("", ""),
        ("/bin/cat $FOO ${FOO}", "/bin/cat $FOO ${FOO}"),
        ("/bin/echo %(here)s", "/bin/echo /etc"),
        ("/bin/echo %(ENV_FOO)s", "/bin/echo foo"),
        (
            "/bin/echo %(program_name)s %(group_name)s %(process_num)d %(numprocs)d",
            "/bin/echo p p 0 1",
        ),
        ("date +%%Y", "date +%Y"),
        ("%%(here)s %%%%", "%(here)s %%"),
        ("/bin/echo %(process_num)02d %(process_num)3d|", "/bin/echo 00   0|"),
        ("/bin/echo %(host_node_name)s|xx", "/bin/echo vm|xx"),
        ("%(group_name)s-%(host_node_name)s", "p-vm"),
        ("/bin/echo %(ENV_SP)s", "/bin/echo a b"),
        ("A=\"%(program_name)s-%(process_num)d\"", "A=\"p-0\""),
        ("é%(q)s日", "éit's é日"),
    ] {
        assert_eq!(expand(text, &names(), "x").unwrap(), expanded, "{text}");
    }
}

#[test]
fn conversions_are_those_of_python() {
    for (text, expanded) in [
        ("%(ENV_FOO)5s|%(ENV_FOO)-5s|%(ENV_FOO).2s|%(ENV_FOO)05.1s", "  foo|foo  |fo|    f"),
        ("%(q)r %(q)a %(q).3r", "\"it's é\" \"it's \\xe9\" \"it"),
        ("%(n)r %(n)a %(n)s %(n)4s| %(n).1s", "42 42 42   42| 4"),
        ("%(n)d %(n)i %(n)u %(n)ld %(n)hi %(n)Lu", "42 42 42 42 42 42"),
        ("%(n)+d %(n) d %(n)+ d %(minus)+d %(minus) d", "+42  42 +42 -42 -42"),
        (
            "%(n)06d %(minus)06d %(n)-6d| %(minus)-06d| %(n)+06d",
            "000042 -00042 42    | -42   | +00042",
        ),
        ("%(n).4d %(minus).4d %(n)6.4d %(n)06.4d %(n).d", "0042 -0042   0042 000042 42"),
        ("%(n)x %(n)X %(n)o %(n)#x %(n)#X %(n)#o %(minus)#x", "2a 2A 52 0x2a 0X2A 0o52 -0x2a"),
        (
            "%(n)#8x|%(n)#08x|%(n)-#8x|%(n)#.4x|%(minus)+#8o",
            "    0x2a|0x00002a|0x2a    |0x002a|   -0o52",
        ),
        ("%(n)f %(n).0f %(n)#.0f %(n)8.2F %(minus)08.1f", "42.000000 42 42.    42.00 -00042.0"),
        ("%(n)e %(n).0E %(large).3e %(process_num)e", "4.200000e+01 4E+01 1.235e+12 0.000000e+00"),
        (
            "%(n)g %(n)#g %(n).1g %(large)g %(large)G %(process_num)g",
            "42 42.0000 4e+01 1.23457e+12 1.23457E+12 0",
        ),
        ("%(large).20g %(large).13g %(large)#.14g", "1234567890123 1234567890123 1234567890123.0"),
        ("%(n)c %(n)3c|%(n)-3c|", "*   *|*  |"),
        ("%(program_name)c", "p"),
        ("%()s", "nothing"),
    ] {
        let mut names = names();
        names.insert("", "nothing");
        assert_eq!(expand(text, &names, "x").unwrap(), expanded, "{text}");
    }
}

#[test]
fn bad_formats_have_pythons_text() {
    for (text, why) in [
        ("/bin/echo 100%", "incomplete format"),
        ("/bin/echo %d", "%d format: a real number is required, not dict"),
        ("50% x", "%x format: an integer is required, not dict"),
        ("%i", "%i format: a real number is required, not dict"),
        ("%5.2f", "must be real number, not dict"),
        ("%c", "%c requires int or char"),
        ("date +%Y", "unsupported format character 'Y' (0x59) at index 7"),
        ("100% é", "unsupported format character '?' (0xe9) at index 5"),
        ("é%(here)y", "unsupported format character 'y' (0x79) at index 8"),
        ("%\n", "unsupported format character '?' (0xa) at index 1"),
        ("%5%", "unsupported format character '%' (0x25) at index 2"),
        ("%(here)%", "unsupported format character '%' (0x25) at index 7"),
        ("%(here", "incomplete format key"),
        ("%(he(re)s", "incomplete format key"),
        ("%(here)", "incomplete format"),
        ("%(here)-05.3l", "incomplete format"),
        ("%(n)lld", "unsupported format character 'l' (0x6c) at index 5"),
        ("%(here)d", "%d format: a real number is required, not str"),
        ("%(here)X", "%X format: an integer is required, not str"),
        ("%(here)g", "must be real number, not str"),
        ("%(here)c", "%c requires int or char"),
        ("%(minus)c", "%c arg not in range(0x110000)"),
        ("%(here)s %d", "not enough arguments for format string"),
        ("%(here)s %Y", "not enough arguments for format string"),
        ("%*d", "* wants int"),
        ("%(here)*d", "* wants int"),
        ("%(n)*d", "not enough arguments for format string"),
        ("%(n).*d", "not enough arguments for format string"),
        ("%(n)99999999999999999999999d", "width too big"),
        ("%(n).1000001d", "precision too big"),
        ("date +%s", "%s needs a name, as in %(name)s; a percent sign is %%"),
    ] {
        let error = format!(
            "Format string {} for 'program:p.command' is badly formatted: {why}",
            python::repr(text)
        );
        assert_eq!(expand(text, &names(), "program:p.command"), Err(error));
    }
}

#[test]
fn unknown_names_are_listed_with_the_known_ones() {
    let mut names = Names::new();
    names.insert("here", "/");
    names.insert("ENV_B", "");
    names.insert("ENV_A", "");
    for (text, name) in [
        ("/bin/echo %(ENV_NOPE)s", "'ENV_NOPE'"),
        ("%(it's)s", "\"it's\""),
        ("%((here))s", "'(here)'"),
        ("%(Here)d", "'Here'"),
        ("%(nope:-x)s", "'nope:-x'"),
    ] {
        let error = format!(
            "Format string {} for 'include.files' contains names ({name}) which cannot be \
             expanded. Available names: ENV_A, ENV_B, here",
            python::repr(text)
        );
        assert_eq!(expand(text, &names, "include.files"), Err(error));
    }
}

#[test]
fn variables_may_have_defaults() {
    for (text, expanded) in [
        ("%(ENV_NOPE:-x y)s", "x y"),
        ("%(ENV_NOPE:-)s|", "|"),
        ("%(ENV_FOO:-x)s", "foo"),
        ("%(ENV_EMPTY:-x)s", "x"),
        ("%(ENV_NOPE:-a(b)c)5s", "a(b)c"),
        ("%(ENV_NOPE:-a:-b)s", "a:-b"),
        ("%(ENV_NOPE:-90%%)s", "90%"),
        ("%(ENV_NOPE:-%(here)s/run)s", "/etc/run"),
        ("%(ENV_NOPE:-%(ENV_EMPTY:-%(ENV_FOO)s)s)s", "foo"),
        ("%(ENV_FOO:-%(nope)s)s", "foo"),
        ("%(ENV_NOPE:-abc)-5.2s|", "ab   |"),
        ("%(ENV_odd:-name)s", "exact"),
    ] {
        let mut names = names();
        names.insert("ENV_odd:-name", "exact");
        assert_eq!(expand(text, &names, "x").unwrap(), expanded, "{text}");
    }
    let error = expand("%(ENV_NOPE:-%(nope)s)s", &names(), "x").unwrap_err();
    assert!(error.contains("contains names ('nope') which"), "{error}");
    let deep = format!("{}{}", "%(ENV_NOPE:-".repeat(1000), ")s".repeat(1000));
    let error = expand(&deep, &names(), "x").unwrap_err();
    assert!(error.ends_with("too many defaults inside of defaults"), "{error}");
}

#[test]
fn no_value_is_endless() {
    let error = expand(&"%(n)999999d".repeat(100), &names(), "x").unwrap_err();
    assert!(error.ends_with("the result is longer than 8388608 bytes"), "{error}");
}

#[test]
fn clones_share_and_do_not_disturb() {
    let base = names();
    let mut one = base.clone();
    one.insert("here", "/one");
    let mut two = one.clone();
    two.insert("process_num", 7);
    assert_eq!(base.get("here"), Some(&Value::from("/etc")));
    assert_eq!((one.get("here"), one.get("process_num")), (Some(&"/one".into()), Some(&0.into())));
    assert_eq!((two.get("here"), two.get("process_num")), (Some(&"/one".into()), Some(&7.into())));
    assert_eq!(two.names().collect::<Vec<_>>(), base.names().collect::<Vec<_>>());
    let mut kept = Vec::new();
    for number in 0..100 {
        kept.push(two.clone());
        two.insert(format!("k{number}"), number);
    }
    assert!(two.layers.len() <= LAYERS);
    assert_eq!(two.names().count(), base.names().count() + 100);
    assert!(kept[50].get("k49").is_some() && kept[50].get("k50").is_none());
}
