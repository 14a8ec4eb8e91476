use super::*;

#[test]
fn lines_of_the_kernel() {
    let accept = b"43 0x3 0x7ffd0 0x7ffd4 0x0 0x0 0x0 0x7fff15c3ffd8 0x7f7ead51d2ad\n";
    assert_eq!(parse(accept), Some(Shown::Call(43, [3, 0x7ffd0])));
    assert_eq!(parse(b"running\n"), Some(Shown::Running));
    assert_eq!(parse(b"-1 0x7ffe 0x5580\n"), Some(Shown::Outside));
    assert_eq!(parse(b"-1 0x0 0x0\n"), Some(Shown::Ended));
    let longest = format!("-9223372036854775808{}\n", " 0xffffffffffffffff".repeat(8));
    assert!(longest.len() <= LONGEST);
}

#[test]
fn other_lines() {
    let cases: [&[u8]; 22] = [
        b"",
        b"\n",
        b"running",
        b"running \n",
        b" running\n",
        b"runn",
        b"43\n",
        b"43 0x3\n",
        b"43 0x3 0x0 0x0 0x0 0x0 0x0 0x0\n",
        b"43 0x3 0x0 0x0 0x0 0x0 0x0 0x0 0x0",
        b"43 0x3 0x0 0x0 0x0 0x0 0x0 0x0 0x0 0x0\n",
        b"43 0x3 0x0 0x0 0x0 0x0 0x0 0x0 0x+1\n",
        b"43 0x3 0x0 0x0 0x0 0x0 0x0 0x0 1\n",
        b"43 0x3 0x0 0x0 0x0 0x0 0x0 0x0 0x\n",
        b"43 0x3 0x0 0x0 0x0 0x0 0x0  0x0\n",
        b"43 0x10000000000000000 0x0 0x0 0x0 0x0 0x0 0x0 0x0\n",
        b"9223372036854775808 0x3 0x0 0x0 0x0 0x0 0x0 0x0 0x0\n",
        b"-2 0x3 0x0 0x0 0x0 0x0 0x0 0x0 0x0\n",
        b"-1 0x0\n",
        b"-1 0x0 0x0 0x0\n",
        b"43 \xff\n",
        b"0x2b 0x3 0x0 0x0 0x0 0x0 0x0 0x0 0x0\n",
    ];
    for case in cases {
        assert_eq!(parse(case), None, "{}", String::from_utf8_lossy(case));
    }
}

#[test]
fn descriptors_are_ints() {
    assert_eq!(descriptor(3), Some(3));
    assert_eq!(descriptor(0xdead_beef_0000_0003), Some(3));
    assert_eq!(descriptor(0xffff_ffff), None);
    assert_eq!(descriptor(u64::MAX), None);
}

#[test]
fn calls_have_one_meaning() {
    let meanings = |number| {
        [accepts, receives, |n| polls(n).is_some(), locks, rests]
            .iter()
            .filter(|is| is(number))
            .count()
    };
    for number in -2..1000 {
        assert!(meanings(number) <= 1, "{number}");
    }
    assert_eq!(meanings(i64::MIN) + meanings(i64::MAX), 0);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn numbers_of_x86_64() {
    assert!(accepts(43) && accepts(288) && !accepts(42));
    for (number, way) in [
        (7, Polling::Poll),
        (23, Polling::Select),
        (232, Polling::Epoll),
        (270, Polling::Select),
        (271, Polling::Poll),
        (281, Polling::Epoll),
    ] {
        assert_eq!(polls(number), Some(way));
    }
    assert!(receives(0) && receives(45) && receives(47) && !receives(44));
    assert!(locks(202) && locks(73) && locks(72) && rests(230) && !rests(0));
}
