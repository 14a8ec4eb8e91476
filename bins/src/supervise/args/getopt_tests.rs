use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use super::getopt::getopt;
use super::options::known;

/// Options with their values, and what follows them.
type Cut = (Vec<(String, String)>, Vec<String>);

/// What `supervisord` 4.2.5 makes of the words, as Python's `getopt` returns it.
fn read(words: &[&str]) -> Result<Cut, String> {
    let known = known();
    let words = words.iter().map(OsString::from).collect();
    let (options, rest) = getopt(&known, words)?;
    let option = |word: super::getopt::Word<'_>| {
        (word.spelling, word.value.unwrap_or_default().into_string().unwrap())
    };
    let rest = rest.into_iter().map(|word| word.into_string().unwrap()).collect();
    Ok((options.into_iter().map(option).collect(), rest))
}

#[test]
fn options_are_cut_as_by_python() {
    for (words, options, rest) in [
        (&["-n"][..], &[("-n", "")][..], &[][..]),
        (&["-nc", "f"], &[("-n", ""), ("-c", "f")], &[]),
        (&["-ncf"], &[("-n", ""), ("-c", "f")], &[]),
        (&["-cnf"], &[("-c", "nf")], &[]),
        (&["-c=f"], &[("-c", "=f")], &[]),
        (&["-c", "-n"], &[("-c", "-n")], &[]),
        (&["-c", "--"], &[("-c", "--")], &[]),
        (&["-c", ""], &[("-c", "")], &[]),
        (&["-?v"], &[("-?", ""), ("-v", "")], &[]),
        (&["--configuration", "f"], &[("--configuration", "f")], &[]),
        (&["--configuration=f"], &[("--configuration", "f")], &[]),
        (&["--configuration="], &[("--configuration", "")], &[]),
        (&["--configuration=a=b"], &[("--configuration", "a=b")], &[]),
        (&["--configuration", "--nodaemon"], &[("--configuration", "--nodaemon")], &[]),
        (&["--conf", "f", "--nod"], &[("--configuration", "f"), ("--nodaemon", "")], &[]),
        (&["--config=f"], &[("--configuration", "f")], &[]),
        (&["--logfile=a", "--logfile_b=1"], &[("--logfile", "a"), ("--logfile_backups", "1")], &[]),
        (&["--minp=3", "--minf", "4"], &[("--minprocs", "3"), ("--minfds", "4")], &[]),
        (
            &["--st", "--si", "--d=/"],
            &[("--strip_ansi", ""), ("--silent", ""), ("--directory", "/")],
            &[],
        ),
        (
            &["--sta=f", "--du", "--f=perl"],
            &[("--state", "f"), ("--dump-config", ""), ("--format", "perl")],
            &[],
        ),
        (&["-t", "--", "-n", "x"], &[("-t", "")], &["-n", "x"]),
        (&["-k", "x", "-n"], &[("-k", "")], &["x", "-n"]),
        (&["-", "-n"], &[], &["-", "-n"]),
        (&["", "-n"], &[], &["", "-n"]),
        (&[], &[], &[]),
    ] {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let options: Vec<_> = options.iter().map(owned).collect();
        let rest: Vec<_> = rest.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(read(words), Ok((options, rest)), "{words:?}");
    }
}

#[test]
fn what_is_wrong_is_said_as_by_python() {
    for (words, error) in [
        (&["-x"][..], "option -x not recognized"),
        (&["-nx"], "option -x not recognized"),
        (&["-n-c"], "option -- not recognized"),
        (&["-nhé"], "option -é not recognized"),
        (&["-né"], "option -é not recognized"),
        (&["-:"], "option -: not recognized"),
        (&["-c"], "option -c requires argument"),
        (&["-nc"], "option -c requires argument"),
        (&["--nope"], "option --nope not recognized"),
        (&["--nope=3"], "option --nope not recognized"),
        (&["--NODAEMON"], "option --NODAEMON not recognized"),
        (&["--logfile-maxbytes=3"], "option --logfile-maxbytes not recognized"),
        (&["--configuration"], "option --configuration requires argument"),
        (&["--conf"], "option --configuration requires argument"),
        (&["--nodaemon=1"], "option --nodaemon must not have an argument"),
        (&["--nod="], "option --nodaemon must not have an argument"),
        (&["--c=f"], "option --c not a unique prefix"),
        (&["--no"], "option --no not a unique prefix"),
        (&["--log"], "option --log not a unique prefix"),
        (&["--logfile_"], "option --logfile_ not a unique prefix"),
        (&["--min=3"], "option --min not a unique prefix"),
        (&["--s"], "option --s not a unique prefix"),
        (&["--p=3"], "option --p not a unique prefix"),
        (&["--=3"], "option -- not a unique prefix"),
        (&["--configuration=x", "-n", "--bad"], "option --bad not recognized"),
    ] {
        assert_eq!(read(words).unwrap_err(), error, "{words:?}");
    }
}

#[test]
fn bytes_that_are_no_text_are_kept_in_values() {
    let known = known();
    let word = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    for words in [
        vec![word(b"-c\xffx")],
        vec![word(b"-c"), word(b"\xffx")],
        vec![word(b"--conf=\xffx")],
        vec![word(b"--conf"), word(b"\xffx")],
    ] {
        let (options, _) = getopt(&known, words).unwrap();
        assert_eq!(options[0].value, Some(word(b"\xffx")));
    }
    let error = getopt(&known, vec![word(b"-n\xff")]).unwrap_err();
    assert_eq!(error, "option -\u{fffd} not recognized");
}
