use super::*;

#[test]
fn booleans() {
    for (value, read) in [
        ("true", true),
        ("TRUE", true),
        ("yes", true),
        ("on", true),
        ("1", true),
        ("false", false),
        ("No", false),
        ("oFF", false),
        ("0", false),
    ] {
        assert_eq!(boolean(value), Ok(read));
    }
    for value in ["t", "y", "2", "", "x", " true", "01"] {
        assert_eq!(boolean(value), Err(format!("not a valid boolean value: '{value}'")));
    }
    assert_eq!(boolean("it's\n"), Err("not a valid boolean value: \"it's\\n\"".to_owned()));
}

#[test]
fn integers() {
    for (value, read) in [("0", 0), ("10", 10), ("-1", -1), ("1_000", 1000), (" 3 ", 3)] {
        assert_eq!(integer(value), Ok(read));
    }
    for value in ["1.5", "abc", "", "x", "1 2"] {
        let error = format!("invalid literal for int() with base 10: '{value}'");
        assert_eq!(integer(value), Err(error));
    }
}

#[test]
fn sizes() {
    for (value, read) in [
        ("10", 10),
        ("0", 0),
        ("-1", -1),
        ("50MB", 50 << 20),
        ("50 Mb", 50 << 20),
        ("1GB", 1 << 30),
        ("2kb", 2048),
        ("-1kB", -1024),
    ] {
        assert_eq!(byte_size(value), Ok(read), "{value}");
    }
    for (value, shown) in
        [("1m", "1m"), ("5B", "5b"), ("1.5MB", "1.5"), ("MB", ""), ("", ""), ("50MB ", "50mb ")]
    {
        let error = format!("invalid literal for int() with base 10: '{shown}'");
        assert_eq!(byte_size(value), Err(error), "{value}");
    }
    let error = byte_size("99999999999GB").unwrap_err();
    assert_eq!(error, "the size '99999999999GB' is too large");
    assert!(byte_size("9".repeat(30).as_str()).is_err());
}

#[test]
fn restarts() {
    for (value, read) in [
        ("true", AutoRestart::Always),
        ("1", AutoRestart::Always),
        ("False", AutoRestart::Never),
        ("0", AutoRestart::Never),
        ("Unexpected", AutoRestart::Unexpected),
    ] {
        assert_eq!(autorestart(value), Ok(read));
    }
    for (value, shown) in [("always", "always"), ("", ""), ("On-Failure", "on-failure")] {
        assert_eq!(autorestart(value), Err(format!("invalid 'autorestart' value '{shown}'")));
    }
}

#[test]
fn codes() {
    for (value, read) in
        [("", vec![]), ("0", vec![0]), ("0,2", vec![0, 2]), ("0, 2 ,255", vec![0, 2, 255])]
    {
        assert_eq!(exit_codes(value), Ok(read));
    }
    for value in ["256", "-1", "a", "0;1", "0,", ",", "0 1", " "] {
        assert_eq!(exit_codes(value), Err(format!("not a valid list of exit codes: '{value}'")));
    }
}

#[test]
fn signals() {
    for (value, read) in [
        ("TERM", 15),
        ("term", 15),
        ("SIGTERM", 15),
        (" sigusr1 ", 10),
        ("USR1", 10),
        ("HUP", 1),
        ("KILL", 9),
        ("STOP", 19),
        ("CHLD", 17),
        ("CLD", 17),
        ("IOT", 6),
        ("POLL", 29),
        ("STKFLT", 16),
        ("RTMIN", 34),
        ("RTMAX", 64),
        ("RTMIN+3", 37),
        ("0", 0),
        ("64", 64),
        ("1_5", 15),
        ("+9", 9),
        ("SIG_DFL", 0),
        ("_ign", 1),
    ] {
        assert_eq!(signal(value), Ok(read), "{value}");
    }
    for value in ["FOO", "", "SIG", "SIGSIGTERM", "TERM 1", "1.5", "RTMIN+99", "SIG15", "SIG_"] {
        assert_eq!(signal(value), Err(format!("value '{value}' is not a valid signal name")));
    }
    for value in ["65", "-1", "32", "33", "99999999999999999999", "4294967297"] {
        assert_eq!(signal(value), Err(format!("value '{value}' is not a valid signal number")));
    }
}

#[test]
fn octals() {
    for (value, read) in [("22", 18), ("022", 18), ("0o22", 18), ("0700", 448), ("-1", -1)] {
        assert_eq!(octal(value), Ok(read));
    }
    for value in ["abc", "", "8", "0x1", "u=rwx"] {
        assert_eq!(octal(value), Err(format!("{value} can not be converted to an octal type")));
    }
}

