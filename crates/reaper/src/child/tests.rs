//! The digits of the pid, which nobody may allocate for.

use std::ffi::CStr;

use super::*;

fn decimal(number: i32) -> String {
    let place: Vec<AtomicU8> = (0..11).map(|_| AtomicU8::new(0)).collect();
    write_decimal(&place, number);
    let text: Vec<u8> = place.into_iter().map(AtomicU8::into_inner).collect();
    CStr::from_bytes_until_nul(&text).unwrap().to_str().unwrap().to_owned()
}

#[test]
fn decimals() {
    for number in [0, 1, 9, 10, 11, 99, 100, 4_194_304, 999_999_999, 1_000_000_000, i32::MAX] {
        assert_eq!(decimal(number), number.to_string());
    }
}
