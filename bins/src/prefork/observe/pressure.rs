//! How hard it is to get a processor: pressure stall information of the whole machine.

/// Where the kernel tells it (from Linux 4.20 on, if built in and not switched off).
const FILE: &str = "/proc/pressure/cpu";

/// Percent of the last 10 seconds in which somebody waited for a processor; about 10 µs.
pub(super) fn read() -> Option<u32> {
    parse(&std::fs::read_to_string(FILE).ok()?)
}

/// The whole number of `some avg10=12.34 …`.
fn parse(text: &str) -> Option<u32> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let average = some.split(' ').find_map(|field| field.strip_prefix("avg10="))?;
    let (whole, parts) = average.split_once('.')?;
    let up = u32::from(parts.bytes().next().is_some_and(|digit| digit >= b'5'));
    whole.parse::<u32>().ok()?.checked_add(up).filter(|percent| *percent <= 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounded() {
        let line =
            |average: &str| format!("some avg10={average} avg60=1.00 total=3\nfull avg10=9.00\n");
        for (average, expected) in [("0.18", 0), ("0.50", 1), ("99.49", 99), ("100.00", 100)] {
            assert_eq!(parse(&line(average)), Some(expected));
        }
        for bad in ["", "x", "-1.00", "101.00", "4294967295.99", "1"] {
            assert_eq!(parse(&line(bad)), None, "{bad}");
        }
        assert_eq!(parse("full avg10=9.00 avg60=1.00\n"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn of_this_machine() {
        assert_eq!(read().is_some(), std::fs::read(FILE).is_ok());
    }
}