#[test]
fn logfiles() {
    for value in ["NONE", "none", "None", "off", "OFF"] {
        assert_eq!(logfile(value), LogFile::None);
    }
    assert_eq!((logfile("AUTO"), logfile("auto")), (LogFile::Auto, LogFile::Auto));
    assert_eq!(logfile("Syslog"), LogFile::Syslog);
    for value in ["", "~/x.log", "/dev/stdout", "none.log", "/Log"] {
        assert_eq!(logfile(value), LogFile::Path(value.to_owned()));
    }
}

#[test]
fn names() {
    for (value, read) in [("p", "p"), ("  spaced  ", "spaced"), ("a_b-c.d\té", "a_b-c.d\té")] {
        assert_eq!(name(value), Ok(read.to_owned()));
    }
    for (value, bad) in [("a b", ' '), ("a/b", '/'), ("a:b", ':'), (":", ':'), ("a/b:c d", ' ')] {
        let error = format!("Invalid name: '{value}' because of character: '{bad}'");
        assert_eq!(name(value), Err(error));
    }
}

#[test]
fn addresses() {
    for (value, host, port) in [
        ("9001", "", 9001),
        (":9001", "", 9001),
        ("*:9001", "", 9001),
        ("127.0.0.1:9001", "127.0.0.1", 9001),
        ("LocalHost:1", "localhost", 1),
        ("::1:65535", "::1", 65535),
        (" 9001 ", "", 9001),
    ] {
        assert_eq!(inet_address(value), Ok((host.to_owned(), port)), "{value}");
    }
    for (value, error) in [
        ("70000", "not a valid port number: '70000' "),
        ("", "not a valid port number: '' "),
        ("http", "not a valid port number: 'http' "),
        ("h:", "no port number specified in ''"),
        ("h:0", "0 is below lower bound (1)"),
        ("h:-5", "-5 is below lower bound (1)"),
        ("h:65536", "65536 is above upper bound (65535)"),
        ("h:x", "invalid literal for int() with base 10: 'x'"),
    ] {
        assert_eq!(inet_address(value), Err(error.to_owned()), "{value}");
    }
}

#[test]
fn sockets() {
    let unix = SocketAddress::Unix("/tmp/f.sock".to_owned());
    assert_eq!(socket("unix:///tmp/f.sock", true), Ok(unix));
    let tcp = SocketAddress::Tcp { host: "localhost".to_owned(), port: 9999 };
    assert_eq!(socket("tcp://LocalHost:9999", false), Ok(tcp));
    for (value, unix_only, error) in [
        (
            "unix://tmp/f.sock",
            false,
            "('Unix socket path %s is not an absolute path', 'tmp/f.sock')",
        ),
        (
            "tcp://localhost:9999",
            true,
            "socket_owner and socket_mode params should only be used with a Unix domain socket",
        ),
        ("tcp://h", false, "('Bad socket format %s', 'tcp://h')"),
        ("tcp://h:1:2", false, "('Bad socket format %s', 'tcp://h:1:2')"),
        ("tcp://:1", false, "('Bad socket format %s', 'tcp://:1')"),
        ("tcp://a b:1", false, "('Bad socket format %s', 'tcp://a b:1')"),
        ("/tmp/x", false, "('Bad socket format %s', '/tmp/x')"),
        ("tcp://h:0", false, "0 is below lower bound (1)"),
        ("tcp://h:99999", false, "99999 is above upper bound (65535)"),
    ] {
        assert_eq!(socket(value, unix_only), Err(error.to_owned()), "{value}");
    }
}

#[test]
fn levels() {
    for (value, read) in [
        ("critical", Level::Critical),
        ("ERROR", Level::Error),
        ("warn", Level::Warn),
        ("info", Level::Info),
        ("debug", Level::Debug),
        ("trace", Level::Trace),
        ("blather", Level::Blather),
    ] {
        assert_eq!(level(value), Ok(read));
    }
    for value in ["bogus", "warning", "", " info"] {
        assert_eq!(level(value), Err(format!("bad logging level name '{value}'")));
    }
}

#[test]
fn lists() {
    assert_eq!(list(""), [""; 0]);
    assert_eq!(list("a, b ,\nc,"), ["a", "b", "c", ""]);
}

#[test]
fn durations() {
    for (value, millis) in [
        ("0", 0),
        ("10", 10_000),
        ("1.5", 1_500),
        ("0.001", 1),
        ("500ms", 500),
        ("2s", 2_000),
        ("1.5 m", 90_000),
        ("2h", 7_200_000),
        ("1d", 86_400_000),
    ] {
        assert_eq!(duration(value), Ok(Duration::from_millis(millis)), "{value}");
    }
    for value in
        ["", "-1", "+1", "1.", ".5", "1e3", "1.2.3", "2 weeks", "ms", "1_0", "99999999999999d"]
    {
        let error = format!("not a valid duration: '{value}' (such as 10, 1.5, 500ms or 2m)");
        assert_eq!(duration(value), Err(error));
    }
}
